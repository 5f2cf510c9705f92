"""Sizes, times and a peer's words, as people are to see them."""

from __future__ import annotations

import unicodedata


def clean(text: str, limit: int = 500) -> str:
    """*text* without anything that a terminal could take for a command, at most *limit* long.

    Control characters, and those that change the direction of writing, become visible
    escapes.
    """
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return "".join(
        character
        if unicodedata.category(character)[0] != "C" and character not in "\u2028\u2029"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def clean_bytes(data: bytes, limit: int = 200) -> str:
    """Bytes from a peer as printable text."""
    return clean(data[:limit].decode("utf-8", "backslashreplace"), limit)


def fit(text: str, width: int) -> str:
    """*text* cut to *width* columns, with dots where something is missing."""
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."[:width]


def size(count: int) -> str:
    """A number of bytes for people: ``1216 B``, ``64 KiB``."""
    if count < 10_000:
        return f"{count} B"
    if count < 1 << 20:
        return f"{count / 1024:.0f} KiB"
    return f"{count / (1 << 20):.1f} MiB".replace(".0 ", " ")


def milliseconds(seconds: float) -> str:
    """A time for people: ``0.21 ms``, ``18.4 ms``, ``2.3 s``."""
    if seconds >= 2:
        return f"{seconds:.1f} s"
    value = seconds * 1000
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} ms"
