"""A recorded connection as a capture file that Wireshark opens decrypted.

pcapng (draft-ietf-opsawg-pcapng) has room for the secrets beside the packets, in a Decryption
Secrets Block, so that one file holds all. The packets are made up around the bytes that passed:
addresses, sequence numbers and times are right, what a network would have added is not there.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import BinaryIO

from .recorder import Recorder

LINKTYPE_RAW = 101
"""Packets begin with an IP header."""

TLS_KEY_LOG = 0x544C534B
"""The type of a Decryption Secrets Block that holds lines of the NSS key log format."""

SEGMENT = 1400
"""Bytes of a stream in one packet."""

SYN, ACK, PSH, FIN = 0x02, 0x10, 0x08, 0x01

Endpoint = tuple[str, int]


def write_pcapng(
    file: BinaryIO,
    recorder: Recorder,
    *,
    local: Endpoint = ("192.0.2.1", 50_000),
    remote: Endpoint = ("192.0.2.2", 443),
) -> None:
    """Writes what *recorder* has kept by :meth:`.Recorder.wire` and :meth:`.Recorder.secret`.

    *local* and *remote* are addresses and ports, both of IPv4 or both of IPv6. Whoever has the
    file can read the connection.
    """
    file.write(_section_header())
    file.write(_block(1, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + _option(9, b"\x09") + _END))
    if recorder.secrets:
        lines = "".join(line + "\n" for line in _secrets(recorder)).encode("ascii")
        file.write(_block(10, struct.pack("<II", TLS_KEY_LOG, len(lines)) + _pad(lines)))
    for at, packet in _packets(recorder, local, remote):
        # Nanoseconds, as the option if_tsresol above says.
        moment = int((recorder.epoch + at) * 1e9)
        header = struct.pack(
            "<IIIII", 0, moment >> 32, moment & 0xFFFF_FFFF, len(packet), len(packet)
        )
        file.write(_block(6, header + _pad(packet)))


def _secrets(recorder: Recorder) -> Iterable[str]:
    """The lines of the key log, and with Encrypted Client Hello once more under another random.

    They go by the random of the inner ClientHello, which is encrypted on the way (RFC 9849, section
    6.1). Who reads the outer one only, as Wireshark does, looks them up by that one's random.
    """
    yield from recorder.secrets
    hello = next((chunk.data for chunk in recorder.chunks if chunk.data[:1] == b"\x16"), b"")
    random = hello[_RANDOM].hex()
    words = [line.split() for line in recorder.secrets]
    if len(random) == 64 and not any(word[1:2] == [random] for word in words):
        yield from (f"{label} {random} {secret}" for label, _, secret in words)


_RANDOM = slice(11, 43)
"""Where a ClientHello has its random, after the headers of record and message, and the version."""

_END = b"\0\0\0\0"


def _section_header() -> bytes:
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(0x0A0D0D0A, body + _option(4, b"aiotls") + _END)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _pad(value)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _packets(
    recorder: Recorder, local: Endpoint, remote: Endpoint
) -> Iterable[tuple[float, bytes]]:
    """A TCP connection that carries the recorded bytes, packet by packet."""
    ours, theirs = _Side(local, remote), _Side(remote, local)
    start = recorder.chunks[0].at if recorder.chunks else 0.0
    yield start, ours.packet(SYN, theirs)
    yield start, theirs.packet(SYN | ACK, ours)
    yield start, ours.packet(ACK, theirs)
    end = start
    for chunk in recorder.chunks:
        sender, receiver = (ours, theirs) if chunk.sent else (theirs, ours)
        for offset in range(0, len(chunk.data), SEGMENT):
            yield (
                chunk.at,
                sender.packet(PSH | ACK, receiver, chunk.data[offset : offset + SEGMENT]),
            )
        yield chunk.at, receiver.packet(ACK, sender)
        end = chunk.at
    yield end, ours.packet(FIN | ACK, theirs)
    yield end, theirs.packet(FIN | ACK, ours)
    yield end, ours.packet(ACK, theirs)


class _Side:
    """One end of the made-up TCP connection."""

    def __init__(self, source: Endpoint, target: Endpoint) -> None:
        self._source = ipaddress.ip_address(source[0].partition("%")[0])
        self._target = ipaddress.ip_address(target[0].partition("%")[0])
        self._ports = source[1], target[1]
        self.sequence = 0

    def packet(self, flags: int, peer: _Side, data: bytes = b"") -> bytes:
        """The next packet from here."""
        acknowledged = peer.sequence if flags & ACK else 0
        tcp = struct.pack(
            "!HHIIBBHHH",
            *self._ports,
            self.sequence & 0xFFFF_FFFF,
            acknowledged & 0xFFFF_FFFF,
            5 << 4,
            flags,
            65_535,
            0,
            0,
        )
        self.sequence += len(data) + bool(flags & (SYN | FIN))
        length = len(tcp) + len(data)
        addresses = self._source.packed + self._target.packed
        checksum = _checksum(addresses + struct.pack("!II", length, 6) + tcp + data)
        tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
        return self._ip(length, addresses) + tcp + data

    def _ip(self, length: int, addresses: bytes) -> bytes:
        if self._source.version == 6:
            return struct.pack("!IHBB", 6 << 28, length, 6, 64) + addresses
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 6, 0) + addresses
        return header[:10] + struct.pack("!H", _checksum(header)) + header[12:]


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
