"""What is fuzzed: one function for each target, each taking any bytes at all.

A target returns, or it has found something. The package's own errors are what bad input is
answered with, so they are caught here, and nothing else is.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

from cryptography import x509

from aiotls import (
    Identity,
    TLSConnection,
    TLSError,
    TrustStore,
    UsageError,
    peek_client_hello,
)
from aiotls.cli.main import Failure
from aiotls.cli.starttls import DIALOGUES, Plaintext, upgrade
from aiotls.compression import ALGORITHMS, expand
from aiotls.crypto import groups, signatures
from aiotls.crypto.aead import Opener13, Sealer13
from aiotls.crypto.suites import SUITES
from aiotls.delegation import DelegatedCredential
from aiotls.ech import ECHConfig, ECHKeys, choose_config, parse_config_list
from aiotls.enums import NamedGroup, SignatureScheme
from aiotls.errors import ProtocolError
from aiotls.handshake.ech import Sealed
from aiotls.handshake.ech_server import read_inner
from aiotls.handshake.post_auth import MAX_REQUESTS
from aiotls.record import RecordReader
from aiotls.sessions import Session
from aiotls.trace.dissect import dissect
from aiotls.trust import RevocationLists
from aiotls.trust import staple as ocsp
from aiotls.wire import messages as msg
from aiotls.wire.codec import Writer
from aiotls.wire.extensions import EXTENSIONS, Extensions
from aiotls.wire.messages import ClientHello
from tests.fuzz import world

MESSAGES = sorted(
    {*msg.MESSAGES13.values(), *msg.MESSAGES12.values()}, key=lambda kind: kind.__name__
)
TWICE = {"Certificate12", "CertificateRequest12", "NewSessionTicket12"}
"""Messages that have one form in TLS 1.3 and another in TLS 1.2."""

NOW = datetime.datetime.fromtimestamp(world.NOW, datetime.UTC)


class Script:
    """Input as a list of decisions; when it is used up, every decision is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def some(self) -> bytes:
        """Bytes with their length in front."""
        return self.take(self.number())

    def rest(self) -> bytes:
        return self.take(len(self._data))


# -- codecs ----------------------------------------------------------------------------------------


def messages(data: bytes) -> None:
    """A handshake message is refused, or it is the same after it was written and read again."""
    if not data:
        return
    kind = MESSAGES[data[0] % len(MESSAGES)]
    dissect(bytes([kind.type]) + len(data[1:]).to_bytes(3, "big") + data[1:])
    try:
        message = kind.parse(data[1:])
    except ProtocolError:
        return
    encoded = message.encode()
    assert kind.parse(encoded[4:]) == message
    repr(message)


def extensions(data: bytes) -> None:
    """The same for every form of every extension, and for blocks of them."""
    if not data:
        return
    row = EXTENSIONS[data[0] % len(EXTENSIONS)]
    try:
        value = row.decode(data[1:])
    except ProtocolError:
        pass
    else:
        writer = Writer()
        row.write(writer, value)
        assert row.decode(writer.bytes()) == value
    block = Extensions.build([(row.type, data[1:60_000])])
    for context in row.contexts:
        try:
            block.check(context)
        except ProtocolError:
            pass


def peers_values(data: bytes) -> None:
    """Key shares, signatures, delegated credentials, alerts' worth of loose values."""
    script = Script(data)
    choice = script.number() % 4
    try:
        if choice == 0:
            kinds = list(NamedGroup)
            groups.respond(kinds[script.number() % len(kinds)], script.rest())
        elif choice == 1:
            kinds = list(NamedGroup)
            group = kinds[script.number() % len(kinds)]
            groups.generate(group).agree(script.rest())
        elif choice == 2:
            identity = world.credentials()[1]
            schemes = list(SignatureScheme)
            scheme = schemes[script.number() % len(schemes)]
            verify = signatures.verify if script.number() % 2 else signatures.verify12
            key: Any = identity.certificate.public_key()
            verify(key, scheme, script.rest(), b"data")
        else:
            credential = DelegatedCredential.parse(script.rest())
            identity = world.credentials()[1]
            credential.verify(identity.certificate, identity.chain[0], NOW)
    except (ProtocolError, UsageError):
        pass


def compression(data: bytes) -> None:
    """A compressed certificate never unpacks to more than it says, or than the limit."""
    try:
        message = msg.CompressedCertificate.parse(data)
        expand(message, ALGORITHMS, 1 << 17)
    except ProtocolError:
        pass


def ech(data: bytes) -> None:
    """What DNS, files and clients bring for Encrypted Client Hello."""
    script = Script(data)
    choice = script.number() % 4
    content = script.rest()
    try:
        if choice == 0:
            configs = parse_config_list(content)
            for config in configs:
                assert ECHConfig.parse(config.encoded) == config
            chosen = choose_config(content)
            assert chosen is None or chosen in configs
        elif choice == 1:
            repr(ECHKeys.from_pem(content))
        elif choice == 2:
            sealed = Sealed.parse(content)
            assert sealed is None or sealed.encode() == content
        else:
            outer = ClientHello.parse(world.client_hello()[4:])
            inner = read_inner(content, outer)
            assert inner.session_id == outer.session_id
    except (ProtocolError, UsageError):
        pass


# -- the record layer ------------------------------------------------------------------------------


def records(data: bytes) -> None:
    """Records under good keys and damaged ones: pulled or pushed, they are the same records."""
    script = Script(data)
    suites = [suite for suite in SUITES.values() if suite.code >> 8 == 0x13]
    suite = suites[script.number() % len(suites)]
    secret = bytes(suite.hash_length)
    sealer = Sealer13(suite, secret)
    stream = bytearray()
    while script.more and len(stream) < 1 << 17:
        choice = script.number()
        if choice < 200:
            kind = script.number()
            inner = script.some() + bytes([kind]) + bytes(script.number() * (choice & 1))
            header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
            nonce = (sealer._iv ^ sealer.sequence).to_bytes(12, "big")
            sealer.sequence += 1
            stream += header + sealer._cipher(nonce, inner, header)
        elif choice < 230:
            stream += script.some()
        elif choice < 245 and stream:
            stream[script.number(2) % len(stream)] ^= script.number()
        else:
            stream += sealer.seal(23, bytes(script.number(2) % 16385))

    def pulled(reader: RecordReader) -> None:
        reader.feed(stream)
        while (record := reader.next()) is not None:
            seen[0].append(record)

    def pushed(reader: RecordReader) -> None:
        for start in range(0, len(stream), 777):
            for kind, content in reader.records(memoryview(stream)[start : start + 777]):
                seen[1].append((kind, bytes(content)))

    seen: tuple[list[Any], list[Any]] = ([], [])
    ends: list[str] = []
    for way in (pulled, pushed):
        reader = RecordReader()
        reader.opener = Opener13(suite, secret)
        reader.established = True
        try:
            way(reader)
        except ProtocolError as error:
            ends.append(str(error))
        else:
            ends.append(f"{reader.buffered} bytes left")
    assert seen[0] == seen[1]
    assert ends[0] == ends[1]


def wire(data: bytes) -> None:
    """Bytes straight to an engine, as the first that it hears."""
    script = Script(data)
    scenario = world.SCENARIOS[script.number() % len(world.SCENARIOS)]
    client, server = world.fresh(scenario)
    end = TLSConnection(server) if script.number() % 2 else TLSConnection(client, "localhost")
    end.data_to_send()
    _push(end, script.rest())
    _end(end)


def peek(data: bytes) -> None:
    """A first flight that is looked at before it is given to anyone: as if it came in two pieces.

    What is known of it does not change by what follows.
    """
    script = Script(data)
    cut = script.number(2)
    content = script.rest()
    try:
        early = peek_client_hello(content[:cut])
        info = peek_client_hello(content)
    except ProtocolError:
        return
    if early is not None and cut <= len(content):
        assert info is not None
        assert info.hello == early.hello
    repr(info)


# -- handshakes ------------------------------------------------------------------------------------


class Raw(msg.Message):
    """A message of any bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def encode(self) -> bytes:
        return self.data


def handshake(data: bytes) -> None:
    """A hostile peer that has the keys: an engine whose messages the input edits.

    What it sends goes into its own transcript, so everything that follows still verifies, and
    the fuzzer gets behind the encryption and to the end of the handshake and beyond.
    """
    script = Script(data)
    scenario = world.SCENARIOS[script.number() % len(world.SCENARIOS)]
    hostile_server = script.number() % 2
    client, server = world.fresh(scenario)
    early = b"early" * 10 if scenario == "early" else b""
    ends = TLSConnection(client, "localhost", early_data=early), TLSConnection(server)
    hostile, target = (ends[1], ends[0]) if hostile_server else ends
    _edit(hostile, script)
    for _ in range(24):
        moved = _move(hostile, target, guarded=False) | _move(target, hostile, guarded=True)
        if not moved:
            break
    else:
        raise AssertionError("two connections that never fall silent")
    if len(data) <= 2:
        assert target.handshake_complete or scenario == "ech_refused", target
    first, second = (end.established for end in ends)
    if first is not None and second is not None:
        for name in ("version", "suite", "group", "resumed"):
            assert getattr(first, name) == getattr(second, name), name
        both = target.error is None and hostile.error is None
        assert first.extended_master_secret == second.extended_master_secret
        if both and first.extended_master_secret:
            exported = [end.export_keying_material("EXPORTER-fuzz", 32) for end in ends]
            assert exported[0] == exported[1]
    if target.handshake_complete and hostile.handshake_complete and hostile.error is None:
        while script.more and target.error is None:
            choice = script.number()
            if choice < 200:
                content = script.some()
                if content:
                    hostile._writer.write(_KINDS[choice % 4], content)
            elif choice < 230:
                target.write(script.some())
            elif choice < 240 and first is not None and first.version == 0x0304:
                hostile.key_update(bool(choice & 1))
            elif choice < 250 or scenario not in ("mutual", "keys"):
                _move(hostile, target, guarded=False)
            elif all(one is not None and one.transcript is not None for one in (first, second)):
                _authenticate_late(*ends, script, edited=not hostile_server)
        _move(hostile, target, guarded=False)
        _move(target, hostile, guarded=True)
    _end(target)


_KINDS = (22, 23, 21, 20)


def _authenticate_late(
    client: TLSConnection, server: TLSConnection, script: Script, *, edited: bool
) -> None:
    """The server asks for a certificate after the handshake; a hostile client's answer is *edited*.

    What a hostile server asks is edited as any message: it writes what it likes.
    """
    late = server._post_handshake().authentication
    if len(late.requests) >= MAX_REQUESTS:
        return
    server.request_certificate()
    if not edited:
        return
    server.data_to_send()
    (*_, request) = late.requests.values()
    answering = client._post_handshake().authentication.answer(request)
    try:
        answering.send(None)
    except StopIteration as stop:
        flight = bytearray(stop.value)
    else:
        raise AssertionError("there are no hooks here")
    for _ in range(script.number() % 4):
        flight[script.number(2) % len(flight)] ^= script.number()
    client._writer.write(22, bytes(flight))


def _edit(hostile: TLSConnection, script: Script) -> None:
    channel = hostile._channel
    assert channel is not None
    send = channel.send

    def hostile_send(message: msg.Message) -> None:
        raw = message.encode()
        choice = script.number() % 12
        if choice == 1:
            changed = bytearray(raw)
            changed[script.number(2) % len(raw)] ^= script.number()
            raw = bytes(changed)
        elif choice == 2:  # a piece gives way to another, and the message's length fits again
            start = 4 + script.number(2) % len(raw)
            body = raw[4:start] + script.some() + raw[start + script.number() :]
            raw = raw[:1] + len(body).to_bytes(3, "big") + body
        elif choice == 3:
            return
        elif choice == 4:
            send(Raw(raw))
        elif choice == 5:
            body = script.some()
            send(Raw(bytes([script.number()]) + len(body).to_bytes(3, "big") + body))
        elif choice == 6:
            raw = raw[: 1 + script.number(2) % len(raw)]
        elif choice == 7:
            channel._write_flight()
            kind = _KINDS[script.number() % 4]
            channel.writer.write(kind, script.some() or b"\x01")
        elif choice == 8:
            channel._write_flight()
            channel.writer.pending.append(script.some())
        elif choice == 9:
            raw += script.some()
        elif choice == 10:  # an extension's or a vector's worth of bytes, twice
            start = 4 + script.number(2) % len(raw)
            size = script.number()
            body = raw[4 : start + size] + raw[start:]
            raw = raw[:1] + len(body).to_bytes(3, "big") + body
        elif choice == 11:
            send(Raw(raw[: len(raw) // 2]))
            channel._write_flight()
            raw = raw[len(raw) // 2 :]
        send(Raw(raw))

    channel.send = hostile_send  # type: ignore[method-assign]


def _move(sender: TLSConnection, receiver: TLSConnection, *, guarded: bool) -> bool:
    """What one has to say goes to the other. A *guarded* sender is the one under test."""
    try:
        data = sender.data_to_send()
    except TLSError as error:
        if guarded:
            _is_ours(error)
        data = sender.data_to_send()
    except Exception:  # the hostile side may do what no engine does
        if guarded:
            raise
        data = b""
    try:
        receiver.receive_data(data)
    except TLSError as error:
        if not guarded:
            _is_ours(error)
    except Exception:
        if not guarded:
            raise
    return bool(data)


def _push(end: TLSConnection, data: bytes) -> None:
    try:
        end.receive_data(data)
        end.data_to_send()
    except TLSError as error:
        _is_ours(error)


def _is_ours(error: TLSError) -> None:
    """An error of the peer's making, not a mistake of the engine's."""
    assert error.reason != "INTERNAL_ERROR", repr(error.__cause__)
    assert not isinstance(error, UsageError), repr(error)


def _end(end: TLSConnection) -> None:
    """Whatever happened: the end is told, and what is dead is silent."""
    try:
        end.receive_eof()
        if end.want is not None:
            end.data_to_send()
    except TLSError as error:
        _is_ours(error)
    assert end.error is not None or end.peer_closed, end
    end.data_to_send()
    assert not end.data_to_send()
    end.read()
    end.close()


# -- certificates, keys, tickets -------------------------------------------------------------------


def path(data: bytes) -> None:
    """A chain, as a peer may send it, to the end of its verification."""
    script = Script(data)
    trust = world.credentials()[0]
    choice = script.number()
    chain: list[bytes] = []
    while script.more and len(chain) < 8:
        chain.append(script.take(script.number(2)))
    if not chain:
        return  # the engine has its own word for an empty chain
    try:
        if choice & 1:
            trust.verify_client(chain, now=NOW)
        else:
            name = None if choice & 2 else "127.0.0.1" if choice & 4 else "localhost"
            trust.verify_server(chain, name, now=NOW)
    except ProtocolError:
        pass
    except TLSError as error:
        _is_ours(error)


def staple(data: bytes) -> None:
    """An OCSP response about a certificate, believed to be signed or not: refused or good."""
    if not data:
        return
    trust, leaf, _ = world.credentials()
    verifies = ocsp._verifies
    if data[0] & 1:
        ocsp._verifies = lambda response, signer: True
    try:
        ocsp.check_staple(data[1:], (leaf.certificate, trust.certificates[0]), NOW)
    except ProtocolError:
        pass
    finally:
        ocsp._verifies = verifies


class _Believed:
    """A revocation list that anyone may have signed."""

    def __init__(self, revoked: x509.CertificateRevocationList) -> None:
        self._revoked = revoked

    def is_signature_valid(self, key: object) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._revoked, name)


def revocation(data: bytes) -> None:
    """A revocation list, believed to be signed or not: it is read or not, and decides or not."""
    if not data:
        return
    trust, leaf, _ = world.credentials()
    try:
        lists = RevocationLists([data[1:]])
    except UsageError:
        return
    known: Any = lists._by_issuer
    ((issuer, (revoked,)),) = known.items()
    if data[0] & 1:
        revoked = _Believed(revoked)
    known.clear()
    known[leaf.certificate.issuer if data[0] & 2 else issuer] = [revoked]
    try:
        lists.check((leaf.certificate, trust.certificates[0]), NOW)
    except ProtocolError:
        pass


def pem(data: bytes) -> None:
    """What a user gives as PEM: it is read, or a UsageError says what is wrong with it."""
    script = Script(data)
    choice = script.number() % 4
    text = script.rest()
    try:
        if choice == 0:
            repr(Identity.from_pem(text))
        elif choice == 1:
            repr(TrustStore.from_pem(text))
        elif choice == 2:
            RevocationLists.from_pem(text)
        else:
            Identity.from_pem(text, b"password")
    except UsageError:
        pass


def der(data: bytes) -> None:
    """The same in DER and in PKCS #12."""
    script = Script(data)
    choice = script.number() % 3
    content = script.rest()
    try:
        if choice == 0:
            TrustStore.from_der([content])
        elif choice == 1:
            Identity.from_pkcs12(content)
        else:
            Identity.from_der(world.credentials()[1].chain, content)
    except UsageError:
        pass


def tickets(data: bytes) -> None:
    """A ticket is ours or None; a session's state is one or a DecodeError."""
    script = Script(data)
    choice = script.number() % 3
    content = script.rest()
    ring = world.ring()
    if choice == 1:
        state = ring.open(content)
        if state is None:
            return
        content = state
    if choice == 2:
        sealed = ring.seal(content)
        assert ring.open(sealed) == content
        return
    try:
        session = Session.decode(content)
    except ProtocolError:
        return
    again = Session.decode(session.encode())
    assert again == session
    session.expired(world.NOW)


# -- STARTTLS --------------------------------------------------------------------------------------

ANSWERS = {
    "smtp": b"220 mail\r\n250-mail\r\n250 STARTTLS\r\n220 go\r\n",
    "imap": b"* OK imap\r\na1 OK go\r\n",
    "pop3": b"+OK pop\r\n+OK go\r\n",
    "ftp": b"220 ftp\r\n234 go\r\n",
    "postgres": b"S",
    "ldap": bytes.fromhex("300c02010178070a010004000400"),
    "xmpp": b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    b"</stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
}
"""What a good server says, for each protocol."""


class _Nowhere(asyncio.Transport):
    def write(self, data: Any) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def starttls(data: bytes) -> None:
    """A server's side of a dialogue, in pieces: it ends, in TLS or in a Failure."""
    script = Script(data)
    kind = list(DIALOGUES)[script.number() % len(DIALOGUES)]
    size = 1 + script.number()
    answer = script.rest()

    async def talk() -> None:
        plain = Plaintext()
        plain.connection_made(_Nowhere())
        dialogue = asyncio.ensure_future(upgrade(kind, plain, "host.example"))
        for start in range(0, len(answer), size):
            plain.data_received(answer[start : start + size])
            await asyncio.sleep(0)
            if dialogue.done():
                break
        plain.eof_received()
        plain.connection_lost(None)
        try:
            await asyncio.wait_for(dialogue, 5)
        except Failure as failure:
            str(failure)

    asyncio.run(talk())


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        messages,
        extensions,
        peers_values,
        compression,
        ech,
        records,
        wire,
        peek,
        handshake,
        path,
        staple,
        revocation,
        pem,
        der,
        tickets,
        starttls,
    )
}
