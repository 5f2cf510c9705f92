"""explain and doctor."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls import enums
from aiotls.trace.glossary import ENTRIES, look_up, similar

from .conftest import Run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("handshake_failure", "handshake_failure"),
        ("Handshake Failure", "handshake_failure"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "handshake_failure"),
        ("TLSV1_ALERT_UNKNOWN_CA", "unknown_ca"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate_required"),
        ("SSL_R_WRONG_VERSION_NUMBER", "WRONG_VERSION_NUMBER"),
        ("ALERT_UNRECOGNIZED_NAME", "unrecognized_name"),
        ("wrong_version_number", "WRONG_VERSION_NUMBER"),
        ("0x11ec", "X25519MLKEM768"),
        ("4588", "X25519MLKEM768"),
        ("40", "handshake_failure"),
        ("sni", "SNI"),
        ("mtls", "mutual TLS"),
        ("ServerHello", "server_hello"),
        ("key_share", "key_share"),
        ("tls_aes_128_gcm_sha256", "TLS_AES_128_GCM_SHA256"),
    ],
)
def test_words_are_found(word: str, name: str) -> None:
    assert name in [entry.name for entry in look_up(word)]


CODE_POINTS = [
    enumeration
    for enumeration in vars(enums).values()
    if isinstance(enumeration, type)
    and issubclass(enumeration, enums.CodePoint)
    and enumeration is not enums.CodePoint
]


@pytest.mark.parametrize("enumeration", CODE_POINTS, ids=lambda each: each.__name__)
def test_every_code_point_is_found(enumeration: type[enums.CodePoint]) -> None:
    """By its name in any spelling, and by its number; with a text that no other has."""
    assert len(enumeration)
    for member in enumeration:
        for word in (member.name, member.name.lower(), member.name.replace("_", "-"), hex(member)):
            assert int(member) in [entry.code for entry in look_up(word)], word


def test_no_code_point_shares_its_text() -> None:
    texts = [entry.text for entry in ENTRIES if entry.code is not None]
    assert sorted(text for text in texts if texts.count(text) > 1) == []


def test_every_entry_reads_like_one() -> None:
    for entry in ENTRIES:
        assert not entry.text[0].islower(), entry
        assert entry.text.endswith((".", "?")), entry


@given(st.text(max_size=30))
def test_no_word_is_too_strange(word: str) -> None:
    look_up(word)
    similar(word)


def test_explain(aiotls: Run) -> None:
    done = aiotls("explain", "unknown_ca")
    assert done.returncode == 0
    assert done.stdout.startswith("unknown_ca  (alert 48, RFC 8446, section 6.2)")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert json.loads(aiotls("explain", "40", "--json").stdout)[0]["name"] == "handshake_failure"


def test_explain_helps_who_mistypes(aiotls: Run) -> None:
    done = aiotls("explain", "handshak_failur")
    assert done.returncode == 2
    assert "handshake_failure" in done.stderr


def test_doctor(aiotls: Run) -> None:
    done = aiotls("doctor")
    assert done.returncode == 0, done.stdout
    assert re.search(r"handshake: +TLS 1.3", done.stdout)
    told = json.loads(aiotls("doctor", "--json").stdout)
    assert told["ok"] is True


def test_doctor_minds_a_key_log_and_hides_where_it_is(aiotls: Run, tmp_path: Path) -> None:
    done = aiotls("doctor", SSLKEYLOGFILE=str(tmp_path / "keys"))
    assert "SSLKEYLOGFILE is set" in done.stdout
    assert str(tmp_path) not in done.stdout
