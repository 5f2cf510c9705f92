"""A recorded handshake as one HTML page: the flights to scale, and each message byte by byte.

The page needs nothing but itself: no network, no assets, and its policy forbids both. It is
readable without its script, which only links the drawing, the fields and the bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from html import escape

from ..enums import HandshakeType
from ..wire.messages import HELLO_RETRY_REQUEST_RANDOM
from .dissect import Field, dissect
from .glossary import MESSAGES
from .notes import describe
from .recorder import Event, Mark, Recorder
from .text import size

WIDTH, HEIGHT = 700, 420
LEFT, RIGHT = 80, 370
"""Where the two sides stand in the drawing."""
LABELS = 400
"""Where the labels begin."""
LINE = 22
"""The least distance between two labels."""
TOP = 46


def render_page(
    recorder: Recorder,
    *,
    title: str,
    verdict: str,
    verified: bool,
    facts: Sequence[str] = (),
    left: str = "client",
    right: str = "server",
) -> str:
    """The page as text.

    *title* names the connection, *verdict* says in a line whether the peer is who it should be,
    *facts* are further lines. *left* is the recording side.
    """
    moments: list[Event | Mark] = [*recorder.events, *recorder.marks]
    moments.sort(key=lambda moment: moment.at)
    body = [
        f'<h1>{escape(title)}</h1>\n<p class="verdict {"ok" if verified else "bad"}">'
        f"{escape(verdict)}</p>\n",
        "<ul class=facts>" + "".join(f"<li>{escape(fact)}</li>" for fact in facts) + "</ul>\n",
        _drawing(recorder, moments, left, right),
        "<p class=hint>Click a message to see it byte by byte. Solid: encrypted; dashed: in the "
        "clear. Times are those of the recording side; slopes are half of the shortest round "
        "trip.</p>\n",
        *_messages(recorder),
    ]
    return _PAGE.format(title=escape(title), style=_STYLE, body="".join(body), script=_SCRIPT)


def _title(event: Event) -> str:
    if event.kind == HandshakeType.SERVER_HELLO and event.data[6:38] == HELLO_RETRY_REQUEST_RANDOM:
        return "HelloRetryRequest"
    return event.name


# -- the drawing -----------------------------------------------------------------------------------


def _drawing(recorder: Recorder, moments: Sequence[Event | Mark], left: str, right: str) -> str:
    total = max((moment.at for moment in moments), default=0.0) or 1e-6
    flight = min(_one_way(recorder), total / 3)
    height = float(max(HEIGHT, TOP + LINE * (len(moments) + 2)))
    scale = (height - TOP - 30) / (total + flight)
    places = _label_places([TOP + moment.at * scale for moment in moments])
    height = max(height, places[-1] + LINE if places else 0.0)
    parts = [
        f'<div class="drawing"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        'aria-label="The flights of the handshake, drawn to scale">',
        f'<text x="{LEFT}" y="24" class="side">{escape(left)}</text>',
        f'<text x="{RIGHT}" y="24" class="side">{escape(right)}</text>',
        f'<line x1="{LEFT}" y1="{TOP - 12}" x2="{LEFT}" y2="{height - 10:.1f}" class="lane"/>',
        f'<line x1="{RIGHT}" y1="{TOP - 12}" x2="{RIGHT}" y2="{height - 10:.1f}" class="lane"/>',
        *_ticks(total, scale),
    ]
    number = 0
    for moment, label_y in zip(moments, places, strict=True):
        y = TOP + moment.at * scale
        time = f"{moment.at * 1000:.2f} ms"
        if isinstance(moment, Mark):
            bad = " failed" if moment.text == "failed" else ""
            parts.append(
                f'<g class="mark{bad}"><circle cx="{LEFT}" cy="{y:.1f}" r="4"/>'
                + _leader(y, label_y, LEFT)
                + f'<text x="{LABELS}" y="{label_y + 4:.1f}">{escape(moment.text)} '
                f"<tspan>{time}</tspan></text></g>"
            )
            continue
        number += 1
        parts.append(_arrow(moment, number, y, label_y, flight * scale, time))
    parts.append("</svg></div>\n")
    return "".join(parts)


def _label_places(wanted: Sequence[float]) -> list[float]:
    """Where the labels stand: as near to *wanted* as they can without covering each other."""
    places: list[float] = []
    for y in wanted:
        places.append(max(y, places[-1] + LINE) if places else y)
    return places


def _one_way(recorder: Recorder) -> float:
    """About what a message is under way: half of the shortest time in which something came back.

    TCP's own connecting counts as such a time; the look-up of the name may be part of it.
    """
    trips = [mark.at for mark in recorder.marks if mark.text.startswith("TCP")]
    for earlier, later in itertools.pairwise(recorder.events):
        if earlier.sent and not later.sent:
            trips.append(later.at - earlier.at)
    return min(trips, default=0.0) / 2


def _ticks(total: float, scale: float) -> Iterator[str]:
    step = 1e-6
    while total / step > 8:
        step *= 10 if total / step > 80 else 2 if total / step <= 16 else 5
    for index in range(int(total / step) + 1):
        y = TOP + index * step * scale
        yield (
            f'<line x1="{LEFT - 8}" y1="{y:.1f}" x2="{LEFT}" y2="{y:.1f}" class="lane"/>'
            f'<text x="{LEFT - 14}" y="{y + 4:.1f}" class="tick">{index * step * 1000:g} ms</text>'
        )


def _leader(y: float, label_y: float, x: float) -> str:
    return (
        f'<polyline class="leader" points="{x:.0f},{y:.1f} {RIGHT},{y:.1f} '
        f'{RIGHT + 6},{label_y:.1f} {LABELS - 4},{label_y:.1f}"/>'
    )


def _arrow(event: Event, number: int, y: float, label_y: float, drop: float, time: str) -> str:
    if event.sent:
        ends = f'x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y + drop:.1f}"'
        leader = _leader(y + drop, label_y, RIGHT)
    else:
        ends = f'x1="{RIGHT}" y1="{max(y - drop, TOP):.1f}" x2="{LEFT}" y2="{y:.1f}"'
        leader = _leader(max(y - drop, TOP), label_y, RIGHT)
    kind = "sent" if event.sent else "received"
    shade = "protected" if event.protected else "plain"
    return (
        f'<a href="#m{number}" class="message {kind} {shade}">'
        f'<line {ends} class="arrow"/><line {ends} class="target"/>{leader}'
        f'<text x="{LABELS}" y="{label_y + 4:.1f}">{escape(_title(event))} {size(event.size)} '
        f"<tspan>{time}</tspan></text></a>"
    )


# -- the messages ----------------------------------------------------------------------------------


def _messages(recorder: Recorder) -> Iterator[str]:
    for number, event in enumerate(recorder.events, 1):
        root = dissect(event.data, event.protected)
        way = "sent" if event.sent else "received"
        purpose = MESSAGES[HandshakeType(event.kind)][0] if event.kind in MESSAGES else ""
        note = describe(event.kind, event.data, event.protected)
        yield (
            f'<details id="m{number}"><summary><b>{escape(_title(event))}</b> {way}, '
            f"{event.size} bytes, {'encrypted' if event.protected else 'in the clear'}"
            f"<small>{escape(note)}</small></summary>\n<p>{escape(purpose)}</p>\n"
            '<div class="both"><table><thead><tr><th>field<th>bytes<th>value, and why</tr></thead>'
            "<tbody>"
        )
        rows = list(_rows(root, 0))
        places = {id(row): f"{number}-{index}" for index, (row, _) in enumerate(rows)}
        for row, depth in rows:
            yield _row(row, depth, places[id(row)])
        yield "</tbody></table>\n<pre>"
        for leaf in root.leaves():
            place = places.get(id(leaf), f"{number}-0")
            yield f'<span data-f="{place}">{event.data[leaf.start : leaf.end].hex(" ")}</span> '
        yield "</pre></div></details>\n"


def _rows(root: Field, depth: int) -> Iterator[tuple[Field, int]]:
    for inner in root.inner:
        yield inner, depth
        yield from _rows(inner, depth + 1)


def _row(row: Field, depth: int, place: str) -> str:
    place_in = str(row.start) if row.end - row.start == 1 else f"{row.start}&ndash;{row.end - 1}"
    note = f"<p>{escape(row.note)}</p>" if row.note else ""
    return (
        f'<tr data-f="{place}" data-s="{row.start}" data-e="{row.end}">'
        f'<td style="padding-left:{depth * 1.2 + 0.4:.1f}em">{escape(row.name)}'
        f"<td>{place_in}<td><code>{escape(row.value)}</code>{note}</tr>\n"
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --in: #0a7d3c; --out: #0b62b8; --soft: #8888; --bad: #c22; }
@media (prefers-color-scheme: dark) { :root { --in: #4fcf85; --out: #63b0ff; --bad: #ff7a7a; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.3em; margin-bottom: 0; }
.verdict { font-weight: bold; margin: .3em 0; }
.ok { color: var(--in); } .bad { color: var(--bad); }
.facts { padding-left: 1.2em; margin: .3em 0; }
.drawing { overflow-x: auto; }
svg { width: 100%; min-width: 48em; max-width: 60em; fill: currentColor; }
svg { font: 13px system-ui, sans-serif; }
.side { font-weight: bold; text-anchor: middle; } .tick { text-anchor: end; opacity: .6; }
.lane { stroke: var(--soft); } .leader { stroke: var(--soft); fill: none; }
tspan { font-size: .92em; }
.arrow { stroke-width: 2; } .plain .arrow { stroke-dasharray: 5 4; }
.sent .arrow { stroke: var(--out); } .received .arrow { stroke: var(--in); }
.sent text { fill: var(--out); } .received text { fill: var(--in); }
.target { stroke: transparent; stroke-width: 9; }
a.message { cursor: pointer; } a.message:hover text { text-decoration: underline; }
.mark { opacity: .75; } .failed { fill: var(--bad); opacity: 1; }
.hint, small { opacity: .7; } small { margin-left: 1em; }
details { border-top: 1px solid var(--soft); padding: .4em 0; } summary { cursor: pointer; }
.both { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 1em; }
@media (max-width: 50em) {
 .both { grid-template-columns: minmax(0, 1fr); } td:first-child { min-width: 6em !important; } }
table { border-collapse: collapse; font-size: 13px; align-self: start; }
th { white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .1em .4em; overflow-wrap: anywhere; }
td:first-child { min-width: 11em; }
td:nth-child(2) { white-space: nowrap; opacity: .7; } td p { margin: 0; opacity: .8; }
code { font: 12px/1.5 monospace; }
pre { font: 12px/1.6 monospace; white-space: pre-wrap; margin: 0; align-self: start;
 position: sticky; top: 1em; max-height: 90vh; overflow: auto; }
.lit { background: #fc06; }
"""

_SCRIPT = """
const light = (details, start, end, on) => {
  for (const row of details.querySelectorAll("tr[data-f]")) {
    const inside = +row.dataset.s >= start && +row.dataset.e <= end;
    if (!inside) continue;
    row.classList.toggle("lit", on);
    const bytes = details.querySelector(`span[data-f="${row.dataset.f}"]`);
    if (bytes) bytes.classList.toggle("lit", on);
  }
};
for (const details of document.querySelectorAll("details")) {
  for (const row of details.querySelectorAll("tr[data-f]")) {
    row.onmouseenter = () => light(details, +row.dataset.s, +row.dataset.e, true);
    row.onmouseleave = () => light(details, +row.dataset.s, +row.dataset.e, false);
  }
  for (const bytes of details.querySelectorAll("span[data-f]")) {
    const row = details.querySelector(`tr[data-f="${bytes.dataset.f}"]`);
    bytes.onmouseenter = () => row && light(details, +row.dataset.s, +row.dataset.e, true);
    bytes.onmouseleave = () => row && light(details, +row.dataset.s, +row.dataset.e, false);
  }
}
const open = () => {
  const found = location.hash && document.getElementById(location.hash.slice(1));
  if (found) { found.open = true; found.scrollIntoView({block: "start"}); }
};
addEventListener("hashchange", open);
for (const link of document.querySelectorAll("a.message"))
  link.addEventListener("click", () => setTimeout(open));
open();
"""
