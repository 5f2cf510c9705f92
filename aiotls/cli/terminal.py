"""What the terminal can show: its width, colour, more than ASCII; and what it must not be shown.

Text that came from a peer may hold escape sequences that reprogram a terminal, so all of it
passes through :func:`.trace.text.clean`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
"""What :meth:`Terminal.paint` adds; it takes no room on the screen."""

HANG = 4
"""How far the rest of a folded line stands in."""

MIN_WIDTH = 40
DEFAULT_WIDTH = 80
MAX_WIDTH = 120
"""Wider lines do not read better."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A place to write lines to, and what it can show."""

    stream: TextIO
    width: int = DEFAULT_WIDTH
    color: bool = False
    unicode: bool = False
    folds: bool = False
    """Whether lines that are too wide are broken between words. In a pipe or a file they stay
    whole, for the programs that read them."""

    @classmethod
    def of(cls, stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> Terminal:
        """What *stream* can do. Into a pipe or a file goes plain ASCII, 80 columns wide.

        NO_COLOR (https://no-color.org) and TERM=dumb are honoured; COLUMNS sets the width.
        """
        if stream is None:
            stream = sys.stderr
        try:
            interactive = stream.isatty()
        except ValueError:  # closed
            interactive = False
        width = DEFAULT_WIDTH
        if interactive or environ.get("COLUMNS", "").isdigit():
            width = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        capable = interactive and environ.get("TERM") != "dumb"
        return cls(
            stream,
            width=max(MIN_WIDTH, min(width, MAX_WIDTH)),
            color=capable and not environ.get("NO_COLOR"),
            unicode=capable and encoding.startswith("utf"),
            folds=interactive,
        )

    def paint(self, text: str, *styles: str) -> str:
        """*text* in colour, where there is colour."""
        if not self.color or not styles:
            return text
        codes = ";".join(STYLES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """Writes one line; what the stream's encoding does not have is escaped."""
        encoding = getattr(self.stream, "encoding", None) or "ascii"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        for part in fold(text, self.width) if self.folds else (text,):
            self.stream.write(part + "\n")

    def flush(self) -> None:
        """Lets what was written leave."""
        self.stream.flush()


def fold(text: str, width: int) -> list[str]:
    """A line in parts of at most *width* columns, broken at spaces; a longer word stays whole."""
    hang = " " * (len(text) - len(text.lstrip(" ")) + HANG)
    parts, current = [], ""
    for word in re.findall(r" *[^ ]+", text):
        if current and len(ESCAPE.sub("", current + word)) > width:
            parts.append(current)
            current = hang + word.lstrip(" ")
        else:
            current += word
    return [*parts, current]
