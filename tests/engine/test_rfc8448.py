"""The handshakes of RFC 8448, replayed by this package's own coroutines, byte for byte.

One side is ours, the other is the RFC's. What ours puts on the wire has to be the RFC's, record
by record: key exchange, key schedule, transcript, Finished, protection. What a stack is free to
choose (randoms, the order of extensions, a signature's salt) is taken from the trace, a message
at a time, and nothing else is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TLSConnection, TrustStore
from aiotls.crypto.groups import KeyExchange, MontgomeryKeyExchange, WeierstrassKeyExchange
from aiotls.crypto.primitives import Primitives
from aiotls.enums import HandshakeType, NamedGroup, ProtocolVersion, SignatureScheme
from aiotls.handshake import client as client_module
from aiotls.handshake import client13, selection, server13
from aiotls.handshake.offer import Offer
from aiotls.handshake.psk import PreSharedKey, bind
from aiotls.sessions import MemoryReplayGuard, Session
from aiotls.wire import extensions as ext
from aiotls.wire.messages import (
    Certificate,
    CertificateVerify,
    ClientHello,
    Finished,
    Message,
    NewSessionTicket,
    ServerHello,
)
from tests.engine.pair import Raw, mutate
from tests.vectors import TRACES, Trace, rfc8448

CREATED = 1_000_000.0


def keys(trace: Trace, actor: str) -> list[KeyExchange]:
    """The ephemeral keys of one side, in order."""
    found: list[KeyExchange] = []
    for step in trace.steps:
        if step.actor == actor and step.action.startswith("create an ephemeral"):
            private = step.fields["private key"]
            if "P-256" in step.action:
                number = int.from_bytes(private, "big")
                curve = ec.derive_private_key(number, ec.SECP256R1())
                found.append(WeierstrassKeyExchange(NamedGroup.SECP256R1, curve))
            else:
                key = x25519.X25519PrivateKey.from_private_bytes(private)
                found.append(MontgomeryKeyExchange(NamedGroup.X25519, key))
    return found


def body(raw: bytes) -> bytes:
    return raw[4:]


class Replay(Primitives):
    """Keys and signatures of the trace."""

    def __init__(self, trace: Trace, actor: str) -> None:
        self._keys = keys(trace, actor)
        proofs = [m for m in trace.messages(actor) if m[0] == HandshakeType.CERTIFICATE_VERIFY]
        self._signature = CertificateVerify.parse(body(proofs[0])).signature if proofs else b""

    def generate(self, group: int) -> KeyExchange:
        key = self._keys.pop(0)
        assert key.group == group
        return key

    def respond(self, group: int, peer_share: bytes) -> tuple[bytes, bytes]:
        key = self.generate(group)
        return key.share, key.agree(peer_share)

    def sign(self, private_key: Any, scheme: int, data: bytes) -> bytes:
        return self._signature


class Signer:
    """Stands for a key that the RFC does not print; :class:`Replay` has its signature."""

    schemes = (SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.ecdsa_secp256r1_sha256)

    def __init__(self, primitives: Primitives) -> None:
        self._primitives = primitives

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        replayed: Any = self._primitives  # it looks at no key
        signature: bytes = replayed.sign(None, scheme, data)
        return signature


def identity_of(trace: Trace, actor: str, primitives: Primitives) -> Identity | None:
    messages = [m for m in trace.messages(actor) if m[0] == HandshakeType.CERTIFICATE]
    if not messages:
        return None
    chain = [entry.data for entry in Certificate.parse(body(messages[0])).entries]
    return Identity(chain, Signer(primitives))


def follow(connection: TLSConnection, trace: Trace, actor: str) -> list[HandshakeType]:
    """Lets *connection* say what the trace says, but for what it has to compute itself."""
    script = [m for m in trace.messages(actor) if m[0] != HandshakeType.NEW_SESSION_TICKET]
    own: list[HandshakeType] = []

    def replaced(message: Message) -> Message:
        expected = script.pop(0)
        assert message.type == expected[0]
        if isinstance(message, Finished) or message.encode() == expected:
            own.append(message.type)
            assert message.encode() == expected
            return message
        return Raw(expected)

    mutate(connection, replaced)
    return own


def session_of(trace: Trace) -> Session:
    """The session that the first trace leaves behind."""
    ticket = next(m for m in trace.messages("server") if m[0] == HandshakeType.NEW_SESSION_TICKET)
    message = NewSessionTicket.parse(body(ticket))
    secret = trace.find("server", "generate resumption secret").fields["expanded"]
    return Session(
        version=ProtocolVersion.TLSv1_3,
        suite=0x1301,
        secret=secret,
        created=CREATED,
        lifetime=message.lifetime,
        age_add=message.age_add,
        max_early_data=message.extensions.get(ext.EARLY_DATA_LIMIT) or 0,
        server_name="server",
        ticket=message.ticket,
    )


def resumption_clock(trace: Trace) -> float:
    """When the second connection was made, from the age of its ticket."""
    hello = ClientHello.parse(body(trace.messages("client")[0]))
    offered = hello.extensions.get(ext.PRE_SHARED_KEY)
    assert offered is not None
    age = offered.identities[0].obfuscated_ticket_age
    return CREATED + ((age - session_of(rfc8448("simple_1rtt")).age_add) & 0xFFFFFFFF) / 1000


def early_data(trace: Trace) -> bytes:
    if trace.name != "resumed_0rtt":
        return b""
    return trace.find("client", "send application_data").fields["payload"]


def play(connection: TLSConnection, trace: Trace, actor: str, streams: dict[str, bytes]) -> None:
    """Feeds the other side's records and collects ours, in the order of the trace."""
    data = [step for step in trace.steps if "complete record" in step.fields]
    sent = b""
    early = early_data(trace)
    for step in data:
        if step.actor != actor:
            connection.receive_data(step.fields["complete record"])
        elif step.action.startswith("send application_data"):
            if connection.handshake_complete:
                connection.write(step.fields["payload"])
            else:
                assert step.fields["payload"] == early
        elif step.action.startswith("send alert"):
            connection.send_close_notify()
        elif connection.handshake_complete and "NewSessionTicket" in streams:
            connection._writer.write(22, step.fields["payload"])
        sent += connection.data_to_send()
    streams["sent"] = sent


@pytest.mark.parametrize("name", TRACES)
def test_our_client_says_what_the_rfcs_client_says(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trace = rfc8448(name)
    primitives = Replay(trace, "client")
    hellos = [
        ClientHello.parse(body(m))
        for m in trace.messages("client")
        if m[0] == HandshakeType.CLIENT_HELLO
    ]
    clock = CREATED
    keys_offered: tuple[PreSharedKey, ...] = ()
    if name == "resumed_0rtt":
        clock = resumption_clock(trace)
        session = session_of(rfc8448("simple_1rtt"))
        keys_offered = (PreSharedKey(session.ticket, session.secret, "sha256", session),)
    config = ClientConfig(
        dangerous_disable_verification=True,
        min_version=ProtocolVersion.TLSv1_3,
        middlebox_compatibility=name == "compatibility_mode",
        record_size_limit=16_385,
        primitives=primitives,
        identity=identity_of(trace, "client", primitives),
        session_cache=None,
        request_staple=False,
        certificate_compression=[],
        clock=lambda: clock,
        key_log=None,
    )

    def first_offer(channel: Any, config: ClientConfig, name: str, session: Any) -> Offer:
        exchange = primitives.generate(NamedGroup.X25519)
        unbound = replace(hellos[0], extensions=hellos[0].extensions.without(41))
        bound = bind(channel, unbound, keys_offered, clock)
        assert bound.encode() == hellos[0].encode()  # the binder is ours
        return Offer(config, hellos[0], {NamedGroup.X25519: exchange}, "server", keys_offered)

    def second_offer(channel: Any, offer: Offer, retry: ServerHello) -> Offer:
        group = retry.extensions.get(ext.KEY_SHARE_RETRY)
        assert group is not None
        exchange = primitives.generate(group)
        return replace(offer, hello=hellos[1], key_exchanges={group: exchange}, retried=True)

    monkeypatch.setattr(client_module, "make_offer", first_offer)
    monkeypatch.setattr(client13, "retry_offer", second_offer)
    connection = TLSConnection(config, "server", early_data=early_data(trace))
    own = follow(connection, trace, "client")
    streams: dict[str, bytes] = {}
    play(connection, trace, "client", streams)
    assert HandshakeType.FINISHED in own
    assert streams["sent"] == b"".join(record for _, record in trace.records("client"))
    assert connection.peer_closed
    exporter = connection.established
    assert exporter is not None
    assert exporter.exporter_secret == trace.secret("exp master")
    assert exporter.resumption_secret == trace.secret("res master")


@pytest.mark.parametrize("name", TRACES)
def test_our_server_says_what_the_rfcs_server_says(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trace = rfc8448(name)
    primitives = Replay(trace, "server")
    clock = CREATED
    more: dict[str, Any] = {}
    if name == "resumed_0rtt":
        clock = resumption_clock(trace)
        guard = MemoryReplayGuard(clock=lambda: clock)
        guard._start -= 1000
        session = session_of(rfc8448("simple_1rtt"))

        class Store:
            def put(self, number: bytes, state: bytes, lifetime: int) -> None: ...

            def take(self, number: bytes) -> bytes:
                assert number == session.ticket
                return session.encode()

        more = {"max_early_data": 1024, "replay_guard": guard, "session_store": Store()}
    if name == "client_authentication":
        # the RFC's client certificate stands below nothing; whom to trust is not what this tests
        monkeypatch.setattr(TrustStore, "verify_client", lambda *args, **kwargs: [])
        more = {"client_auth": ClientAuth.REQUIRED, "trust": TrustStore.system()}
    identity = identity_of(trace, "server", primitives)
    if identity is None:
        identity = identity_of(rfc8448("simple_1rtt"), "server", primitives)
    config = ServerConfig(
        identity=identity,
        middlebox_compatibility=name == "compatibility_mode",
        tickets=0,
        groups=[NamedGroup.SECP256R1]
        if name == "hello_retry_request"
        else [NamedGroup.X25519, NamedGroup.SECP256R1],
        primitives=primitives,
        clock=lambda: clock,
        retry_cookie=name == "hello_retry_request",
        key_log=None,
        **more,
    )
    # The RFC's server puts its cookie where ours would put one of its own.
    second = [m for m in trace.messages("client") if m[0] == HandshakeType.CLIENT_HELLO][-1]
    cookie = ClientHello.parse(body(second)).extensions.get(ext.COOKIE)
    if cookie is not None:
        check = selection.check_second_hello
        monkeypatch.setattr(
            server13,
            "check_second_hello",
            lambda first, again, group, own: check(first, again, group, cookie),
        )
    connection = TLSConnection(config)
    own = follow(connection, trace, "server")
    streams: dict[str, bytes] = {"NewSessionTicket": b""}
    play(connection, trace, "server", streams)
    assert HandshakeType.FINISHED in own
    assert streams["sent"] == b"".join(record for _, record in trace.records("server"))
    assert connection.peer_closed
    if name == "resumed_0rtt":
        assert connection.early_data_accepted
        assert connection.read().startswith(early_data(trace))
    established = connection.established
    assert established is not None
    assert established.exporter_secret == trace.secret("exp master")
