"""Reading and writing the presentation language of RFC 8446, section 3."""

from __future__ import annotations

from collections.abc import Iterator
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
        return self._data[start:]

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

    def vector(self, size: int, minimum: int = 0) -> bytes:
        """An opaque vector whose length stands before it in *size* bytes: ``opaque x<minimum..>``."""
        length = self.u8() if size == 1 else self.u16() if size == 2 else self.u24()
        if length < minimum:
            raise DecodeError(f"a vector of {length} bytes, where at least {minimum} are required")
        return self.take(length)

    def block(self, size: int, minimum: int = 0) -> Reader:
        """A reader over a vector's content."""
        return Reader(self.vector(size, minimum))

    def u16_list(self, size: int, minimum: int = 2) -> tuple[int, ...]:
        """A vector of 16-bit code points."""
        data = self.vector(size, minimum)
        if len(data) % 2:
            raise DecodeError("a vector of 16-bit values has an odd length")
        return tuple(data[i] << 8 | data[i + 1] for i in range(0, len(data), 2))

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
        self.data += len(data).to_bytes(size, "big")
        self.data += data

    def u16_list(self, size: int, values: tuple[int, ...]) -> None:
        """Appends a vector of 16-bit code points."""
        self.data += (2 * len(values)).to_bytes(size, "big")
        for value in values:
            self.data += value.to_bytes(2, "big")

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
