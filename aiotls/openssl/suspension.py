"""How an application's callback suspends a handshake that has no event loop.

A call that cannot go on returns -1 and is repeated. A callback that cannot answer yet awaits
:func:`pending`, or a future: with the first the handshake goes on at the next call, with the
second at the first call after the future has its result.
"""

from __future__ import annotations

import types
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .constants import (
    SSL_ASYNC_PAUSED,
    SSL_CLIENT_HELLO_CB,
    SSL_ERROR_WANT_ASYNC,
    SSL_ERROR_WANT_CLIENT_HELLO_CB,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_RETRY_VERIFY,
    SSL_ERROR_WANT_WRITE,
    SSL_ERROR_WANT_X509_LOOKUP,
    SSL_READING,
    SSL_RETRY_VERIFY,
    SSL_WRITING,
    SSL_X509_LOOKUP,
)

_KINDS = {
    SSL_ERROR_WANT_READ: SSL_READING,
    SSL_ERROR_WANT_WRITE: SSL_WRITING,
    SSL_ERROR_WANT_X509_LOOKUP: SSL_X509_LOOKUP,
    SSL_ERROR_WANT_ASYNC: SSL_ASYNC_PAUSED,
    SSL_ERROR_WANT_CLIENT_HELLO_CB: SSL_CLIENT_HELLO_CB,
    SSL_ERROR_WANT_RETRY_VERIFY: SSL_RETRY_VERIFY,
}


@dataclass(frozen=True)
class Pause:
    """What a suspended handshake yields: what SSL_want() then says."""

    want: int | None
    """``SSL_READING`` and so on; None for what fits the callback that is being asked."""


@types.coroutine
def pause(want: int | None) -> Generator[Pause, None, None]:
    """Suspends the handshake until the call is repeated."""
    yield Pause(want)


async def pending(kind: int | None = None) -> None:
    """Suspends the handshake until the call is repeated, from within a callback of one's own.

    *kind* is what SSL_get_error() is to say, ``SSL_ERROR_WANT_…``; None: what belongs to the
    callback, as SSL_ERROR_WANT_X509_LOOKUP belongs to the choice of a certificate.
    """
    if kind is not None and kind not in _KINDS:
        raise UsageError(f"kind={kind!r} is not one of the SSL_ERROR_WANT_… of a handshake")
    await pause(None if kind is None else _KINDS[kind])


def is_future(value: Any) -> bool:
    """Whether an awaited object can be asked if it is done: a future of asyncio's, or like it."""
    return callable(getattr(value, "done", None))


def detach(future: Any) -> None:
    """Tells asyncio that its future was not awaited by a task, which it takes every await for."""
    if getattr(future, "_asyncio_future_blocking", False):
        future._asyncio_future_blocking = False
