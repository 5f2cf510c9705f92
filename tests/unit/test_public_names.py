"""What ``import aiotls`` offers, and that it loads nothing before it is asked for."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiotls


def fresh(code: str) -> str:
    """What *code* prints in a process that has imported nothing yet."""
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return run.stdout


def test_the_import_alone_loads_neither_the_engine_nor_its_dependencies() -> None:
    loaded = set(fresh("import aiotls, sys; print(*sys.modules)").split())
    assert not {"asyncio", "ssl", "cryptography", "dataclasses"} & loaded
    assert [name for name in loaded if name.startswith("aiotls")] == ["aiotls"]


@pytest.mark.parametrize("name", [*(names[0] for names in aiotls._HOMES.values()), *aiotls._ROOMS])
def test_every_module_can_be_the_first_to_be_loaded(name: str) -> None:
    assert fresh(f"import aiotls; aiotls.{name}; from aiotls import {name}; print('there')")


def test_every_name_can_be_imported_at_once() -> None:
    names = fresh("from aiotls import *; print(*dir())").split()
    assert set(aiotls.__all__) <= set(names)


def test_type_checkers_see_the_names_that_programs_get() -> None:
    tree = ast.parse(Path(str(aiotls.__file__)).read_text())
    declared: dict[str, object] = {}
    for block in tree.body:
        if isinstance(block, ast.If):
            for node in ast.walk(block):
                if isinstance(node, ast.ImportFrom):
                    declared.update((alias.name, node.module) for alias in node.names)
    assert sorted(declared) == sorted([*aiotls.__all__, *aiotls._ROOMS])
    for name, module in declared.items():
        value = getattr(aiotls, name)
        home = sys.modules[f"aiotls.{module or name}"]
        assert value is (getattr(home, name) if module else home)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wrap_socket'"):
        aiotls.wrap_socket  # type: ignore[attr-defined]  # noqa: B018


def test_names_are_listed_before_they_are_loaded() -> None:
    listed = fresh("import aiotls; print(*dir(aiotls))").split()
    assert set(aiotls.__all__) <= set(listed)


ROOMS = ("aiotls", "aiotls.contrib.redis", "aiotls.openssl", "aiotls.ssl", "aiotls.trace")


def public(room: str) -> Iterator[tuple[str, object]]:
    """The public functions and classes of a module, and the classes' public members."""
    module = importlib.import_module(room)
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        ours = getattr(value, "__module__", "").startswith("aiotls")
        if name.startswith("_") or not ours or not callable(value):
            continue
        yield f"{room}.{name}", value
        if inspect.isclass(value):
            for member, defined in vars(value).items():
                documented = callable(defined) or isinstance(
                    defined, (property, classmethod, staticmethod, functools.cached_property)
                )
                if documented and not member.startswith("_"):
                    # An overriding method may say what the one that it overrides says.
                    is_property = isinstance(defined, (property, functools.cached_property))
                    yield (
                        f"{room}.{name}.{member}",
                        defined if is_property else getattr(value, member),
                    )


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_says_what_it_is(room: str) -> None:
    names = dict(public(room))
    assert len(names) > 1
    assert [
        name for name, value in names.items() if not (inspect.getdoc(value) or "").strip()
    ] == []


def test_the_openssl_room_offers_openssls_names_alone() -> None:
    offered = set(importlib.import_module("aiotls.openssl").__all__)
    assert {"SSL_do_handshake", "BIO_new", "ERR_get_error", "SSL_ERROR_WANT_READ"} <= offered
    assert not {"Any", "Callable", "dataclass", "check_ssl", "Identity"} & offered
