"""The figures as one page that needs nothing else: bars, one group for each work and loop."""

from __future__ import annotations

from html import escape
from typing import Any

COLOURS = {
    "tcp": "#9aa0a6",
    "ssl": "#5f6b7a",
    "aiofastnet": "#b7791f",
    "rtls": "#a8553a",
    "pyOpenSSL": "#7a5ea8",
    "tlslite-ng": "#8d8d4e",
    "aiotls": "#1a7f5a",
    "aiotls.ssl": "#63b894",
}

WIDTH, LABEL, TEXT, BAR, GAP = 860, 110, 320, 15, 5

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em;
       color: #1d2329; background: #fff }
h1 { font-size: 1.4em } h2 { font-size: 1.05em; margin: 1.6em 0 .3em }
p, td, th { color: #444c56 } div { overflow-x: auto }
svg { width: 100%; min-width: 820px; height: auto }
text { font: 12px system-ui, sans-serif; fill: currentColor } .dim { fill: #5c6670 }
.dim { paint-order: stroke; stroke: #fff; stroke-width: 4px }
@media (prefers-color-scheme: dark) {
  body { color: #e6e9ec; background: #15191d } p, td, th { color: #aab3bd }
  .dim { fill: #aab3bd; stroke: #15191d }
}
"""


def draw(result: dict[str, Any]) -> str:
    """The page for one run."""
    machine = result["machine"]
    rounds = "1 round" if result["rounds"] == 1 else f"{result['rounds']} rounds"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>aiotls: benchmarks</title><style>{STYLE}</style>",
        "<h1>aiotls beside other TLS stacks</h1>",
        f"<p>{escape(result['when'])}; {escape(machine['processor'])}, "
        f"{machine['processors']} processors; Python {machine['python']}, "
        f"{escape(machine['openssl'])}; TLS {result['version']}, {result['suite']}, X25519, ECDSA "
        f"P-256. CPU time of client and server together, medians of {rounds} in "
        "which the stacks took turns; shorter is better. In brackets: the quartiles of the "
        "ratio to <b>ssl</b> on the same loop. Dashed: the goal for aiotls.</p>",
    ]
    for work in result["works"]:
        for line in work["lines"]:
            parts.append(f"<h2>{escape(work['work'])} &middot; {escape(line['loop'])}</h2>")
            parts.append(_bars(line, work["unit"]))
    if memory := result.get("memory"):
        parts += ["<h2>Memory of an idle connection, KiB, client + server</h2>", _memory(memory)]
    if live := result.get("live"):
        parts += ["<h2>With so many live connections: microseconds for a request</h2>", _live(live)]
    return "\n".join(parts) + "\n"


def _bars(line: dict[str, Any], unit: str) -> str:
    rows = [
        (stack, micros, f"{micros:,.2f} µs a {unit}{_ratio(line['ratios'].get(stack, {}))}")
        for stack, micros in line["micros"].items()
    ]
    goal = line["goal"] and line["goal"] * line["micros"].get("ssl", 0)
    return _chart(rows, goal)


def _ratio(ratios: dict[str, Any]) -> str:
    ratio = ratios.get("ssl")
    if ratio is None:
        return ""
    return f", {ratio['middle']:.2f} × ssl ({ratio['low']:.2f}–{ratio['high']:.2f})"


def _memory(lines: list[dict[str, Any]]) -> str:
    rows = []
    for line in lines:
        stack, loop = line["entry"]
        client, server = line["client"] / 1024, line["server"] / 1024
        rows.append((stack, client + server, f"{client:.1f} + {server:.1f} ({loop})"))
    return _chart(rows)


def _live(lines: list[dict[str, Any]]) -> str:
    rows = []
    for line in lines:
        stack, loop = line["entry"]
        micros = 1e6 * line["request"]
        rows.append((stack, micros, f"{micros:.1f} µs at {line['connections']:,} ({loop})"))
    return _chart(rows)


def _chart(rows: list[tuple[str, float, str]], goal: float | None = None) -> str:
    longest = max(value for _, value, _ in rows) or 1.0
    room = WIDTH - LABEL - TEXT
    height = len(rows) * (BAR + GAP) + GAP
    parts = [f"<div><svg viewBox='0 0 {WIDTH} {height}' role=img>"]
    labels = []
    for number, (stack, value, text) in enumerate(rows):
        y = GAP + number * (BAR + GAP)
        width = max(1.0, room * value / longest)
        colour = COLOURS.get(stack, "#888")
        parts.append(
            f"<text x='{LABEL - 8}' y='{y + 12}' text-anchor=end>{escape(stack)}</text>"
            f"<rect x='{LABEL}' y='{y}' width='{width:.1f}' height='{BAR}' fill='{colour}'/>"
        )
        labels.append(
            f"<text class=dim x='{LABEL + width + 6:.1f}' y='{y + 12}'>{escape(text)}</text>"
        )
    if goal:
        x = LABEL + room * goal / longest
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{height}' stroke='#c0392b' "
            "stroke-dasharray='3 3'><title>the goal for aiotls</title></line>"
        )
    return "".join([*parts, *labels, "</svg></div>"])
