"""Arguments that C would not look at, and would be undefined with: here they raise."""

from __future__ import annotations

from .bio_kinds import BIO, BIO_METHOD, Readable, Writable


def check_bio(bio: BIO | None, *, kind: BIO_METHOD | None = None) -> BIO:
    """The BIO, alive; raises TypeError or ReferenceError where C would be undefined."""
    if not isinstance(bio, BIO):
        raise TypeError(f"a BIO is expected, not {type(bio).__name__}")
    if not bio.references:
        raise ReferenceError(f"the {bio.method.name} BIO has been freed")
    if kind is not None and bio.method is not kind:
        raise TypeError(f"a BIO of the kind {kind.name} is expected, not {bio.method.name}")
    return bio


def input_view(data: Readable | str, num: int) -> memoryview:
    """The first *num* bytes of *data*, which has to have as many."""
    if isinstance(data, str):
        data = data.encode()
    try:
        view = memoryview(data).cast("B")
    except TypeError:
        raise TypeError(f"bytes are expected, not {type(data).__name__}") from None
    if num < 0:
        raise TypeError(f"num={num} is the length of no buffer")
    if len(view) < num:
        raise TypeError(f"the buffer holds {len(view)} bytes, less than num={num}")
    return view[:num]


def output_view(buffer: Writable, num: int) -> memoryview:
    """The first *num* bytes of a writable *buffer*, which has to have room for as many."""
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        raise TypeError(f"a writable buffer is expected, not {type(buffer).__name__}") from None
    if view.readonly:
        raise TypeError(f"a writable buffer is expected, and this {type(buffer).__name__} is not")
    if num < 0:
        raise TypeError(f"num={num} is the length of no buffer")
    if len(view) < num:
        raise TypeError(f"the buffer has room for {len(view)} bytes, less than num={num}")
    return view


def check_int(value: object, name: str) -> int:
    """An integer; raises TypeError for anything else."""
    if not isinstance(value, int):
        raise TypeError(f"{name} is an integer, not {type(value).__name__}")
    return value


def as_text(string: str | bytes) -> str:
    """Text, or bytes that stand for it; raises TypeError for anything else."""
    if isinstance(string, str):
        return string
    if isinstance(string, bytes):
        return string.decode("latin-1")
    raise TypeError(f"text is expected, not {type(string).__name__}")
