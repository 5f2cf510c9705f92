"""The key schedule of TLS 1.2 against published vectors, and against the PRF as RFC 5246 has it."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.crypto import schedule12
from aiotls.crypto.suites import SUITES, TLS12_SUITES, Suite
from aiotls.enums import CipherSuite
from aiotls.errors import UsageError
from tests.vectors import load

GCM_SHA256 = SUITES[CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
CHACHA20 = SUITES[CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]

every_suite = pytest.mark.parametrize("suite", TLS12_SUITES, ids=lambda suite: suite.code.name)


def reference(hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """P_hash in the words of RFC 5246, section 5."""
    seed = label + seed
    a, output = [seed], b""
    while len(output) < length:
        a.append(hmac.new(secret, a[-1], hash_name).digest())
        output += hmac.new(secret, a[-1] + seed, hash_name).digest()
    return output[:length]


# -- published vectors -----------------------------------------------------------------------------


@pytest.mark.parametrize("vector", load("prf12.json")["prf"], ids=lambda v: v["hash"])
def test_the_prf(vector: dict[str, str]) -> None:
    output = bytes.fromhex(vector["output"])
    secret, seed = bytes.fromhex(vector["secret"]), bytes.fromhex(vector["seed"])
    label = vector["label"].encode()
    for length in (len(output), 1, 32, 33):
        assert schedule12.prf(vector["hash"], secret, label, seed, length) == output[:length]


def test_master_secret_and_key_block() -> None:
    vector = load("prf12.json")["key_derivation"]
    number = {name: bytes.fromhex(v) for name, v in vector.items() if name not in ("title", "hash")}
    master = schedule12.master_secret(
        GCM_SHA256, number["pre_master_secret"], number["client_random"], number["server_random"]
    )
    assert master == number["master_secret"]
    randoms = number["key_block_client_random"], number["key_block_server_random"]
    block = number["key_block"]
    keys = schedule12.key_block(GCM_SHA256, master, *randoms)
    assert keys.client == (block[:16], block[32:36])
    assert keys.server == (block[16:32], block[36:40])
    keys = schedule12.key_block(CHACHA20, master, *randoms)
    assert keys.client == (block[:32], block[64:76])
    assert keys.server == (block[32:64], block[76:88])


# -- against the RFC's own words -------------------------------------------------------------------


@given(
    hash_name=st.sampled_from(["sha256", "sha384"]),
    secret=st.binary(max_size=64),
    label=st.binary(max_size=30),
    seed=st.binary(max_size=100),
    length=st.integers(0, 300),
)
def test_the_prf_is_that_of_rfc_5246(
    hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int
) -> None:
    expected = reference(hash_name, secret, label, seed, length)
    assert schedule12.prf(hash_name, secret, label, seed, length) == expected


@every_suite
def test_what_comes_from_the_prf(suite: Suite) -> None:
    name, secret = suite.hash_name, b"s" * 48
    client, server, digest = b"c" * 32, b"r" * 32, b"d" * suite.hash_length
    assert schedule12.master_secret(suite, secret, client, server) == reference(
        name, secret, b"master secret", client + server, 48
    )
    assert schedule12.extended_master_secret(suite, secret, digest) == reference(
        name, secret, b"extended master secret", digest, 48
    )
    assert schedule12.finished(suite, secret, "client", digest) == reference(
        name, secret, b"client finished", digest, 12
    )
    assert schedule12.finished(suite, secret, "server", digest) == reference(
        name, secret, b"server finished", digest, 12
    )


@every_suite
def test_the_key_block_has_the_server_s_random_first(suite: Suite) -> None:
    """RFC 5246, section 6.3."""
    client, server = b"c" * 32, b"r" * 32
    key, iv = suite.key_length, suite.fixed_iv_length
    length = 2 * (key + iv)
    block = reference(suite.hash_name, b"m" * 48, b"key expansion", server + client, length)
    keys = schedule12.key_block(suite, b"m" * 48, client, server)
    assert b"".join((keys.client[0], keys.server[0], keys.client[1], keys.server[1])) == block
    assert [len(part) for part in (*keys.client, *keys.server)] == [key, iv, key, iv]


# -- exporters: RFC 5705 ---------------------------------------------------------------------------


def export(label: str | bytes, context: bytes | None, length: int = 40) -> bytes:
    return schedule12.export(GCM_SHA256, b"m" * 48, label, context, length, b"c" * 32, b"r" * 32)


def test_an_exporter_without_a_context() -> None:
    seed = b"c" * 32 + b"r" * 32
    expected = reference("sha256", b"m" * 48, b"EXPORTER-label", seed, 40)
    assert export("EXPORTER-label", None) == export(b"EXPORTER-label", None) == expected


def test_an_exporter_with_a_context() -> None:
    seed = b"c" * 32 + b"r" * 32 + b"\0\x07context"
    expected = reference("sha256", b"m" * 48, b"EXPORTER-label", seed, 40)
    assert export("EXPORTER-label", b"context") == expected


def test_an_empty_context_is_not_the_same_as_none() -> None:
    """RFC 5705, section 4."""
    assert export("EXPORTER-label", b"") != export("EXPORTER-label", None)


@pytest.mark.parametrize("label", sorted(schedule12.RESERVED_LABELS))
def test_a_label_of_the_protocol_s_own_is_refused(label: bytes) -> None:
    """RFC 5705, section 4: such an exporter would give away the keys."""
    with pytest.raises(UsageError, match="TLS's own"):
        export(label, None)
    with pytest.raises(UsageError, match="TLS's own"):
        export(label.decode(), b"")


def test_an_exporter_s_context_has_at_most_65535_bytes() -> None:
    export("label", bytes(65_535))
    with pytest.raises(UsageError, match="not 65536"):
        export("label", bytes(65_536))


def test_an_exporter_s_length_is_not_negative() -> None:
    with pytest.raises(UsageError, match="length=-1"):
        export("label", None, -1)
    assert export("label", None, 0) == b""
