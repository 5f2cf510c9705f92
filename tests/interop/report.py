"""The table as text, filled from the tests that ran; pytest prints it when it is done."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .table import DIRECTIONS, ELSEWHERE, NAMES, TABLE, Scenario


@dataclass(frozen=True)
class Cell:
    """One feature with one peer in one direction."""

    feature: str
    direction: str
    peer: str


def scenarios() -> Iterator[tuple[Cell, Scenario]]:
    """What there is to run."""
    for feature, directions in TABLE.items():
        for direction, row in directions.items():
            for peer, what in row.items():
                if not isinstance(what, str):
                    yield Cell(feature, direction, peer), what


def identifier(cell: Cell) -> str:
    """How a test names its cell, and is found by it afterwards."""
    return f"{cell.feature}|{cell.direction}|{cell.peer}"


_HERE = re.compile(
    r"test_features\.py::test_feature\[(?:(?:asyncio|uvloop)-)?([^|\]]+)\|(\w+)\|(\w+)"
)
_THERE = re.compile(r"interop/test_(client|server)\.py::(\w+)\[(.*)\]")


def cell_of(node: str) -> Cell | None:
    """The cell that the test with this node id fills."""
    if found := _HERE.search(node):
        return Cell(*found.groups())
    if found := _THERE.search(node):
        direction, name, parameters = found.groups()
        peers = [word for word in parameters.split("-") if word in NAMES]
        for feature, beginnings in ELSEWHERE.items():
            if peers and name.startswith(beginnings):
                return Cell(feature, direction, peers[0])
    return None


BESIDE = {
    "test_browsers": "the hellos of 17 browsers",
    "test_postgresql": "PostgreSQL's server, and its client libpq, in TLS 1.2 and 1.3",
    "test_redis": "two server processes with one Redis",
    "test_broken": "failures, with each peer",
}
"""What the other files of this folder are about."""


def report(outcomes: Sequence[tuple[str, str]]) -> list[str]:
    """The table, from the node ids of tests and how they ended."""
    results: dict[Cell, list[str]] = {}
    for node, outcome in outcomes:
        if cell := cell_of(node):
            results.setdefault(cell, []).append(outcome)
    if not results:
        return []
    width = max(map(len, [*TABLE, *ELSEWHERE]))
    text = []
    for direction, title in zip(
        DIRECTIONS, ("our client, the peer's server", "our server, the peer's client"), strict=True
    ):
        text.append(f"{title:{width}}  " + " ".join(f"{name:9}" for name in NAMES))
        elsewhere = [f for f in ELSEWHERE if any(c.feature == f for c in results)]
        for feature in (*elsewhere, *TABLE):
            cells = [_word(Cell(feature, direction, name), results) for name in NAMES]
            text.append(f"{feature:{width}}  " + " ".join(f"{cell:9}" for cell in cells).rstrip())
        text.append("")
    text.append(
        "'-' above the row TLS 1.2: the peer's class says that it cannot; of NSS and Chromium"
    )
    text.append(
        "the rows from there on are tried alone. The reasons where there is nothing to run:"
    )
    for feature, directions in TABLE.items():
        for direction, row in directions.items():
            reasons: dict[str, list[str]] = {}
            for name, what in row.items():
                if isinstance(what, str):
                    reasons.setdefault(what, []).append(name)
            for reason, names in reasons.items():
                text.append(f"  {feature}, our {direction}: {', '.join(names)}: {reason}")
    for file, what in BESIDE.items():
        ends = Counter(outcome for node, outcome in outcomes if f"interop/{file}.py::" in node)
        if ends:
            counts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(ends.items()))
            text.append(f"besides: {what}: {counts}")
    return text


def _word(cell: Cell, results: dict[Cell, list[str]]) -> str:
    outcomes = results.get(cell)
    if outcomes is None:
        what = TABLE.get(cell.feature, {}).get(cell.direction, {}).get(cell.peer, "")
        return "-" if isinstance(what, str) else "not run"
    for bad in ("failed", "error", "skipped"):
        if bad in outcomes:
            return bad.upper()
    return "ran"
