"""What ``import aiotls`` offers, and that it loads nothing before it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
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
