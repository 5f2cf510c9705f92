"""Reading and writing the presentation language of RFC 8446, section 3.

A :class:`Reader` trusts nothing: whatever is missing, left over or outside a vector's
bounds is a DecodeError. A :class:`Writer` is given values of this side's own making, which
were checked when they were configured.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import DecodeError


class Reader:
    """A cursor over bytes that a peer sent. Whatever is missing or left over is a DecodeError."""

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0
        self._end = len(data)

    @property
    def remaining(self) -> int:
        """How many bytes have not been read."""
        return self._end - self._pos

    def take(self, length: int) -> bytes:
        """The next *length* bytes."""
        start = self._pos
        stop = start + length
        if stop > self._end:
            raise DecodeError(f"{length} bytes expected where {self._end - start} are left")
        self._pos = stop
        return self._data[start:stop]

    def rest(self) -> bytes:
        """All that is left."""
        start, self._pos = self._pos, self._end
        return self._data[start : self._end]

    def u8(self) -> int:
        """An unsigned integer of one byte."""
        pos = self._pos
        if pos >= self._end:
            raise DecodeError("1 byte expected where none is left")
        self._pos = pos + 1
        return self._data[pos]

    def u16(self) -> int:
        """An unsigned integer of two bytes."""
        pos = self._pos
        if pos + 2 > self._end:
            raise DecodeError(f"2 bytes expected where {self._end - pos} are left")
        self._pos = pos + 2
        return self._data[pos] << 8 | self._data[pos + 1]

    def u24(self) -> int:
        """An unsigned integer of three bytes."""
        return int.from_bytes(self.take(3), "big")

    def u32(self) -> int:
        """An unsigned integer of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def vector(self, size: int, minimum: int = 0, maximum: int | None = None) -> bytes:
        """An opaque vector, its length before it in *size* bytes: ``opaque x<minimum..maximum>``.

        The *maximum* is needed only where it lies below what the length can express.
        """
        start = self._pos + size
        length = int.from_bytes(self._data[self._pos : start], "big")
        stop = start + length
        if stop > self._end or length < minimum or (maximum is not None and length > maximum):
            return self.take(self._length(size, minimum, maximum))  # which says what is wrong
        self._pos = stop
        return self._data[start:stop]

    def block(self, size: int, minimum: int = 0, maximum: int | None = None) -> Reader:
        """A reader over a vector's content, which is not copied."""
        length = self._length(size, minimum, maximum)
        start = self._pos
        stop = start + length
        if stop > self._end:
            raise DecodeError(f"{length} bytes expected where {self._end - start} are left")
        self._pos = stop
        inner = Reader(self._data)
        inner._pos = start
        inner._end = stop
        return inner

    def _length(self, size: int, minimum: int, maximum: int | None) -> int:
        length = self.u8() if size == 1 else self.u16() if size == 2 else self.u24()
        if length < minimum:
            raise DecodeError(f"a vector of {length} bytes, where at least {minimum} are required")
        if maximum is not None and length > maximum:
            raise DecodeError(f"a vector of {length} bytes, where at most {maximum} are allowed")
        return length

    def vectors(self, size: int, item_size: int, minimum: int = 0) -> tuple[bytes, ...]:
        """A vector of opaque vectors, none of them empty.

        *size* and *item_size* are the widths of the two lengths, *minimum* is the outer one's
        lower bound, in bytes.
        """
        block = self.block(size, minimum)
        items = []
        while block._pos < block._end:
            items.append(block.vector(item_size, 1))
        return tuple(items)

    def u16_list(self, size: int, minimum: int = 2) -> tuple[int, ...]:
        """A vector of 16-bit code points."""
        data = self.vector(size, minimum)
        if len(data) % 2:
            raise DecodeError("a vector of 16-bit values has an odd length")
        return struct.unpack(f">{len(data) // 2}H", data)

    def finish(self) -> None:
        """Raises DecodeError unless everything was read."""
        if self._pos != self._end:
            raise DecodeError(f"{self._end - self._pos} bytes after the end of a structure")


class Writer:
    """A growing buffer with blocks whose length prefix is filled in when they end."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray()

    def u8(self, value: int) -> None:
        """Appends an unsigned integer of one byte."""
        self.data.append(value)

    def u16(self, value: int) -> None:
        """Appends an unsigned integer of two bytes."""
        self.data += value.to_bytes(2, "big")

    def u24(self, value: int) -> None:
        """Appends an unsigned integer of three bytes."""
        self.data += value.to_bytes(3, "big")

    def u32(self, value: int) -> None:
        """Appends an unsigned integer of four bytes."""
        self.data += value.to_bytes(4, "big")

    def put(self, data: bytes) -> None:
        """Appends bytes as they are."""
        self.data += data

    def vector(self, size: int, data: bytes) -> None:
        """Appends *data* behind its length in *size* bytes."""
        self.data += len(data).to_bytes(size, "big") + data

    def vectors(self, size: int, item_size: int, items: Iterable[bytes]) -> None:
        """Appends a vector of opaque vectors; the widths of both lengths are in bytes."""
        self.vector(size, b"".join([len(item).to_bytes(item_size, "big") + item for item in items]))

    def u16_list(self, size: int, values: Sequence[int]) -> None:
        """Appends a vector of 16-bit code points."""
        self.data += (2 * len(values)).to_bytes(size, "big")
        self.data += struct.pack(f">{len(values)}H", *values)

    @contextmanager
    def block(self, size: int) -> Iterator[None]:
        """What is written inside stands behind its length in *size* bytes."""
        data = self.data
        start = len(data)
        data += bytes(size)
        yield
        data[start : start + size] = (len(data) - start - size).to_bytes(size, "big")

    def bytes(self) -> bytes:
        """What was written."""
        return bytes(self.data)
