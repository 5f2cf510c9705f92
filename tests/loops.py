"""Event loops that end with the test: nothing hangs, and nothing is left open behind its back.

Two things go wrong otherwise. Libraries close their connections without waiting for it, and a
test that has ended then fails for a socket that was about to be closed. And where warnings are
errors, uvloop's Loop.close() never returns: its warning of a transport that is still open,
raised, keeps it from closing that transport, which it then waits for in C.
"""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

PATIENCE = 10.0
"""How long connections may take to close by themselves, in seconds."""


class _Ending:
    """Waits for the transports of a loop before that is closed."""

    def close(self) -> None:
        loop: Any = self
        if loop.is_closed():
            return
        left: list[str] = []
        if open_transports(loop):
            left = loop.run_until_complete(_transports_closed(loop))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # they are named below
            super().close()  # type: ignore[misc]
        if left:
            raise AssertionError(f"left open: {', '.join(left)}")


async def _transports_closed(loop: Any) -> list[str]:
    """Returns when none is open; those that had to be aborted are named."""
    until = loop.time() + PATIENCE
    left = open_transports(loop)
    while left and loop.time() < until:
        await asyncio.sleep(0.01)
        left = open_transports(loop)
    names = [repr(transport) for transport in left]
    for transport in left:
        transport.abort()
    for _ in range(10):
        await asyncio.sleep(0)
    return names


def open_transports(loop: Any) -> list[Any]:
    """The transports of *loop* that are open, or about to be closed."""
    if isinstance(loop, asyncio.SelectorEventLoop):
        known: Any = loop._transports  # type: ignore[attr-defined]
        return [transport for transport in list(known.values()) if transport._sock is not None]
    kinds = _kinds_of_uvloop()
    # They are in no list, and say whether they are open only where they are shown.
    return [t for t in gc.get_objects() if type(t) in kinds and "closed=False" in repr(t)]


def _kinds_of_uvloop() -> tuple[type, ...]:
    from uvloop import loop

    module: Any = loop  # its stubs leave these out
    return module.TCPTransport, module.UnixTransport


class SelectorLoop(_Ending, asyncio.SelectorEventLoop):
    """asyncio's loop."""


def uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of uvloop's loops; raises ImportError where it is not installed."""
    import uvloop

    class Loop(_Ending, uvloop.Loop):  # type: ignore[misc]
        __module__ = uvloop.Loop.__module__  # for those that look there what loop it is

    return Loop
