"""The recorder, and the picture that is drawn from it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiotls
from aiotls.cli.authority import Authority
from aiotls.enums import HandshakeType, NamedGroup
from aiotls.trace import Recorder, describe, waterfall, waterfall_lines
from aiotls.trace.text import clean, fit, milliseconds, size


def record(**server: object) -> Recorder:
    """A handshake between two engines, seen by the client, a millisecond per event."""
    authority = Authority.create()
    ticks = itertools.count()
    recorder = Recorder(clock=lambda: next(ticks) / 1000)
    client = aiotls.TLSConnection(
        aiotls.ClientConfig(
            trust=authority.trust(),
            observer=recorder,
            alpn_protocols=["h2"],
            key_log=None,
            certificate_compression=(),
        ),
        "localhost",
    )
    config = aiotls.ServerConfig(
        identity=authority.identity("localhost"), alpn_protocols=["h2"], key_log=None
    )
    peer = aiotls.TLSConnection(config.replace(**server))
    while not (client.handshake_complete and peer.handshake_complete):
        peer.receive_data(client.data_to_send())
        client.receive_data(peer.data_to_send())
    return recorder


def test_every_message_is_recorded_in_order() -> None:
    recorder = record()
    assert [(event.name, event.sent, event.protected) for event in recorder.events[:7]] == [
        ("ClientHello", True, False),
        ("ServerHello", False, False),
        ("EncryptedExtensions", False, True),
        ("Certificate", False, True),
        ("CertificateVerify", False, True),
        ("Finished", False, True),
        ("Finished", True, True),
    ]
    assert recorder.bytes_sent > 1000
    assert recorder.bytes_received > 1000
    assert [event.at for event in recorder.events] == sorted(e.at for e in recorder.events)


def test_a_retry_is_told_apart() -> None:
    recorder = record(groups=(NamedGroup.SECP384R1,))
    picture = waterfall(recorder)
    assert "HelloRetryRequest" in picture
    assert "wants secp384r1" in picture


@pytest.mark.parametrize("width", [40, 63, 64, 80, 120])
@pytest.mark.parametrize("unicode", [False, True])
def test_no_line_is_wider_than_asked(width: int, unicode: bool) -> None:
    recorder = record()
    recorder.mark("a mark that goes on and on and on and on and on and on and on and on")
    recorder.fail("why it failed, in a sentence that does not fit on one line of a terminal")
    lines = waterfall_lines(recorder, width=width, unicode=unicode)
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in lines) is not unicode


def test_an_empty_recording_is_drawn_too() -> None:
    assert len(waterfall_lines(Recorder())) == 1


def test_styles_are_the_callers() -> None:
    seen: set[str] = set()

    def paint(text: str, *styles: str) -> str:
        seen.update(styles)
        return text

    plain = waterfall_lines(record())
    assert waterfall_lines(record(), paint=paint)[1][:20] == plain[1][:20]
    assert {"cyan", "green", "dim", "bold"} <= seen


@given(
    st.one_of(st.sampled_from(list(HandshakeType)), st.integers(0, 255)),
    st.binary(max_size=200),
    st.booleans(),
)
def test_no_message_is_too_broken_to_describe(kind: int, body: bytes, protected: bool) -> None:
    text = describe(kind, bytes([kind]) + len(body).to_bytes(3, "big") + body, protected)
    assert "\x1b" not in text
    assert "\n" not in text


@given(st.text(max_size=600))
def test_cleaned_text_commands_no_terminal(text: str) -> None:
    cleaned = clean(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cleaned)
    assert "\u202e" not in cleaned


def test_words() -> None:
    assert size(1216) == "1216 B"
    assert size(65536) == "64 KiB"
    assert size(4 << 20) == "4 MiB"
    assert milliseconds(0.00021) == "0.21 ms"
    assert milliseconds(0.0184) == "18.4 ms"
    assert milliseconds(2.34) == "2.3 s"
    assert fit("abcdefgh", 5) == "ab..."
    assert fit("abc", 5) == "abc"
