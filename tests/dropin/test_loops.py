"""The tests' own loops: a connection that is left open fails a test, and does not stop the run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests import loops

pytest.importorskip("uvloop")


@pytest.mark.parametrize("factory", [loops.SelectorLoop, loops.uvloop_factory()])
def test_what_is_left_open_is_named(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PATIENCE", 0.01)
    kept: list[Any] = []

    async def main() -> None:
        server = await asyncio.start_server(lambda *pair: kept.append(pair), "127.0.0.1", 0)
        kept.append(await asyncio.open_connection(*server.sockets[0].getsockname()))
        server.close()  # and no wait_closed(), which waits for the connections since Python 3.12

    loop = factory()
    loop.run_until_complete(main())
    with pytest.raises(AssertionError, match=r"left open: .*Transport"):
        loop.close()
    assert loop.is_closed()


@pytest.mark.parametrize("factory", [loops.SelectorLoop, loops.uvloop_factory()])
def test_what_is_about_to_close_is_waited_for(factory: Any) -> None:
    async def main() -> None:
        async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0) as s:
            _, writer = await asyncio.open_connection(*s.sockets[0].getsockname())
            asyncio.get_running_loop().call_later(0.05, writer.close)

    loop = factory()
    loop.run_until_complete(main())
    loop.close()
    assert loop.is_closed()
