"""What every test has: the event loops it runs on, and deterministic property tests in CI."""

from __future__ import annotations

import asyncio
import faulthandler
import os
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

import hypothesis
import pytest

from aiotls import ClientConfig, Identity, ServerConfig, TrustStore
from tests import certificates, loops

# The machines that run the tests are shared and slow at times; a test's time says nothing there.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """No end of a test hangs for ever.

    Where a loop that is not of tests.loops waits in C, pytest-timeout has given up its timer. A
    lost process is a failed test with pytest-xdist.
    """
    faulthandler.dump_traceback_later(120, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What is skipped on a person's machine, for a peer that is missing, fails in CI."""
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    return _required((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints which feature was tried with which other implementation, where any was."""
    outcomes = [
        (report.nodeid, kind)
        for kind in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(kind, ())
        if "interop/" in getattr(report, "nodeid", "")
    ]
    if not outcomes:
        return
    from tests.interop.report import report as feature_table

    lines = feature_table(outcomes)
    if lines:
        terminalreporter.section("features x peers x directions")
        for line in lines:
            terminalreporter.write_line(line)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _required(report: Report) -> Report:
    if report.skipped and not hasattr(report, "wasxfail"):
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            report.outcome = "failed"
    return report


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Each asynchronous test runs once on every loop that is installed."""
    factories: dict[str, LoopFactory] = {"asyncio": loops.SelectorLoop}
    try:
        factories["uvloop"] = loops.uvloop_factory()
    except ImportError:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            raise
    return factories


@pytest.fixture
def client() -> ClientConfig:
    """A client that trusts the tests' authority."""
    return ClientConfig(trust=trust_store())


@pytest.fixture
def server() -> ServerConfig:
    """A server whose certificate is for localhost."""
    return ServerConfig(identity=identity("localhost"))


@pytest.fixture
def client_trust() -> TrustStore:
    """What a server verifies its clients by."""
    return trust_store()


@pytest.fixture
def client_identity() -> Identity:
    """A client's certificate."""
    return identity("client")


def trust_store() -> TrustStore:
    """The tests' authority."""
    return certificates.authority().trust


def identity(*names: str) -> Identity:
    """A certificate for *names*, issued by the tests' authority."""
    return certificates.leaf(*names).identity


@pytest.fixture(scope="session")
def rsa_identity() -> Identity:
    """A certificate with an RSA key for localhost."""
    return certificates.leaf("localhost", key_kind="rsa").identity
