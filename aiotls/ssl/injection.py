"""The whole process on this engine, for libraries that make their own contexts.

``ssl.SSLContext(…)`` is made to return a context of this package's. The name in the module
stays what it is (assigning to it would have the standard library's own properties, which look
it up, call themselves without end), and so does every isinstance check, in whatever module
remembers the class since before. Only contexts that were made earlier stay with OpenSSL; those
are named in a warning.
"""

from __future__ import annotations

import gc
import ssl
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

from .context import SSLContext

_original = ssl.SSLContext.__dict__["__new__"]


def inject() -> None:
    """Has ``ssl.SSLContext(…)`` and all that calls it return :class:`aiotls.ssl.SSLContext`.

    Call it first, before libraries are imported: some make contexts when they are, and those
    stay what they are. So do those of a class that inherits from ``ssl.SSLContext``. A
    RuntimeWarning names both. A second call does nothing; neither does one whose warning is made an
    exception.
    """
    if is_injected():
        return
    if late := holders_of_contexts():
        warnings.warn(
            "aiotls.ssl.inject() comes too late for contexts of the standard library's ssl that "
            f"have been made already: {', '.join(late)}. They go on with OpenSSL. Call inject() "
            "before importing what makes them.",
            RuntimeWarning,
            stacklevel=2,
        )
    if others := sorted(_names_of_heirs(ssl.SSLContext)):
        warnings.warn(
            "aiotls.ssl.inject() leaves alone what inherits from ssl.SSLContext; the contexts of "
            f"these classes stay as they are: {', '.join(others)}.",
            RuntimeWarning,
            stacklevel=2,
        )
    # Last: where warnings are errors, nothing has changed.
    ssl.SSLContext.__new__ = _new  # type: ignore[method-assign, assignment]


def extract() -> None:
    """Undoes :func:`inject`. Contexts that were made meanwhile stay what they are."""
    ssl.SSLContext.__new__ = _original  # type: ignore[method-assign]


def is_injected() -> bool:
    """Whether :func:`inject` is in effect."""
    return ssl.SSLContext.__dict__["__new__"] is not _original


def holders_of_contexts() -> list[str]:
    """Where contexts of OpenSSL's are kept: ``module.name``, ``module.Class.name``, the default of
    a function's argument; and how many there are that nothing with a name keeps.
    """
    gc.collect()  # what nobody has any more is no one's
    contexts = {
        id(made)
        for made in gc.get_objects()
        if isinstance(made, ssl.SSLContext) and not isinstance(made, SSLContext)
    }
    found: dict[str, int] = {}

    def look(place: str, value: object) -> None:
        if id(value) in contexts:
            found[place] = id(value)
        for default in _bound_to(value):
            if id(default) in contexts:
                found[f"{place}()"] = id(default)

    for name, module in list(sys.modules.items()) if contexts else ():
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            look(f"{name}.{attribute}", value)
            if isinstance(value, type) and value.__module__ == name:
                for part, member in list(vars(value).items()):
                    look(f"{name}.{attribute}.{part}", member)
    unnamed = len(contexts.difference(found.values()))
    return sorted(found) + ([f"{unnamed} elsewhere"] if unnamed else [])


def _bound_to(value: object) -> Iterator[object]:
    """What a function has in the defaults of its arguments, or a partial one was given."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, partial):
        yield from value.args
        yield from value.keywords.values()
        value = value.func
    if isinstance(value, FunctionType):
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()


def _names_of_heirs(kind: type[ssl.SSLContext]) -> Iterator[str]:
    for heir in kind.__subclasses__():
        if issubclass(heir, SSLContext):
            continue  # this package's own, and what inherits from it
        if not issubclass(SSLContext, heir):
            yield f"{heir.__module__}.{heir.__qualname__}"
        yield from _names_of_heirs(heir)


def _new(cls: type[ssl.SSLContext], *args: Any, **kwargs: Any) -> ssl.SSLContext:
    if cls is ssl.SSLContext:
        return SSLContext.__new__(SSLContext, *args, **kwargs)
    made: ssl.SSLContext = _original.__func__(cls, *args, **kwargs)
    return made
