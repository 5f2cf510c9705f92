"""The peers as fixtures, and what they exchange."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .peer import Peer, lines
from .pki import PKI


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all the processes that pytest-xdist runs the tests in."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def peer(request: pytest.FixtureRequest, shared_directory: Path) -> Peer:
    """The peer that the test is run with; the test is skipped where it is not installed."""
    peer: Peer = request.param
    reason = peer.missing()
    if reason is not None:
        # Continuous integration has to have them all.
        refuse = pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip
        refuse(f"{peer.name}: {reason}")
    peer.prepare(shared_directory)
    return peer


@pytest.fixture(scope="session")
def payload() -> bytes:
    """More than one flight of the largest records."""
    return lines(200_000)


@pytest.fixture(scope="session")
def large_payload() -> bytes:
    return lines(64 << 20)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> PKI:
    return PKI(tmp_path_factory.mktemp("pki"))
