"""Every name of the standard library's ssl, compared by program: is it here, and the same?"""

from __future__ import annotations

import inspect
import ssl
from typing import Any

import pytest

import aiotls.ssl

MODULE = sorted(name for name in dir(ssl) if not name.startswith("_"))
CLASSES = ("SSLContext", "SSLObject", "SSLSocket", "SSLSession", "MemoryBIO", "SSLError")
MEMBERS = [
    (kind, name)
    for kind in CLASSES
    for name in sorted(dir(getattr(ssl, kind)))
    if not name.startswith("__")
]
OF_THIS_ENGINE = {
    "CHANNEL_BINDING_TYPES": ["tls-unique", "tls-exporter", "tls-server-end-point"],
    "HAS_TLSv1": False,
    "HAS_TLSv1_1": False,
    "HAS_PSK": True,
    "HAS_PHA": True,
}
"""Constants that say what an engine can do, where ours is not OpenSSL."""

OWN_DEFAULTS = {"get_server_certificate": "timeout"}
"""Arguments whose default is a private marker of the standard library's."""


def parameters(function: Any) -> list[tuple[str, Any, Any]] | None:
    """Names, kinds and defaults of the arguments; None where the interpreter knows none."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    own = OWN_DEFAULTS.get(getattr(function, "__name__", ""))
    return [
        (p.name, p.kind, None if p.name == own else p.default) for p in found if p.name != "self"
    ]


@pytest.mark.parametrize("name", MODULE)
def test_the_module_has(name: str) -> None:
    assert name in dir(aiotls.ssl)
    theirs, ours = getattr(ssl, name), getattr(aiotls.ssl, name)
    if name in OF_THIS_ENGINE:
        assert ours == OF_THIS_ENGINE[name]
    elif isinstance(theirs, type):
        assert ours is theirs or name in ("SSLContext", "SSLObject", "SSLSocket", "SSLSession")
    elif callable(theirs):
        assert parameters(ours) == parameters(theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_the_class_has(kind: str, name: str) -> None:
    theirs, ours = getattr(ssl, kind), getattr(aiotls.ssl, kind)
    assert hasattr(ours, name)
    if callable(getattr(theirs, name)) and not name.startswith("_"):
        expected = parameters(getattr(theirs, name))
        assert expected is None or parameters(getattr(ours, name)) == expected
    found = [inspect.getattr_static(k, name) for k in (theirs, ours)]
    if all(isinstance(value, property) for value in found):
        assert (found[0].fset is None) == (found[1].fset is None)  # what is set there is set here


def test_what_openssl_sets_itself_is_overridden() -> None:
    """No setting is left to the context of OpenSSL's below, where nothing would come of it."""
    native = ssl._SSLContext  # type: ignore[attr-defined]
    for name in dir(native):
        if not name.startswith("__"):
            assert inspect.getattr_static(aiotls.ssl.SSLContext, name) is not vars(native)[name]
