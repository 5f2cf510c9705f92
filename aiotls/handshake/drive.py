"""A handshake's coroutine, run inside a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

from ..enums import Want

T = TypeVar("T")


class Drive(Generic[T]):
    """Awaits *coroutine*: a Want that it yields is waited for by *wait*; whatever else an
    application's hook awaits passes through to the event loop, and so do its answers and errors.
    """

    def __init__(
        self, coroutine: Coroutine[Any, None, T], wait: Callable[[Want], Awaitable[None]]
    ) -> None:
        self._coroutine = coroutine
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine = self._coroutine
        error: BaseException | None = None
        value: Any = None
        try:
            while True:
                try:
                    if error is not None:
                        yielded = coroutine.throw(error)
                    else:
                        yielded = coroutine.send(value)
                except StopIteration as stop:
                    return cast(T, stop.value)
                error, value = None, None
                try:
                    if isinstance(yielded, Want):
                        yield from self._wait(yielded).__await__()
                    else:
                        value = yield yielded
                except BaseException as thrown:
                    error = thrown
        finally:
            coroutine.close()
