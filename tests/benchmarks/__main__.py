"""python -m tests.benchmarks: the stacks beside each other, on this machine.

python -m tests.benchmarks                         everything, about ten minutes
python -m tests.benchmarks --only handshake        the works whose name has this word
python -m tests.benchmarks --smallest              only to see that it works
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from aiotls.bench import contest, engines, report, stacks, works
from aiotls.bench.contest import Couple, Entry, Solo
from aiotls.bench.settings import SUITES, Settings

from . import footprint, page

VARIANTS = (("TLS 1.2", "1.2", "aes128"), ("AES-256", "1.3", "aes256"))
MOST_MEMORY, PART_OF_FASTNET = 8.0, 0.25
"""KiB of an idle connection on each side, and its part of what aiofastnet takes."""

MOST_POINTS = 10
"""What many live connections may add to a request, in percent, beyond what they add over TCP."""

VARIED = ("bulk, writes of 16 KiB", "request and response, 100 B", "full handshake, verified")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=float, default=1.0, help="how much work in one round")
    parser.add_argument("--stacks", default=",".join(stacks.STACKS))
    parser.add_argument("--loops", default=",".join(stacks.LOOPS))
    parser.add_argument("--only", default="", help="only works with one of these words: a|b")
    parser.add_argument("--suite", default="aes128", choices=SUITES)
    parser.add_argument("--version", default="1.3", choices=["1.3", "1.2"])
    parser.add_argument("--connections", type=int, default=2000, help="idle ones, for memory")
    parser.add_argument("--live", default="100,1000,10000", help="connections, for growth")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--page", type=Path, help="where the drawing goes, SVG in HTML")
    parser.add_argument("--smallest", action="store_true", help="only to see that it works")
    options = parser.parse_args()
    if options.smallest:
        options.rounds, options.scale = 1, 0.02
        options.connections, options.live = 20, "10,20"
    return options


class Suite:
    """One run: what is chosen, and what came out."""

    def __init__(self, options: argparse.Namespace, settings: Settings) -> None:
        self.options = options
        self.settings = settings
        self.entries: list[Entry] = [
            (stack, loop)
            for loop in options.loops.split(",")
            for stack in options.stacks.split(",")
            if stacks.available(stack, loop)
        ]
        self.result: dict[str, Any] = {
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": report.machine(),
            "suite": SUITES[options.suite][0],
            "version": options.version,
            "rounds": options.rounds,
            "works": [],
        }

    def chosen(self, name: str) -> bool:
        words = self.options.only.split("|")
        return any(word in name for word in words)

    def run(self) -> None:
        self.contests()
        self.engines()
        self.variants()
        if self.chosen("idle memory"):
            self.memory()
        if self.chosen("import"):
            self.imports()
        if self.chosen("live"):
            self.live()

    def _rows(self, taking_part: list[Couple] | list[Solo], rows: Iterable[works.Work]) -> None:
        chosen = [work for work in rows if self.chosen(work.name)]
        options = self.options
        for row in contest.run(taking_part, chosen, options.rounds, options.scale):
            print(report.table(row), flush=True)
            self.result["works"].append(report.plain(row))

    def contests(self) -> None:
        if any(self.chosen(work.name) for work in works.WORKS):
            with contest.contestants(Couple, self.entries, self.settings) as couples:
                self._rows(couples, works.WORKS)

    def engines(self) -> None:
        if any(self.chosen(work.name) for work in engines.WORKS):
            names = self.options.stacks.split(",")
            entries = [
                (name, "memory")
                for name in engines.ENGINES
                if engines.available(name) and (name in names or name not in stacks.STACKS)
            ]
            with contest.contestants(Solo, entries, self.settings) as solos:
                self._rows(solos, engines.WORKS)

    def variants(self) -> None:
        """The same for another version and another cipher, where these make a difference."""
        for name, version, suite in VARIANTS:
            rows = [
                replace(work, name=f"{work.name}, {name}", goals=(None,) * 4, goal_drop_in=None)
                for work in works.WORKS
                if work.name in VARIED and self.chosen(f"{work.name}, {name}")
            ]
            if rows:
                with tempfile.TemporaryDirectory() as directory:
                    settings = Settings.create(Path(directory), version, suite)
                    with contest.contestants(Couple, self.entries, settings) as couples:
                        self._rows(couples, rows)

    def memory(self) -> None:
        count = self.options.connections
        silence = 0 if self.options.smallest else footprint.SILENCE
        print(
            f"idle memory: KiB for each of {count} connections, beyond what plain TCP takes, "
            f"after {silence:g} s of silence"
        )
        found = self.result["memory"] = []
        above: dict[tuple[str, str], list[float]] = {}
        for line in footprint.memory(self.entries, self.settings, count, silence):
            found.append(line)
            stack, loop = line["entry"]
            floor = [0.0, 0.0] if stack == "tcp" else above.get(("tcp", loop), [0.0, 0.0])
            sides = [line["client"] / 1024 - floor[0], line["server"] / 1024 - floor[1]]
            above[stack, loop] = sides
            text = f"  {loop:8}{stack:12} client {sides[0]:7.1f}  server {sides[1]:7.1f}"
            if stack == "aiotls":
                met = max(sides) <= MOST_MEMORY
                if fast := above.get(("aiofastnet", loop)):
                    part = max(ours / theirs for ours, theirs in zip(sides, fast, strict=True))
                    text += f"  of aiofastnet's {part:.2f}"
                    met = met and part <= PART_OF_FASTNET
                text += "  reached" if met else "  SHORT"
            print(text, flush=True)

    def imports(self) -> None:
        times = footprint.imports(3 * self.options.rounds, self.settings)
        self.result["imports"] = times
        print("import: milliseconds of CPU")
        for name, values in times.items():
            print(f"  {name:36}{1e3 * median(values):8.1f}")
        names = list(times)
        for base, ours in zip(names[::2], names[1::2], strict=True):
            pairs = zip(times[ours], times[base], strict=True)
            print(f"  {ours} to {base}: {report.Ratio.of(a / b for a, b in pairs)}")

    def live(self) -> None:
        counts = [int(count) for count in self.options.live.split(",")]
        entries = [entry for entry in self.entries if entry[0] in ("tcp", "ssl", "aiotls")]
        visits = max(20, round(2000 * self.options.scale))
        rounds = 3 * self.options.rounds
        print("live connections: microseconds of CPU to open one, and for a request on one")
        print(f"  (in brackets: beside the same with {counts[0]}, round by round)")
        found = self.result["live"] = []
        floors: dict[tuple[str, int], list[float]] = {}
        for line in footprint.live(entries, self.settings, counts, rounds, visits):
            found.append(line)
            stack, loop = line["entry"]
            count, growth = line["connections"], line["growth"]
            text = f"  {loop:8}{stack:12}{count:7}  open {1e6 * line['open']:8.1f}"
            text += f"  request {1e6 * line['request']:7.1f}  {report.Ratio.of(growth)}"
            if stack == "tcp":
                floors[loop, count] = growth
            elif count > counts[0] and (loop, count) in floors:
                pairs = zip(growth, floors[loop, count], strict=True)
                points = 100 * median(ours - floor for ours, floor in pairs)
                line["points"] = points
                text += f"  {points:+.0f} points to tcp"
                if stack == "aiotls":
                    text += "  reached" if points <= MOST_POINTS else "  SHORT"
            print(text, flush=True)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings.create(Path(directory), options.version, options.suite)
        suite = Suite(options, settings)
        suite.run()
    if options.json is not None:
        options.json.write_text(json.dumps(suite.result, indent=1) + "\n")
    if options.page is not None:
        options.page.write_text(page.draw(suite.result))


main()
