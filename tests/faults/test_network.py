"""Resets, hang-ups, half-open connections and black holes at every step of a connection's life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.faces import FACES, Face, Sides
from tests.faults.proxy import DOWN, UP, Wire, between

pytestmark = pytest.mark.asyncio
Settled = Callable[[], Awaitable[None]]


async def _ended(face: Face, sides: Sides, port: int) -> str:
    """One connection from beginning to end; what ended it, or an empty string."""
    try:
        async with asyncio.timeout(0.8):  # an application that does not wait for ever
            await face.life(sides, port)
    except (OSError, asyncio.IncompleteReadError) as error:
        return type(error).__name__
    return ""


def _places(stream: bytes) -> list[int]:
    """Where records end, and a byte of each header and each body."""
    places, start = [1], 0
    while start < len(stream):
        end = start + 5 + int.from_bytes(stream[start + 3 : start + 5], "big")
        places += [start + 3, (start + end) // 2, end]
        start = end
    return sorted({place for place in places if place <= len(stream)})


def _cells() -> list[tuple[str, str]]:
    """Both versions where their ends differ most, TLS 1.3 for the rest."""
    both = ("streams", "drop-in", "sockets")
    return [(face, "TLSv1_3") for face in FACES] + [(face, "TLSv1_2") for face in both]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "version"), _cells())
@pytest.mark.parametrize("fault", ["reset", "close", "half", "stall"])
async def test_a_fault_at_every_step(
    fault: str, name: str, version: str, nothing_left: Settled
) -> None:
    face, sides = FACES[name], Sides(version)
    async with face.serving(sides) as port:
        honest, end, tries = Wire(), "untried", 0
        while end and tries < 10:  # the time-outs are short, and the machine may be busy
            honest, tries = Wire(), tries + 1
            async with between(port, honest) as way:
                end = await _ended(face, sides, way)
        assert not end
        survived = 0
        for direction in (UP, DOWN):
            places = _places(bytes(honest.passed[direction]))
            # every step of the handshake and of the shutdown; a few of the data in between
            places = places if len(places) < 36 else places[:24] + places[-12:]
            wires = [Wire(direction, place, fault) for place in places]

            async def one(wire: Wire) -> str:
                async with between(port, wire) as way:
                    return await _ended(face, sides, way)

            for start in range(0, len(wires), 6):
                ends = await asyncio.gather(*(one(wire) for wire in wires[start : start + 6]))
                # Only where the last bytes have passed can it all have been well.
                for wire, end in zip(wires[start : start + 6], ends, strict=True):
                    handshake = wire.limit is not None and wire.limit < 200
                    assert end or not handshake, (wire.direction, wire.limit)
                survived += len(ends)
        assert survived > 30
    await nothing_left()
