"""The layers of the package: who may import whom.

A module imports from its own layer and from those below it, never from above. Layers
0 to 4 are the engine, which knows no event loop, no socket and no thread. Imports
under ``if TYPE_CHECKING`` do not happen, and do not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2] / "aiotls"

# A room is a module of the package, or a sub-package with all that is in it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"enums", "errors"}),
    frozenset({"wire", "crypto"}),
    frozenset(
        {"config", "ech", "identity", "trust", "sessions", "keylog", "compression", "delegation"}
    ),
    frozenset({"record", "handshake"}),
    frozenset({"connection"}),
    frozenset(
        {
            "budget",
            "callers",
            "deadlines",
            "inspection",
            "reasons",
            "transport",
            "phases",
            "streams",
            "endpoints",
            "stream_handshake",
            "loop",
        }
    ),
    frozenset({"openssl", "ssl", "trace", "contrib"}),
    frozenset({"bench", "cli", "__main__", "__init__"}),
)
ENGINE = range(5)

# Rooms of one layer that are strangers to each other all the same.
STRANGERS = (
    frozenset({"wire", "crypto"}),
    frozenset({"openssl", "trace"}),
    frozenset({"ssl", "trace"}),
    frozenset({"openssl", "contrib"}),
)

FORBIDDEN = frozenset({"asyncio", "socket", "ssl", "select", "selectors", "threading", "uvloop"})

# A lock around a cache that threads share; and the paths of the system's roots, which
# only the standard library's ssl knows, looked up when they are asked for.
EXCEPTIONS = {("sessions", "threading"), ("trust", "threading")}
EXCEPTIONS_IN_FUNCTIONS = {("trust", "ssl")}


class Import(NamedTuple):
    module: str
    """The module's dotted name, absolute."""

    line: int
    in_function: bool


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def layer(name: str) -> int:
    for number, rooms in enumerate(LAYERS):
        if name in rooms:
            return number
    raise AssertionError(f"aiotls.{name} has no place among the layers: give it one")


def imports(path: Path) -> Iterator[Import]:
    """Every import that *path* can carry out, with relative names made absolute."""
    package = ("aiotls", *path.relative_to(ROOT).parent.parts)
    tree = ast.parse(path.read_text(), str(path))
    pending: list[tuple[ast.AST, bool]] = [(tree, False)]
    while pending:
        node, in_function = pending.pop()
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            pending.extend((child, in_function) for child in node.orelse)
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, in_function)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            if node.module:
                base.append(node.module)
            for alias in node.names:
                yield Import(".".join([*base, alias.name]), node.lineno, in_function)
        in_function |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        pending.extend((child, in_function) for child in ast.iter_child_nodes(node))


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def target(imported: Import) -> str | None:
    """The room that an import leads to, or None where it leads out of the package."""
    top, *rest = imported.module.split(".")
    if top != "aiotls":
        return None
    if rest and any(rest[0] in rooms for rooms in LAYERS):
        return rest[0]
    return "__init__"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_own_layer_and_below(path: Path) -> None:
    here = room(path)
    for imported in imports(path):
        there = target(imported)
        if there is None or there == here:
            continue
        where = f"{path.name}:{imported.line} imports {imported.module}"
        assert layer(there) <= layer(here), f"{where}, which lies above it"
        assert frozenset({here, there}) not in STRANGERS, f"{where}, which is a stranger to it"


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if layer(room(path)) in ENGINE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_engine_knows_no_event_loop_and_no_socket(path: Path) -> None:
    here = room(path)
    for imported in imports(path):
        top = imported.module.partition(".")[0]
        if top not in FORBIDDEN or (here, top) in EXCEPTIONS:
            continue
        if (here, top) in EXCEPTIONS_IN_FUNCTIONS and imported.in_function:
            continue
        pytest.fail(f"{path.name}:{imported.line} imports {imported.module}")
