"""``aiotls bench``: what TLS costs on this machine, beside the standard library's."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from ..bench import contest, engines, report, stacks, works
from ..bench.settings import SUITES, Settings
from .main import FAILED, OK, USAGE, Failure
from .terminal import Terminal

CHOSEN = (
    "bulk, writes of 16 KiB",
    "request and response, 100 B",
    "full handshake, verified",
    "in memory: full handshake",
)
"""What tells most in little time; ``python -m tests.benchmarks``, in a checkout, does the rest."""


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "bench",
        help="what TLS costs on this machine, beside the standard library's",
        description="Lets a client and a server process of each stack talk over the loopback "
        "interface, in turns, and shows the CPU time of both together. Every client verifies the "
        "server's certificate. Nothing leaves this machine.",
    )
    command.add_argument(
        "--rounds", type=_positive, default=3, metavar="N", help="how often each has its turn (3)"
    )
    command.add_argument(
        "--only", default="", metavar="WORD", help="works whose name has this word; all: --all"
    )
    command.add_argument("--all", action="store_true", help="every work, not only what tells most")
    command.add_argument(
        "--stacks",
        type=_names("stack", stacks.STACKS),
        default=tuple(stacks.STACKS),
        metavar="A,B",
        help=f"of {', '.join(stacks.STACKS)}; those that are not installed are left out",
    )
    command.add_argument(
        "--loops",
        type=_names("loop", stacks.LOOPS),
        default=stacks.LOOPS,
        metavar="A,B",
        help=f"of {', '.join(stacks.LOOPS)}",
    )
    command.add_argument("--suite", default="aes128", choices=SUITES, help="the cipher (aes128)")
    command.add_argument("--tls", default="1.3", choices=["1.3", "1.2"], help="the version (1.3)")
    command.add_argument("--scale", type=float, default=0.3, help=argparse.SUPPRESS)
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return number


def _names(what: str, known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(text.split(",")))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is no {what}: {', '.join(known)}")
        return chosen

    return names


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM, and SIGHUP from a terminal that is closed, end the processes and remove the files.

    As Ctrl-C does; left to themselves they would end this process alone.
    """

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def run(options: argparse.Namespace) -> int:
    """Runs the command; 1 when a stack fails at its work."""
    names = [work.name for work in (*works.WORKS, *engines.WORKS)]
    chosen = {name for name in names if options.all or options.only or name in CHOSEN}
    chosen = {name for name in chosen if options.only in name}
    if not chosen:
        raise Failure(
            f"no work has {options.only!r} in its name",
            hint="They are: " + "; ".join(names),
            code=USAGE,
        )
    terminal = Terminal.of(sys.stdout)
    found = []
    with _ended_in_order(), tempfile.TemporaryDirectory() as directory:
        settings = Settings.create(Path(directory), options.tls, options.suite)
        try:
            for row in _rows(options, settings, chosen):
                found.append(report.plain(row))
                if not options.json:
                    _show(terminal, row)
        except contest.Failed as error:
            raise Failure(f"a stack could not do its work: {error}", code=FAILED) from error
    if not any(row["lines"] for row in found):
        raise Failure(
            "none of these stacks is installed, or none does this work on these loops",
            hint="aiotls doctor tells what is installed.",
        )
    if options.json:
        told = {
            "ok": True,
            "machine": report.machine(),
            "suite": SUITES[options.suite][0 if options.tls == "1.3" else 1],
            "version": options.tls,
            "rounds": options.rounds,
            "works": found,
        }
        print(json.dumps(told, indent=2))
    return OK


def _rows(
    options: argparse.Namespace, settings: Settings, chosen: set[str]
) -> Iterator[contest.Row]:
    """Each work, when it has been measured."""
    over_tcp = [work for work in works.WORKS if work.name in chosen]
    if over_tcp:
        entries = [
            (stack, loop)
            for loop in options.loops
            for stack in options.stacks
            if stacks.available(stack, loop)
        ]
        with contest.contestants(contest.Couple, entries, settings) as couples:
            yield from contest.run(couples, over_tcp, options.rounds, options.scale)
    in_memory = [work for work in engines.WORKS if work.name in chosen]
    if in_memory:
        entries = [
            (name, "memory")
            for name in engines.ENGINES
            if engines.available(name) and (name in options.stacks or name not in stacks.STACKS)
        ]
        with contest.contestants(contest.Solo, entries, settings) as solos:
            yield from contest.run(solos, in_memory, options.rounds, options.scale)


def _show(terminal: Terminal, row: contest.Row) -> None:
    terminal.line(terminal.paint(row.work.name, "bold"))
    terminal.line(f"  loop     stack         us a {row.work.unit:<10} of ssl")
    for line in report.lines(row):
        for stack, micros in line.micros.items():
            ratio = line.ratios.get(stack, {}).get("ssl")
            part = f"{ratio.middle:9.2f}" if ratio is not None else ""
            text = f"  {line.loop:8} {stack:11}{micros:12.2f}      {part}"
            terminal.line(terminal.paint(text, "bold") if stack == "aiotls" else text)
    terminal.line()
    terminal.flush()
