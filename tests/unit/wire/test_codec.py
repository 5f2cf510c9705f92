"""The reader refuses what is missing, left over or out of bounds; the writer is its inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.enums import Alert
from aiotls.errors import DecodeError
from aiotls.wire.codec import Reader, Writer

SIZES = st.sampled_from([1, 2, 3])


@pytest.mark.parametrize(
    ("name", "width"), [("u8", 1), ("u16", 2), ("u24", 3), ("u32", 4)], ids=lambda v: str(v)
)
@given(data=st.data())
def test_integers_are_big_endian_and_round_trip(name: str, width: int, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, 256**width - 1))
    writer = Writer()
    getattr(writer, name)(value)
    assert writer.bytes() == value.to_bytes(width, "big")
    reader = Reader(writer.bytes())
    assert getattr(reader, name)() == value
    reader.finish()


@pytest.mark.parametrize(
    "read",
    [
        Reader.u8,
        Reader.u16,
        Reader.u24,
        Reader.u32,
        lambda reader: reader.take(1),
        lambda reader: reader.vector(1),
        lambda reader: reader.block(2),
        lambda reader: reader.vectors(3, 1),
        lambda reader: reader.u16_list(2),
    ],
)
def test_nothing_is_read_from_nothing(read: Callable[[Reader], Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        read(Reader(b""))
    assert caught.value.alert is Alert.DECODE_ERROR


@given(SIZES, st.binary(max_size=255), st.binary(max_size=3))
def test_vectors_round_trip_and_leave_what_follows(size: int, data: bytes, after: bytes) -> None:
    writer = Writer()
    writer.vector(size, data)
    writer.put(after)
    reader = Reader(writer.bytes())
    assert reader.vector(size) == data
    assert reader.remaining == len(after)
    assert reader.rest() == after
    reader.finish()


@given(SIZES, SIZES, st.lists(st.binary(min_size=1, max_size=20), max_size=10))
def test_vectors_of_vectors_round_trip(size: int, item_size: int, items: list[bytes]) -> None:
    writer = Writer()
    writer.vectors(size, item_size, items if size > 1 else items[:1])
    reader = Reader(writer.bytes())
    assert reader.vectors(size, item_size) == tuple(items if size > 1 else items[:1])
    reader.finish()


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20))
def test_lists_of_code_points_round_trip(values: list[int]) -> None:
    writer = Writer()
    writer.u16_list(1, values)
    assert Reader(writer.bytes()).u16_list(1) == tuple(values)


@given(SIZES, st.binary(max_size=200))
def test_written_blocks_are_vectors(size: int, data: bytes) -> None:
    block, vector = Writer(), Writer()
    with block.block(size):
        block.put(data)
    vector.vector(size, data)
    assert block.bytes() == vector.bytes()


def test_a_block_ends_where_its_length_says() -> None:
    reader = Reader(b"\x02ab" + b"cd")
    block = reader.block(1)
    assert block.rest() == b"ab"
    with pytest.raises(DecodeError):
        block.u8()
    with pytest.raises(DecodeError):
        block.take(1)
    assert reader.rest() == b"cd"


def test_a_nested_vector_cannot_reach_past_its_block() -> None:
    block = Reader(b"\x02\x05a" + b"bcdef").block(1)
    with pytest.raises(DecodeError):
        block.vector(1)


def test_a_vector_longer_than_the_data_is_refused() -> None:
    for read in (Reader.vector, Reader.block):
        with pytest.raises(DecodeError, match="3 bytes expected where 2 are left"):
            read(Reader(b"\x03ab"), 1)


def test_bounds_of_a_vector_are_inclusive() -> None:
    assert Reader(b"\x02ab").vector(1, 2, 2) == b"ab"
    with pytest.raises(DecodeError, match="at least 3"):
        Reader(b"\x02ab").vector(1, 3)
    with pytest.raises(DecodeError, match="at most 1"):
        Reader(b"\x02ab").vector(1, 0, 1)


def test_an_odd_list_of_16_bit_values_is_refused() -> None:
    with pytest.raises(DecodeError, match="odd"):
        Reader(b"\x03abc").u16_list(1)


def test_an_empty_item_in_a_vector_of_vectors_is_refused() -> None:
    with pytest.raises(DecodeError):
        Reader(b"\x03\x01a\x00").vectors(1, 1)


def test_what_is_left_over_is_refused() -> None:
    with pytest.raises(DecodeError, match="1 bytes after the end"):
        Reader(b"a").finish()
