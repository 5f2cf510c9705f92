"""The flights of a handshake in a terminal: who sent what, how large, and when.

plaintext is drawn with -, what is encrypted with =. The bar at the right spans the time
from the line before to this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..enums import HandshakeType
from ..wire.messages import HELLO_RETRY_REQUEST_RANDOM
from .notes import describe
from .recorder import Event, Mark, Recorder
from .text import fit, size

Paint = Callable[..., str]

NARROW = 64
"""Below this many columns there is no room for the bars."""

BAR = 20
TIME = 8


@dataclass(frozen=True, slots=True)
class _Style:
    width: int
    unicode: bool
    paint: Paint
    left: str
    right: str

    @property
    def bar(self) -> int:
        return BAR if self.width >= NARROW else 0

    @property
    def lane(self) -> int:
        """Columns between the margin and the time."""
        rest = self.bar + 3 if self.bar else 0
        return self.width - 2 - TIME - rest


def _plain(text: str, *styles: str) -> str:
    return text


def waterfall(recorder: Recorder, **options: object) -> str:
    """The picture as one string; the options are those of :func:`waterfall_lines`."""
    return "\n".join(waterfall_lines(recorder, **options))  # type: ignore[arg-type]


def waterfall_lines(
    recorder: Recorder,
    *,
    width: int = 80,
    unicode: bool = False,
    paint: Paint = _plain,
    left: str = "client",
    right: str = "server",
    notes: bool = True,
) -> list[str]:
    """The picture, line by line, none longer than *width* columns (40 at least).

    *left* names the recording side. *paint* is called with a text and the names of styles
    (``green``, ``dim``, …) and returns what colours it; without it there is no colour. With
    *unicode* lines and bars are drawn with more than ASCII. *notes* adds what the messages say.
    """
    style = _Style(max(width, 40), unicode, paint, left, right)
    moments: list[Event | Mark] = [*recorder.events, *recorder.marks]
    moments.sort(key=lambda moment: moment.at)
    total = max((moment.at for moment in moments), default=0.0)
    lines = [_header(style, total)]
    before = 0.0
    for moment in moments:
        lines.append(_line(style, moment, before, total))
        before = moment.at
        if notes and isinstance(moment, Event):
            note = describe(moment.kind, moment.data, moment.protected)
            lines += [paint("    " + part, "dim") for part in _wrap(note, style.width - 4)]
    if recorder.failure is not None:
        for part in _wrap(recorder.failure, style.width - 2):
            lines.append(paint("  " + part, "red"))
    return lines


def _header(style: _Style, total: float) -> str:
    gap = style.lane - len(style.left) - len(style.right)
    head = f"  {style.left}{' ' * gap}{style.right}{'ms':>{TIME}}"
    if style.bar:
        end = f"{total * 1000:.1f}"
        head += "  " + "0" + end.rjust(style.bar)
    return style.paint(head.rstrip(), "bold")


def _line(style: _Style, moment: Event | Mark, before: float, total: float) -> str:
    lane = style.lane
    if isinstance(moment, Mark):
        text = fit(moment.text, lane)
        failed = text == "failed"
        drawn = style.paint(text.ljust(lane), "red" if failed else "dim")
        color = "red" if failed else "blue"
    else:
        drawn, color = _arrow(style, moment, lane)
    line = f"  {drawn}{moment.at * 1000:>{TIME}.2f}"
    if style.bar:
        line += "  " + _bar(style, before, moment.at, total, color)
    return line.rstrip()


def _arrow(style: _Style, event: Event, lane: int) -> tuple[str, str]:
    label = fit(f"{_title(event)} {size(event.size)}", lane - 6)
    shaft = "=" if event.protected else "-"
    if style.unicode:
        shaft = "═" if event.protected else "─"
    length = lane - len(label) - 2
    color = "cyan" if event.sent else "green"
    if event.sent:
        head = "▶" if style.unicode else ">"
        return f"{style.paint(label, color)} {shaft * length}{head}", color
    head = "◀" if style.unicode else "<"
    return f"{head}{shaft * length} {style.paint(label, color)}", color


def _title(event: Event) -> str:
    # RFC 8446, section 4.1.4: only its random tells a HelloRetryRequest from a ServerHello.
    if event.kind == HandshakeType.SERVER_HELLO and event.data[6:38] == HELLO_RETRY_REQUEST_RANDOM:
        return "HelloRetryRequest"
    return event.name


def _bar(style: _Style, start: float, end: float, total: float, color: str) -> str:
    if total <= 0:
        return ""
    first = min(int(start / total * style.bar), style.bar - 1)
    last = max(first + 1, min(round(end / total * style.bar), style.bar))
    block = "█" if style.unicode else "#"
    edge = "│" if style.unicode else "|"
    return edge + " " * first + style.paint(block * (last - first), color)


def _wrap(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(fit(word, width))
    return lines
