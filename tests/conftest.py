"""What every test has: the event loops it runs on, and deterministic property tests in CI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import hypothesis
import pytest

# The machines that run the tests are shared and slow at times; a test's time says nothing there.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Each asynchronous test runs once on every loop that is installed."""
    factories: dict[str, LoopFactory] = {"asyncio": asyncio.SelectorEventLoop}
    try:
        import uvloop
    except ImportError:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            raise
    else:
        factories["uvloop"] = uvloop.new_event_loop
    return factories
