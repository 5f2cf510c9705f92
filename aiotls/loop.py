"""Event loops on which asyncio's own calls take this package's configurations.

    with asyncio.Runner(loop_factory=aiotls.loop_factory(uvloop.new_event_loop)) as runner:
        runner.run(main())      # asyncio.open_connection(…, ssl=aiotls.ClientConfig())

Calls with ``ssl=None`` and with contexts of the standard library's go to the loop as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from . import endpoints
from .config import Config

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def loop_factory(base: LoopFactory = asyncio.new_event_loop) -> LoopFactory:
    """A factory of loops like those of *base*, which also know this package's TLS.

    For ``asyncio.Runner(loop_factory=…)``, and for servers that take one by name.
    """

    def factory() -> asyncio.AbstractEventLoop:
        return _equip(base())

    return factory


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop of asyncio's default kind that also knows this package's TLS."""
    return _equip(asyncio.new_event_loop())


def _is_ours(context: Any) -> bool:
    return isinstance(context, Config) or hasattr(type(context), "_aiotls_config")


def _equip(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Gives *loop* methods that look at their ``ssl`` argument first."""
    equipped: Any = loop
    for ours in (
        endpoints.create_connection,
        endpoints.create_unix_connection,
        endpoints.create_server,
        endpoints.create_unix_server,
        endpoints.connect_accepted_socket,
    ):
        name = ours.__name__
        setattr(equipped, name, _choose(getattr(loop, name), ours))
    equipped.start_tls = _choose_upgrade(loop.start_tls)
    return loop


def _choose(
    theirs: Callable[..., Awaitable[Any]], ours: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, ssl: Any = None, **kwds: Any) -> Any:
        if _is_ours(ssl):
            return await ours(*args, ssl=ssl, **kwds)
        return await theirs(*args, ssl=ssl, **kwds)

    call.__name__ = ours.__name__
    call.__doc__ = ours.__doc__
    return call


def _choose_upgrade(theirs: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def start_tls(transport: Any, protocol: Any, sslcontext: Any, **kwds: Any) -> Any:
        if _is_ours(sslcontext):
            return await endpoints.start_tls(transport, protocol, sslcontext, **kwds)
        return await theirs(transport, protocol, sslcontext, **kwds)

    start_tls.__doc__ = endpoints.start_tls.__doc__
    return start_tls
