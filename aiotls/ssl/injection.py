"""The whole process on this engine, for libraries that make their own contexts.

``ssl.SSLContext(…)`` is made to return a context of this package's. The name in the module
stays what it is (assigning to it would have the standard library's own properties, which look
it up, call themselves without end), and so does every isinstance check, in whatever module
remembers the class since before. Only contexts that were made earlier stay with OpenSSL; those
that modules keep are named in a warning.
"""

from __future__ import annotations

import ssl
import sys
import warnings
from typing import Any

from .context import SSLContext

_original = ssl.SSLContext.__dict__["__new__"]


def inject() -> None:
    """Has ``ssl.SSLContext(…)`` and all that calls it return :class:`aiotls.ssl.SSLContext`.

    Call it first, before libraries are imported: some make contexts when they are, and those
    stay OpenSSL's. A RuntimeWarning names the modules that have one. A class that inherits from
    ``ssl.SSLContext`` is left alone. A second call does nothing; neither does one whose warning is
    made an exception.
    """
    if is_injected():
        return
    if late := modules_with_contexts():
        warnings.warn(
            "aiotls.ssl.inject() comes too late for the contexts of the standard library's ssl "
            f"that these modules made when they were imported: {', '.join(late)}. They go on "
            "with OpenSSL. Call inject() before importing them.",
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


def modules_with_contexts() -> list[str]:
    """The modules that keep a context of OpenSSL's."""
    found = []
    for name, module in list(sys.modules.items()):
        if any(
            type(value) is ssl.SSLContext
            for value in list(getattr(module, "__dict__", {}).values())
        ):
            found.append(name)
    return sorted(found)


def _new(cls: type[ssl.SSLContext], *args: Any, **kwargs: Any) -> ssl.SSLContext:
    if cls is ssl.SSLContext:
        return SSLContext.__new__(SSLContext, *args, **kwargs)
    made: ssl.SSLContext = _original.__func__(cls, *args, **kwargs)
    return made
