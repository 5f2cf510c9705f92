"""Every byte of every message belongs to a field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig
from aiotls.enums import HandshakeType, NamedGroup, ProtocolVersion
from aiotls.trace import Recorder, describe
from aiotls.trace.dissect import Field, dissect
from tests import certificates
from tests.engine.pair import connect

from .conftest import Record


def check_cover(root: Field, data: bytes) -> None:
    position = 0
    for leaf in root.leaves():
        if leaf is root and not data:
            return
        assert leaf.start == position, leaf
        assert leaf.end > leaf.start, leaf
        position = leaf.end
    assert position == len(data)


@pytest.mark.parametrize("seen_by", ["client", "server"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": (NamedGroup.SECP384R1,), "retry_cookie": True},
        {"max_version": ProtocolVersion.TLSv1_2},
    ],
    ids=["plain", "retry", "tls12"],
)
def test_real_messages_are_understood_throughout(
    record: Record, seen_by: str, options: dict[str, Any]
) -> None:
    recorder = record(seen_by, **options)
    assert len(recorder.events) >= 7
    for event in recorder.events:
        root = dissect(event.data, event.protected)
        check_cover(root, event.data)
        names = {leaf.name for leaf in root.leaves()}
        assert "not understood" not in names, (event, names)


@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
def test_a_raw_public_key_is_told_from_a_certificate(version: ProtocolVersion) -> None:
    """RFC 7250: in TLS 1.2 it stands where the list of certificates would."""
    recorder = Recorder()
    ours, theirs = (Identity.from_raw_key(certificates.key(number=n)) for n in (1, 2))
    client = ClientConfig(
        identity=ours,
        raw_public_keys=[theirs.raw_public_key],
        observer=recorder,
        max_version=version,
    )
    server = ServerConfig(
        identity=theirs, client_auth=ClientAuth.REQUIRED, raw_public_keys=[ours.raw_public_key]
    )
    connect(client, server).check()
    shown = [event for event in recorder.events if event.data[0] == HandshakeType.CERTIFICATE]
    assert len(shown) == 2
    for event in shown:
        root = dissect(event.data, event.protected)
        check_cover(root, event.data)
        names = {leaf.name for leaf in root.leaves()}
        assert "ASN.1_subjectPublicKeyInfo" in names
        assert "not understood" not in names
        told = describe(HandshakeType.CERTIFICATE, event.data, event.protected)
        assert told == f"raw public key: {len(ours.raw_public_key)} B"


def test_what_is_in_a_client_hello_is_named(record: Record) -> None:
    event = record().events[0]
    leaves = {leaf.name: leaf for leaf in dissect(event.data, event.protected).leaves()}
    assert leaves["host_name"].value == "localhost"
    assert leaves["protocol"].value == "h2"
    assert "TLS_" in leaves["cipher suite"].value
    assert leaves["random"].end - leaves["random"].start == 32


@given(
    st.one_of(st.sampled_from(list(HandshakeType)), st.integers(0, 255)),
    st.binary(max_size=300),
    st.booleans(),
)
@example(HandshakeType.CLIENT_HELLO, b"", False)
@example(HandshakeType.CERTIFICATE, b"\0\0\0\xff\0\0\xfa", True)
def test_no_bytes_are_too_broken(kind: int, body: bytes, protected: bool) -> None:
    data = bytes([kind]) + len(body).to_bytes(3, "big") + body
    check_cover(dissect(data, protected), data)


@given(st.binary(max_size=6))
def test_nor_too_short(data: bytes) -> None:
    check_cover(dissect(data), data)


@given(st.data())
def test_damaged_real_messages(data: st.DataObject) -> None:
    message = bytearray(MESSAGE)
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(1, len(message)))
    check_cover(dissect(bytes(message[:end]), False), bytes(message[:end]))


MESSAGE = bytes.fromhex(
    # A ClientHello with many extensions.
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302"
    "010000910000000b0009000006736572766572ff01000100000a00140012001d001700180019010001010102010301"
    "0400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c"
    "002b0003020304000d0020001e040305030603020308040805080604010501060102010402050206020202002d0002"
    "0101001c00024001"
)
