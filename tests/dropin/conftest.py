"""Every test of the drop-in runs with the standard library's ssl as its control."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable, Iterator, Mapping

import pytest

import aiotls
import aiotls.ssl
from tests import loops

from .engines import CONTROL, OURS, PAIRINGS, Files, pairing_id


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that applications run on, and this package's own."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": loops.SelectorLoop,
        "aiotls": aiotls.loop_factory(loops.SelectorLoop),
    }
    try:
        uvloop = loops.uvloop_factory()
    except ImportError:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            raise
        return factories
    factories["uvloop"] = uvloop
    factories["aiotls-uvloop"] = aiotls.loop_factory(uvloop)
    return factories


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates on disk."""
    return Files(tmp_path_factory.mktemp("dropin"))


@pytest.fixture(params=[CONTROL, OURS])
def engine(request: pytest.FixtureRequest) -> str:
    """The ssl module that a library is given."""
    name: str = request.param
    return name


@pytest.fixture(params=PAIRINGS, ids=pairing_id)
def pairing(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The engines of client and server."""
    pair: tuple[str, str] = request.param
    return pair


@pytest.fixture
def injected(engine: str) -> Iterator[str]:
    """The process's contexts are this package's, for libraries that make their own."""
    if engine != OURS:
        yield engine
        return
    with warnings.catch_warnings():
        # Other tests of this process have imported aiohttp, which made its contexts then.
        warnings.simplefilter("ignore", RuntimeWarning)
        aiotls.ssl.inject()
    try:
        yield engine
    finally:
        aiotls.ssl.extract()
