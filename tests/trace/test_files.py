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

from aiotls.enums import ProtocolVersion
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
    tshark = shutil.which("tshark")
    if tshark is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed")
    path = tmp_path / "capture.pcapng"
    local, remote = ends if seen_by == "client" else ends[::-1]
    with open(path, "wb") as file:
        write_pcapng(file, record(seen_by, max_version=version), local=local, remote=remote)
    done = subprocess.run(
        # data-text-lines or data: whatever it takes the application data for
        [tshark, "-r", str(path), "-V", "-o", "ip.check_checksum:TRUE",
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
