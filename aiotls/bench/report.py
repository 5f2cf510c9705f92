"""What was measured, as a table for people and as JSON for machines."""

from __future__ import annotations

import os
import platform
import ssl
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median, quantiles
from typing import Any

from .contest import Row


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median, and the quartiles around it."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Ratio | None:
        """None for no values."""
        values = sorted(values)
        if not values:
            return None
        low, _, high = quantiles(values, n=4) if len(values) > 1 else values * 3
        return cls(median(values), low, high)

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: one work on one loop."""

    work: str
    loop: str
    micros: dict[str, float]
    """Microseconds of CPU for one unit, client and server together, by stack."""

    ratios: dict[str, dict[str, Ratio]]
    """Of each stack, to ``ssl``, to ``aiofastnet``, and ``above tcp`` (beyond plain TCP, to what
    ssl takes beyond it); ``p99`` is the time that one in a hundred takes, to that with ssl."""

    goal: float | None
    goal_fast: float | None
    goal_drop_in: float | None

    def met(self, stack: str = "aiotls") -> bool | None:
        """Whether the goals are reached; None where there are none."""
        goals: dict[str, float | None]
        if stack == "aiotls":
            goals = {"ssl": self.goal, "aiofastnet": self.goal_fast, "p99": self.goal}
        else:
            goals = {"ssl": self.goal_drop_in} if stack == "aiotls.ssl" else {}
        verdicts = [
            ratio.middle <= goal
            for other, goal in goals.items()
            if goal is not None and (ratio := self.ratios.get(stack, {}).get(other)) is not None
        ]
        return all(verdicts) if verdicts else None


def lines(row: Row) -> list[Line]:
    """One line for each loop that the row was measured on."""
    made = []
    for loop in dict.fromkeys(loop for _, loop in row.rounds):
        entries = [entry for entry in row.rounds if entry[1] == loop]
        ratios: dict[str, dict[str, Ratio]] = {}
        for entry in entries:
            found = {
                "ssl": Ratio.of(row.ratios(entry, ("ssl", loop))),
                "aiofastnet": Ratio.of(row.ratios(entry, ("aiofastnet", loop))),
                "above tcp": Ratio.of(row.ratios(entry, ("ssl", loop), ("tcp", loop)))
                if ("tcp", loop) in row.rounds
                else None,
                "p99": Ratio.of(row.ratios(entry, ("ssl", loop), key="p99")),
            }
            ratios[entry[0]] = {name: ratio for name, ratio in found.items() if ratio is not None}
        micros = {entry[0]: 1e6 * median(row.values(entry)) for entry in entries}
        goals = row.work.goals
        uvloop = loop == "uvloop"
        reached = (goals[uvloop], goals[2 + uvloop], row.work.goal_drop_in)
        made.append(Line(row.work.name, loop, micros, ratios, *reached))
    return made


def table(row: Row) -> str:
    """The lines of one work, for a terminal."""
    text = [f"{row.work.name}: microseconds of CPU for each {row.work.unit}, both sides"]
    for line in lines(row):
        for stack, micros in line.micros.items():
            ratios = line.ratios.get(stack, {})
            cells = [f"  {line.loop:8}{stack:12}{micros:10.2f}"]
            for other in ("ssl", "aiofastnet", "above tcp"):
                ratio = ratios.get(other)
                cells.append(f"{other} {ratio}" if ratio is not None else "")
            if late := row.values((stack, line.loop), "p99"):
                ratio = ratios.get("p99")
                cells.append(f"p99 {1e6 * median(late):.0f}, of ssl's {ratio or '-'}")
            goal = _VERDICTS[line.met(stack)]
            text.append("  ".join(f"{cell:29}" for cell in cells).rstrip() + goal)
    return "\n".join(text)


_VERDICTS = {None: "", True: "  reached", False: "  SHORT"}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    names = ("cryptography", "uvloop", "aiofastnet", "rtls", "pyOpenSSL", "tlslite-ng")
    packages = {}
    for name in names:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "openssl": ssl.OPENSSL_VERSION,
        "packages": packages,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for text in file:
                if text.startswith("model name"):
                    return text.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def plain(row: Row) -> dict[str, Any]:
    """The lines of one work, and every round, as JSON has it."""
    return {
        "work": row.work.name,
        "unit": row.work.unit,
        "lines": [{**asdict(line), "met": line.met()} for line in lines(row)],
        "rounds": [
            {"stack": stack, "loop": loop, "rounds": rounds}
            for (stack, loop), rounds in row.rounds.items()
        ],
    }
