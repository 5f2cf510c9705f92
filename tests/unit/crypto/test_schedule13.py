"""The key schedule of TLS 1.3 against every secret in RFC 8448, and against plain HKDF."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from aiotls.crypto import schedule13
from aiotls.crypto.schedule13 import EarlySecret, HandshakeSecret, MasterSecret
from aiotls.crypto.suites import TLS13_SUITES, Suite
from aiotls.errors import UsageError
from tests.vectors import TRACES, Trace, rfc8448

SUITE = TLS13_SUITES[0]  # the one of all traces
RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446, section 4.1.3

every_trace = pytest.mark.parametrize("name", TRACES)
every_suite = pytest.mark.parametrize("suite", TLS13_SUITES, ids=lambda suite: suite.code.name)


def transcript_hash(messages: list[bytes]) -> bytes:
    """RFC 8446, section 4.4.1, with the exception for a HelloRetryRequest."""
    if len(messages) > 1 and messages[1][6:38] == RETRY_RANDOM:
        first = hashlib.sha256(messages[0]).digest()
        messages = [b"\xfe\0\0\x20" + first, *messages[1:]]
    return hashlib.sha256(b"".join(messages)).digest()


def upto(trace: Trace, kind: int, actor: str | None = None) -> bytes:
    """The hash of the messages up to and with the last of a type by a side."""
    own = trace.messages(actor)
    last = max(i for i, message in enumerate(own) if message[0] == kind)
    messages = trace.messages()
    return transcript_hash(messages[: messages.index(own[last]) + 1])


def stages(trace: Trace) -> tuple[EarlySecret, HandshakeSecret, MasterSecret]:
    """The three stages, from what each trace starts with."""
    psk = None
    if trace.name == "resumed_0rtt":
        psk = trace.find("client", 'extract secret "early"').fields["IKM"]
    early = EarlySecret(SUITE, psk)
    handshake = early.handshake(trace.find("server", 'extract secret "handshake"').fields["IKM"])
    return early, handshake, handshake.master()


# -- RFC 8448 --------------------------------------------------------------------------------------


@every_trace
def test_the_traffic_secrets_of_every_trace(name: str) -> None:
    trace = rfc8448(name)
    _, handshake, master = stages(trace)
    hello = upto(trace, 2)
    assert handshake.client_traffic(hello) == trace.secret("c hs traffic")
    assert handshake.server_traffic(hello) == trace.secret("s hs traffic")
    server_finished = upto(trace, 20, "server")
    assert master.client_traffic(server_finished) == trace.secret("c ap traffic")
    assert master.server_traffic(server_finished) == trace.secret("s ap traffic")
    assert master.exporter(server_finished) == trace.secret("exp master")
    assert master.resumption(upto(trace, 20, "client")) == trace.secret("res master")


@every_trace
def test_the_stages_themselves(name: str) -> None:
    trace = rfc8448(name)
    early, handshake, master = stages(trace)
    secrets = {"early": early._secret, "handshake": handshake._secret, "master": master._secret}
    for label, secret in secrets.items():
        step = next(s for s in trace.steps if s.action == f'extract secret "{label}"')
        assert secret == step.fields["secret"]


@every_trace
def test_the_verify_data_of_every_finished(name: str) -> None:
    trace = rfc8448(name)
    for actor, label in (("server", "s hs traffic"), ("client", "c hs traffic")):
        messages = trace.messages()
        (message,) = (m for m in trace.messages(actor) if m[0] == 20)
        digest = transcript_hash(messages[: messages.index(message)])
        verify_data = schedule13.finished(SUITE, trace.secret(label), digest)
        assert verify_data == message[4:]
        step = trace.find(actor, 'calculate finished "tls13 finished"')
        assert verify_data == step.fields["finished"]


@every_trace
def test_the_traffic_keys_of_every_trace(name: str) -> None:
    steps = [step for step in rfc8448(name).steps if "key expanded" in step.fields]
    assert len(steps) >= 4
    for step in steps:
        key, iv = schedule13.traffic_keys(SUITE, step.fields["PRK"])
        assert (key, iv) == (step.fields["key expanded"], step.fields["iv expanded"])


def test_the_secrets_for_early_data() -> None:
    trace = rfc8448("resumed_0rtt")
    early, _, _ = stages(trace)
    hello = transcript_hash(trace.messages()[:1])
    assert early.client_early_traffic(hello) == trace.secret("c e traffic")
    assert early.early_exporter(hello) == trace.secret("e exp master")


def test_the_binder_of_a_resumption_psk() -> None:
    trace = rfc8448("resumed_0rtt")
    early, _, _ = stages(trace)
    fields = trace.find("client", "calculate PSK binder").fields
    assert hashlib.sha256(fields["ClientHello prefix"]).digest() == fields["binder hash"]
    key = early.binder_key()
    assert key == fields["PRK"]
    binder = schedule13.finished(SUITE, key, fields["binder hash"])
    assert binder == fields["finished"]
    hello = trace.messages("client")[0]
    assert hello == fields["ClientHello prefix"] + b"\0\x21\x20" + binder


def test_the_psk_of_a_ticket_is_the_one_that_the_next_trace_resumes_with() -> None:
    trace = rfc8448("simple_1rtt")
    step = trace.find("server", 'generate resumption secret "tls13 resumption"')
    ticket = trace.messages("server")[-1]
    nonce = ticket[13 : 13 + ticket[12]]
    assert nonce == step.fields["hash"]
    psk = schedule13.resumption_psk(SUITE, trace.secret("res master"), nonce)
    assert psk == step.fields["expanded"]
    resumed = rfc8448("resumed_0rtt").find("client", 'extract secret "early"')
    assert psk == resumed.fields["IKM"]


@dataclass
class Protection:
    """TLSInnerPlaintext in and out, so that the keys are seen to fit the records."""

    key: bytes
    iv: bytes
    sequence: int = 0

    def open(self, record: bytes) -> bytes:
        number = int.from_bytes(self.iv, "big") ^ self.sequence
        self.sequence += 1
        return AESGCM(self.key).decrypt(number.to_bytes(12, "big"), record[5:], record[:5])


@every_trace
def test_the_keys_open_every_protected_record(name: str) -> None:
    kinds = {"handshake": 22, "application_data": 23, "alert": 21}
    protection: dict[str, Protection] = {}
    opened = 0
    for step in rfc8448(name).steps:
        if "key expanded" in step.fields:
            keys = schedule13.traffic_keys(SUITE, step.fields["PRK"])
            other = {"client": "server", "server": "client"}[step.actor]
            sender = step.actor if "write" in step.action else other
            protection[sender] = Protection(*keys)
        record = step.fields.get("complete record")
        if record is not None and record[0] == 23:
            kind = kinds[step.action.split()[1]]
            inner = protection[step.actor].open(record)
            assert inner == step.fields["payload"] + bytes([kind])
            opened += 1
    assert opened >= 4


# -- against HKDF from elsewhere -------------------------------------------------------------------


ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
}


def reference(hash_name: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label in the words of RFC 8446, section 7.1."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    return HKDFExpand(ALGORITHMS[hash_name], length, info).derive(secret)


@given(
    hash_name=st.sampled_from(["sha256", "sha384"]),
    secret=st.binary(min_size=1, max_size=200),
    label=st.binary(max_size=249),
    context=st.binary(max_size=255),
    length=st.integers(1, 300),
)
def test_expand_label_is_hkdf_expand(
    hash_name: str, secret: bytes, label: bytes, context: bytes, length: int
) -> None:
    expected = reference(hash_name, secret, label, context, length)
    assert schedule13.expand_label(hash_name, secret, label, context, length) == expected


def test_expand_label_at_the_ends_of_its_range() -> None:
    assert schedule13.expand_label("sha256", b"s", b"l", b"", 0) == b""
    longest = schedule13.expand_label("sha256", b"s", b"l", b"", 255 * 32)
    assert longest == reference("sha256", b"s", b"l", b"", 255 * 32)
    with pytest.raises((ValueError, OverflowError)):
        schedule13.expand_label("sha256", b"s", b"l", bytes(256), 32)
    with pytest.raises((ValueError, OverflowError)):
        schedule13.expand_label("sha256", b"s", b"l", b"", 255 * 32 + 1)


@every_suite
@pytest.mark.parametrize("psk", [None, b"p" * 32])
@pytest.mark.parametrize("shared", [None, b"s" * 32, b"s" * 64])
def test_the_schedule_of_every_suite(suite: Suite, psk: bytes | None, shared: bytes | None) -> None:
    name, size = suite.hash_name, suite.hash_length
    zeros = bytes(size)
    empty = hashlib.new(name).digest()
    digest = hashlib.new(name, b"messages").digest()

    def derive(secret: bytes, label: bytes, context: bytes = digest) -> bytes:
        return reference(name, secret, label, context, size)

    early = EarlySecret(suite, psk)
    secret = hmac.digest(zeros, psk or zeros, name)
    assert early.binder_key() == derive(secret, b"res binder", empty)
    assert early.binder_key(external=True) == derive(secret, b"ext binder", empty)
    assert early.binder_key(imported=True) == derive(secret, b"imp binder", empty)
    assert early.binder_key(external=True, imported=True) == derive(secret, b"imp binder", empty)
    assert early.client_early_traffic(digest) == derive(secret, b"c e traffic")
    assert early.early_exporter(digest) == derive(secret, b"e exp master")

    handshake = early.handshake(shared)
    secret = hmac.digest(derive(secret, b"derived", empty), shared or zeros, name)
    assert handshake.client_traffic(digest) == derive(secret, b"c hs traffic")
    assert handshake.server_traffic(digest) == derive(secret, b"s hs traffic")

    master = handshake.master()
    secret = hmac.digest(derive(secret, b"derived", empty), zeros, name)
    assert master.client_traffic(digest) == derive(secret, b"c ap traffic")
    assert master.server_traffic(digest) == derive(secret, b"s ap traffic")
    assert master.exporter(digest) == derive(secret, b"exp master")
    assert master.resumption(digest) == derive(secret, b"res master")


@every_suite
def test_what_comes_from_a_traffic_secret(suite: Suite) -> None:
    name, size = suite.hash_name, suite.hash_length
    secret = b"t" * size
    key, iv = schedule13.traffic_keys(suite, secret)
    assert key == reference(name, secret, b"key", b"", suite.key_length)
    assert iv == reference(name, secret, b"iv", b"", 12)
    updated = schedule13.next_traffic_secret(suite, secret)
    assert updated == reference(name, secret, b"traffic upd", b"", size)
    finished_key = reference(name, secret, b"finished", b"", size)
    assert schedule13.finished(suite, secret, b"d") == hmac.digest(finished_key, b"d", name)
    psk = schedule13.resumption_psk(suite, secret, b"\0\1")
    assert psk == reference(name, secret, b"resumption", b"\0\1", size)


# -- exporters: RFC 8446, section 7.5 --------------------------------------------------------------


@every_suite
@pytest.mark.parametrize("context", [b"", b"context", bytes(70_000)])
@pytest.mark.parametrize("length", [1, 32, 48, 100])
def test_an_exporter(suite: Suite, context: bytes, length: int) -> None:
    name, size = suite.hash_name, suite.hash_length
    secret = b"e" * size
    empty = hashlib.new(name).digest()
    derived = reference(name, secret, b"EXPORTER-label", empty, size)
    digest = hashlib.new(name, context).digest()
    expected = reference(name, derived, b"exporter", digest, length)
    assert schedule13.export(suite, secret, "EXPORTER-label", context, length) == expected
    assert schedule13.export(suite, secret, b"EXPORTER-label", context, length) == expected


def test_an_exporter_s_label_has_at_most_249_bytes() -> None:
    schedule13.export(SUITE, bytes(32), "l" * 249, b"", 32)
    with pytest.raises(UsageError, match="249 bytes, not 250"):
        schedule13.export(SUITE, bytes(32), "l" * 250, b"", 32)
    with pytest.raises(UsageError, match="not 250"):
        schedule13.export(SUITE, bytes(32), "é" * 125, b"", 32)


@pytest.mark.parametrize("length", [-1, 255 * 32 + 1])
def test_an_exporter_s_length_is_bounded(length: int) -> None:
    with pytest.raises(UsageError, match=f"length={length}"):
        schedule13.export(SUITE, bytes(32), "label", b"", length)


# -- secrets stay secret ---------------------------------------------------------------------------


def test_no_stage_shows_its_secret() -> None:
    early = EarlySecret(SUITE, b"p" * 32)
    handshake = early.handshake(b"s" * 32)
    for stage in (early, handshake, handshake.master()):
        assert stage._secret.hex() not in repr(stage)
        assert repr(stage._secret) not in repr(stage)
        assert not hasattr(stage, "__dict__")
