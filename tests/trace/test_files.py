"""The capture and the page."""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import aiotls
from aiotls.cli.authority import Authority
from aiotls.ech import ECHKeys
from aiotls.enums import NamedGroup, ProtocolVersion
from aiotls.trace import Recorder
from aiotls.trace.page import render_page
from aiotls.trace.pcapng import Endpoint, write_pcapng

from .conftest import Record

V4: tuple[Endpoint, Endpoint] = (("127.0.0.1", 50_000), ("127.0.0.1", 18_443))
V6: tuple[Endpoint, Endpoint] = (("fe80::1%lo", 50_000), ("::1", 443))


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4) == (length,)
        found.append((kind, data[8 : length - 4]))
        data = data[length:]
    return found


def test_the_capture_is_well_formed(record: Record) -> None:
    file = io.BytesIO()
    write_pcapng(file, record())
    kinds = [kind for kind, _ in blocks(file.getvalue())]
    assert kinds[:3] == [0x0A0D0D0A, 1, 10]
    assert set(kinds[3:]) == {6}


def test_an_empty_recording_makes_a_capture_too() -> None:
    file = io.BytesIO()
    write_pcapng(file, Recorder())
    assert blocks(file.getvalue())


@pytest.mark.interop
@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("version", list(ProtocolVersion)[-2:], ids=["tls12", "tls13"])
@pytest.mark.parametrize("seen_by", ["client", "server"])
def test_wireshark_opens_it_decrypted(
    record: Record,
    tmp_path: Path,
    ends: tuple[Endpoint, Endpoint],
    version: ProtocolVersion,
    seen_by: str,
) -> None:
    path = tmp_path / "capture.pcapng"
    local, remote = ends if seen_by == "client" else ends[::-1]
    with open(path, "wb") as file:
        write_pcapng(file, record(seen_by, max_version=version), local=local, remote=remote)
    done = subprocess.run(
        # data-text-lines or data: whatever it takes the application data for
        [tshark(), "-r", str(path), "-V", "-o", "ip.check_checksum:TRUE",
         "-o", "tcp.check_checksum:TRUE", "-x"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )  # fmt: skip
    assert "Handshake Type: Finished" in done.stdout
    assert "Handshake Type: Certificate" in done.stdout or "Compressed" in done.stdout
    assert "Decrypted TLS (10 bytes)" in done.stdout
    assert "Malformed" not in done.stdout
    assert "Bad" not in re.sub(r"\[Good: True\]|\[Bad: False\]", "", done.stdout)
    assert "incorrect" not in done.stdout


class OnceOnly:
    """A replay guard that has seen nothing yet."""

    def first_time(self, token: bytes, lifetime: float) -> bool:
        return True


def watched(kind: str) -> Recorder:
    """A connection of a kind, as its client sees it: a handshake, and data in both directions."""
    authority = Authority.create()
    client = aiotls.ClientConfig(trust=authority.trust(), key_log=None)
    server = aiotls.ServerConfig(identity=authority.identity("localhost"), key_log=None)
    early = b""
    match kind:
        case "retry":
            server = server.replace(groups=[NamedGroup.SECP384R1])
        case "client certificate":
            client = client.replace(identity=authority.identity("me", client=True))
            server = server.replace(client_auth=aiotls.ClientAuth.REQUIRED, trust=authority.trust())
        case "encrypted hello" | "encrypted hello, retry":
            keys = ECHKeys.generate("public.example")
            client, server = client.replace(ech=keys.config_list), server.replace(ech_keys=keys)
            if "retry" in kind:
                server = server.replace(groups=[NamedGroup.SECP384R1])
        case "early data":
            early = b"GET / at once"
            server = server.replace(max_early_data=1000, replay_guard=OnceOnly())
    recorder = Recorder()
    if kind in ("resumption", "early data"):
        carry(aiotls.TLSConnection(client, "localhost"), aiotls.TLSConnection(server))
    client = client.replace(observer=recorder, key_log=recorder.secret)
    ours = aiotls.TLSConnection(client, "localhost", early_data=early)
    theirs = aiotls.TLSConnection(server)
    carry(ours, theirs, recorder)
    if kind == "early data":
        assert theirs.early_data_accepted
    if kind == "key update":
        ours.key_update(request_peer=True)
        carry(ours, theirs, recorder)
    ours.write(b"a question")
    theirs.write(b"and the answer")
    carry(ours, theirs, recorder)
    return recorder


def carry(
    client: aiotls.TLSConnection, server: aiotls.TLSConnection, recorder: Recorder | None = None
) -> None:
    """Whatever the two have to say to each other, told to *recorder*."""
    for _ in range(8):
        for sender, receiver in ((client, server), (server, client)):
            if data := sender.data_to_send():
                if recorder is not None:
                    recorder.wire(sender is client, data)
                receiver.receive_data(data)
    assert client.handshake_complete
    assert server.handshake_complete


SEEN = {
    "retry": "Hello Retry Request",
    "client certificate": "Handshake Type: Certificate Request",
    "encrypted hello": "Handshake Type: Encrypted Extensions",
    "encrypted hello, retry": "Hello Retry Request",
    "resumption": "Handshake Type: Encrypted Extensions",
    "early data": "Handshake Type: End of Early Data",
    "key update": "Handshake Type: Key Update",
}


@pytest.mark.interop
@pytest.mark.parametrize("kind", SEEN)
def test_wireshark_decrypts_connections_of_each_kind(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    with open(path, "wb") as file:
        write_pcapng(file, watched(kind))
    command = [tshark(), "-r", str(path), "-V", "-x"]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout
    assert SEEN[kind] in seen
    assert seen.count("Handshake Type: Finished") == 2
    assert ("Handshake Type: Certificate (11)" in seen) == (
        kind not in ("resumption", "early data")
    )
    assert "Decrypted TLS (10 bytes)" in seen  # the question,
    assert "Decrypted TLS (14 bytes)" in seen  # the answer,
    assert ("Decrypted TLS (13 bytes)" in seen) == (kind == "early data")
    assert "Malformed" not in seen


def tshark() -> str:
    found = shutil.which("tshark")
    if found is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed")
    return found


class Outline(HTMLParser):
    """Checks that tags nest, and collects what matters."""

    VOID = {"meta", "line", "circle", "polyline", "br"}
    OPTIONAL = {"th", "td", "li", "p", "tr", "thead"}

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "id" in values:
            self.ids.add(values["id"] or "")
        if tag == "a":
            self.links.add((values.get("href") or "").removeprefix("#"))
        for name in ("src", "href"):
            if values.get(name) and not (values[name] or "").startswith("#"):
                self.outside.append(f"{tag} {values[name]}")
        if tag not in self.VOID | self.OPTIONAL:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID | self.OPTIONAL:
            assert self.stack.pop() == tag


def page(recorder: Recorder, **options: Any) -> tuple[str, Outline]:
    wanted: dict[str, Any] = {"title": "a title", "verdict": "OK", "verified": True}
    text = render_page(recorder, **(wanted | options))
    outline = Outline()
    outline.feed(text)
    assert outline.stack == []
    return text, outline


def test_the_page_shows_every_message(record: Record) -> None:
    recorder = record()
    text, outline = page(recorder)
    expected = {f"m{number}" for number in range(1, len(recorder.events) + 1)}
    assert outline.links == expected <= outline.ids
    assert "X25519MLKEM768" in text
    assert "{" + "}" not in text


def test_the_page_needs_nothing_from_outside(record: Record) -> None:
    text, outline = page(record())
    assert outline.outside == []
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text


def test_nothing_that_a_peer_sends_becomes_markup(record: Record) -> None:
    attack = "</script><script>alert(1)</script>"
    recorder = record(client={"alpn_protocols": [attack]}, alpn_protocols=[attack])
    recorder.fail(attack)
    text, _ = page(recorder, title=attack, verdict=attack, verified=False, facts=[attack])
    assert text.count("<script>") == 1
    assert "alert(1)" in text


def test_an_empty_recording_makes_a_page_too() -> None:
    page(Recorder())
