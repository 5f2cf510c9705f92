"""``aiotls explain``: an alert, an error, an extension or a code point in plain words, offline."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from typing import Any

from ..trace.glossary import ENTRIES, Entry, look_up, similar
from .main import OK, USAGE, Failure
from .terminal import Terminal


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "explain",
        help="an alert, an error, an extension or a code point in plain words",
        description="Explains a word of TLS: handshake_failure, 40, SNI, X25519MLKEM768, 0x11ec, "
        "WRONG_VERSION_NUMBER, SSLV3_ALERT_CERTIFICATE_EXPIRED.",
    )
    command.add_argument("word", nargs="*", metavar="WORD", help="none: a list of all words")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    word = " ".join(options.word)
    entries = look_up(word) if word else list(ENTRIES)
    if not entries:
        near = similar(word)
        raise Failure(
            f"{word!r} is no word of TLS that is known here",
            hint="Close to it: " + ", ".join(near) if near else "aiotls explain lists them all.",
            code=USAGE,
        )
    if options.json:
        print(json.dumps([dataclasses.asdict(entry) for entry in entries], indent=2))
        return OK
    terminal = Terminal.of(sys.stdout)
    if not word:
        _list(terminal, entries)
        return OK
    for index, entry in enumerate(entries):
        if index:
            terminal.line()
        _show(terminal, entry)
    return OK


def _show(terminal: Terminal, entry: Entry) -> None:
    number = f" {entry.number}" if entry.number else ""
    source = f", {entry.source}" if entry.source else ""
    terminal.line(terminal.paint(entry.name, "bold") + f"  ({entry.kind}{number}{source})")
    for line in textwrap.wrap(entry.text, terminal.width - 4):
        terminal.line("  " + line)


def _list(terminal: Terminal, entries: list[Entry]) -> None:
    for kind in dict.fromkeys(entry.kind for entry in entries):
        terminal.line(terminal.paint(kind, "bold"))
        names = ", ".join(entry.name for entry in entries if entry.kind == kind)
        for line in textwrap.wrap(names, terminal.width - 4, break_on_hyphens=False):
            terminal.line("  " + line)
