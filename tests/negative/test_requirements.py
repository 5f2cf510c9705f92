"""Each demand in requirements.txt has the test that is named for it, and that test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LINES = [
    line
    for line in (HERE / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@cache
def names_in(file: str) -> frozenset[str]:
    """The functions of a file of tests, and what its cases are called."""
    tree = ast.parse((HERE.parent / file).read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return frozenset(found)


@pytest.mark.parametrize("line", LINES)
def test_a_demand_has_its_test(line: str) -> None:
    where, who, demand, test = line.split(" | ")
    assert re.fullmatch(r"RFC \d{4}, [\dA-F]\d*(\.\d+)*", where)
    assert who in ("client", "server", "both")
    assert demand
    file, _, name = test.partition(": ")
    assert name in names_in(file)


def test_no_demand_is_listed_twice() -> None:
    demands = [tuple(line.split(" | ")[:3]) for line in LINES]
    assert len(set(demands)) == len(demands)
