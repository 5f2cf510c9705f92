"""Bytes that no honest peer sends, and what a connection over an SSLObject comes to with them.

Whole records at each step of a handshake (:data:`RECORDS` at :data:`STEPS`), and handshake
messages that are damaged under the keys of the connection (:data:`DAMAGE`). Each is done to the
standard library's ssl and to this package's; :data:`DIFFERENCES` has where the two may differ.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TLSConnection, TLSError
from aiotls.enums import ProtocolVersion
from aiotls.wire.messages import Message
from tests import certificates
from tests.engine.pair import mutate

from .engines import CONTROL, Files, client_context, heed_cuts, server_context

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HANDSHAKE, ALERT, CCS, DATA = 22, 21, 20, 23


def record(kind: int, content: bytes, version: int = 0x0303, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return bytes([kind, *version.to_bytes(2, "big"), *size.to_bytes(2, "big")]) + content


def alert(level: int, description: int, version: int = 0x0303) -> bytes:
    return record(ALERT, bytes([level, description]), version)


def message(kind: int, length: int, body: bytes = b"") -> bytes:
    return record(HANDSHAKE, bytes([kind]) + length.to_bytes(3, "big") + body)


_ALERTS = (0, 10, 20, 22, 40, 42, 47, 48, 50, 70, 80, 86, 90, 100, 109, 110, 112, 115, 116, 120)
_VERSIONS = (0x0000, 0x0002, 0x0200, 0x0300, 0x0301, 0x0302, 0x0304, 0x03FF, 0x0400, 0x7F12, 0xFEFD)
_TYPES = (0, 1, 2, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 22, 24, 25, 67, 99, 254)
_SUITES = bytes.fromhex("00c02f00c03000cca800cca900c02b00c02c0000ff00002f")

RECORDS: dict[str, bytes] = {
    **{f"alert {level},{d}": alert(level, d) for level in (1, 2) for d in (*_ALERTS, 200, 255)},
    "alert 0,40": alert(0, 40),
    "alert 3,40": alert(3, 40),
    "alert of 1 byte": record(ALERT, b"\2"),
    "alert of 3 bytes": record(ALERT, b"\2\x28\0"),
    "alert of no bytes": record(ALERT, b""),
    "alerts, two in a record": record(ALERT, b"\1\x5a\2\x28"),
    "alerts, 4 warnings": alert(1, 90) * 4,
    "alerts, 5 warnings": alert(1, 90) * 5,
    "alert of version 0301": alert(2, 40, 0x0301),
    "alert of version 0300": alert(2, 40, 0x0300),
    "alert protocol_version of version 0301": alert(2, 70, 0x0301),
    "ccs": record(CCS, b"\1"),
    "ccs of another byte": record(CCS, b"\2"),
    "ccs of 2 bytes": record(CCS, b"\1\1"),
    "ccs of no bytes": record(CCS, b""),
    "ccs, 50 of them": record(CCS, b"\1") * 50,
    "data": record(DATA, b"x" * 20),
    "data of 1 byte": record(DATA, b"x"),
    "data of no bytes": record(DATA, b""),
    "empty handshake record": record(HANDSHAKE, b""),
    "empty handshake records, 40 of them": record(HANDSHAKE, b"") * 40,
    "long, 4000, begun": record(HANDSHAKE, b"\2\0\0", length=0x4000),
    "long, 4001": record(HANDSHAKE, b"\2" + bytes(0x4000)),
    "long, 4001, begun": record(HANDSHAKE, b"", length=0x4001),
    "long, 4140, begun": record(HANDSHAKE, b"", length=0x4140),
    "long, 4141, begun": record(HANDSHAKE, b"", length=0x4141),
    "long, 4540, begun": record(HANDSHAKE, b"", length=0x4540),
    "long, ffff, begun": record(HANDSHAKE, b"", length=0xFFFF),
    "long data, 4101, begun": record(DATA, b"", length=0x4101),
    **{f"record type {t}": record(t, b"\1") for t in (0, 1, 19, 24, 25, 64, 127, 128, 255)},
    **{f"record version {v:04x}": record(HANDSHAKE, b"\2\0\0\0", v) for v in _VERSIONS},
    "text, GET": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "text, POST": b"POST / HTTP/1.1\r\n\r\n",
    "text, HEAD": b"HEAD / HTTP/1.1\r\n\r\n",
    "text, PUT": b"PUT / HTTP/1.1\r\n\r\n",
    "text, OPTIONS": b"OPTIONS / HTTP/1.1\r\n\r\n",
    "text, CONNECT": b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    "text, an answer of HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "text, SMTP": b"220 mail.example ESMTP\r\n",
    "text, EHLO": b"EHLO x\r\n",
    "text, SSH": b"SSH-2.0-OpenSSH_9\r\n",
    "text, IMAP": b"* OK ready\r\n",
    "text, Redis": b"-ERR unknown command\r\n",
    "text, zeros": bytes(40),
    "text, ones": b"\xff" * 40,
    "text, 1 byte": b"S",
    "text, 3 bytes": b"GET",
    **{f"message {t}, empty": message(t, 0) for t in _TYPES},
    **{f"message {t}, 4 bytes": message(t, 4, b"abcd") for t in _TYPES},
    "message 1, ffffff, begun": message(1, 0xFFFFFF),
    "message 2, ffffff, begun": message(2, 0xFFFFFF),
    "message 1, 20000, begun": message(1, 0x20000),
    "message 1, 20001, begun": message(1, 0x20001),
    "message 2, 10000, begun": message(2, 0x10000),
    "message 2, 4fff, begun": message(2, 0x4FFF),
    "SSL 2.0 hello": bytes.fromhex("802e0100020015000000100100800300800700c0060040020080040080")
    + bytes(20),
    "SSL 2.0 hello for TLS 1.0": bytes.fromhex("8031010301001800000010") + _SUITES + b"\x11" * 16,
    "SSL 2.0 hello for TLS 1.2": bytes.fromhex("8031010303001800000010") + _SUITES + b"\x11" * 16,
    "SSL 2.0 answer": bytes.fromhex("80250400010002") + bytes(40),
    **{f"cut off, {n}": record(HANDSHAKE, b"\2\0\0\0")[:n] for n in range(8)},
    "cut off, an alert": alert(2, 40)[:6],
    "within message 2, an alert": record(HANDSHAKE, b"\2") + alert(2, 40),
    "within message 2, a ccs": record(HANDSHAKE, b"\2") + record(CCS, b"\1"),
    "within message 2, data": record(HANDSHAKE, b"\2") + record(DATA, b"\1"),
    "within message 1, an alert": record(HANDSHAKE, b"\1") + alert(2, 40),
    "within message 1, a ccs": record(HANDSHAKE, b"\1") + record(CCS, b"\1"),
    "within message 1, data": record(HANDSHAKE, b"\1") + record(DATA, b"\1"),
}
"""What is received, by a name that :data:`DIFFERENCES` refers to."""


EOF = "SSLEOFError 8 SSL UNEXPECTED_EOF_WHILE_READING"


class End:
    """An SSLObject of an engine, and the bytes that go in and out."""

    def __init__(self, engine: str, side: str, files: Files, **options: Any) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        version = options.pop("version", None)
        if side == "client":
            context = heed_cuts(client_context(engine, files, **options))
            wrap = partial(context.wrap_bio, server_hostname="localhost")
        else:
            context = heed_cuts(server_context(engine, files, **options))
            wrap = partial(context.wrap_bio, server_side=True)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        self.object: Any = wrap(self.incoming, self.outgoing)
        self.done = False

    def step(self) -> str:
        """Goes on, with the handshake or with reading: what that comes to, as words."""
        try:
            if not self.done:
                self.object.do_handshake()
                self.done = True
            data = self.object.read(100)
        except ssl.SSLWantReadError:
            return "done" if self.done else "waits"
        except ssl.SSLError as error:
            if error.reason == "UNEXPECTED_EOF_WHILE_READING":
                return EOF  # before 3.11.4, of another class in the standard library
            words = (type(error).__name__, error.errno, error.library, error.reason)
            return " ".join(str(word or "-") for word in words)
        return f"read {data!r}"

    def ends(self, data: bytes) -> str:
        """What comes of *data*; and what of the end of the stream, where that is waited for."""
        if data:
            self.incoming.write(data)
        outcome = self.step()
        if outcome in ("waits", "done"):
            self.incoming.write_eof()
            outcome = f"{outcome}, then {self.step()}"
        return outcome


def split(stream: bytes, version: ssl.TLSVersion) -> list[bytes]:
    """The records of a stream; in TLS 1.2, each handshake message in one of its own."""
    found: list[bytes] = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        one, stream = stream[:end], stream[end:]
        if one[0] != HANDSHAKE or version is TLS13 or any(r[0] == CCS for r in found):
            found.append(one)
            continue
        content = one[5:]
        while content:
            length = 4 + int.from_bytes(content[1:4], "big")
            found.append(record(HANDSHAKE, content[:length]))
            content = content[length:]
    return found


STEPS: dict[str, tuple[str, ssl.TLSVersion | None, int | None]] = {
    "client, first": ("client", None, 0),
    "client, TLS 1.2, ServerHello taken": ("client", TLS12, 1),
    "client, TLS 1.2, Certificate taken": ("client", TLS12, 2),
    "client, TLS 1.2, ServerKeyExchange taken": ("client", TLS12, 3),
    "client, TLS 1.2, its Finished sent": ("client", TLS12, 4),
    "client, TLS 1.2, ccs taken": ("client", TLS12, 6),
    "client, TLS 1.2, done": ("client", TLS12, None),
    "client, TLS 1.3, ServerHello taken": ("client", TLS13, 1),
    "client, TLS 1.3, done": ("client", TLS13, None),
    "server, first": ("server", None, 0),
    "server, TLS 1.2, ClientHello taken": ("server", TLS12, 1),
    "server, TLS 1.2, ClientKeyExchange taken": ("server", TLS12, 2),
    "server, TLS 1.2, ccs taken": ("server", TLS12, 3),
    "server, TLS 1.2, done": ("server", TLS12, None),
    "server, TLS 1.3, ClientHello taken": ("server", TLS13, 1),
    "server, TLS 1.3, done": ("server", TLS13, None),
}
"""How far a handshake has come: how many records of an honest peer were taken; None for all."""


def arrive(engine: str, step: str, files: Files) -> End:
    """One end of a connection that has come so far; the other is the standard library's."""
    side, version, limit = STEPS[step]
    end = End(engine, side, files, version=version)
    end.step()
    if limit == 0:
        end.outgoing.read()
        return end
    assert version is not None
    peer = End(CONTROL, "server" if side == "client" else "client", files, version=version)
    peer.step()
    taken = 0
    while limit is None or taken < limit:
        peer.incoming.write(end.outgoing.read())
        peer.step()
        ready = split(peer.outgoing.read(), version)
        if not ready:
            break
        for one in ready if limit is None else ready[: limit - taken]:
            end.incoming.write(one)
            end.step()
            taken += 1
    assert end.done == (limit is None)
    assert limit is None or taken == limit
    end.outgoing.read()
    return end


# -- messages that are damaged under the connection's keys -----------------------------------------


def framed(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


DAMAGE: dict[str, Callable[[int, bytes], bytes]] = {
    "empty": lambda kind, body: framed(kind, b""),
    "a byte short": lambda kind, body: framed(kind, body[:-1]),
    "a byte long": lambda kind, body: framed(kind, body + b"\0"),
    "ten bytes long": lambda kind, body: framed(kind, body + b"\xff" * 10),
    "ones": lambda kind, body: framed(kind, b"\xff" * len(body)),
    "zeros": lambda kind, body: framed(kind, bytes(len(body))),
    "half": lambda kind, body: framed(kind, body[: len(body) // 2]),
    "another first bit": lambda kind, body: framed(
        kind, bytes([body[0] ^ 0x80]) + body[1:] if body else b"\x80"
    ),
    "another last bit": lambda kind, body: framed(
        kind, body[:-1] + bytes([body[-1] ^ 1]) if body else b"\1"
    ),
    "twice": lambda kind, body: framed(kind, body) * 2,
    "left out": lambda kind, body: b"",
    "of an unknown type": lambda kind, body: framed(77, body),
    "as a finished": lambda kind, body: framed(20, body),
    "as a client_hello": lambda kind, body: framed(1, body),
}

MESSAGES: dict[tuple[str, ssl.TLSVersion], tuple[int, ...]] = {
    ("client", TLS12): (2, 4, 11, 12, 13, 14, 20),
    ("client", TLS13): (2, 8, 11, 13, 15, 20),
    ("server", TLS12): (1, 11, 15, 16, 20),
    ("server", TLS13): (1, 11, 15, 20),
}
"""The handshake messages that each side receives where a client shows a certificate."""


def damaged(
    engine: str, side: str, version: ssl.TLSVersion, files: Files, kind: int, damage: str
) -> str:
    """What one end comes to when a message of the other's is damaged, transcript and all."""
    mutual = {"certfile": files.client} if side == "client" else {"clients": True}
    end = End(engine, side, files, version=version, **mutual)
    peer = hostile_peer(side, version, files)
    seen = False

    def change(sent: Message) -> Message | bytes:
        nonlocal seen
        raw = sent.encode()
        if raw[0] != kind or seen:
            return sent
        seen = True
        return DAMAGE[damage](kind, raw[4:])

    mutate(peer, change)
    outcome = "waits"
    for _ in range(8):
        try:
            data = peer.data_to_send()
        except TLSError:
            data = peer.data_to_send()
        end.incoming.write(data)
        outcome = end.step()
        answer = end.outgoing.read()
        if outcome not in ("waits", "done") or (peer.error is not None and not data):
            break
        if peer.error is None:
            try:
                peer.receive_data(answer)
            except TLSError:
                continue
    assert seen, (side, version, kind)
    return outcome


def hostile_peer(side: str, version: ssl.TLSVersion, files: Files) -> TLSConnection:
    """The other end, which does as it should but for what :func:`mutate` changes."""
    trust = certificates.authority().trust
    only = ProtocolVersion(version)
    if side == "client":
        return TLSConnection(
            ServerConfig(
                identity=Identity.from_files(files.server),
                min_version=only,
                max_version=only,
                client_auth=ClientAuth.OPTIONAL,
                trust=trust,
            )
        )
    config = ClientConfig(
        trust=trust,
        identity=Identity.from_files(files.client),
        min_version=only,
        max_version=only,
        session_cache=None,
    )
    return TLSConnection(config, "localhost")


# -- where the two differ --------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Where this package does not do as OpenSSL, on purpose."""

    why: str
    step: str
    """Which steps, or damaged messages: a regular expression."""
    what: str
    """Which records, or damage."""
    theirs: str
    """What the standard library's comes to."""
    ours: str

    def may_concern(self, step: str, what: str) -> bool:
        """Whether it is about this step and this record, or damage."""
        return bool(re.fullmatch(self.step, step) and re.fullmatch(self.what, what))

    def covers(self, step: str, what: str, theirs: str, ours: str) -> bool:
        """Whether this is the difference."""
        pairs = ((self.step, step), (self.what, what), (self.theirs, theirs), (self.ours, ours))
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


def _ssl(reason: str) -> str:
    return f"SSLError 1 SSL (?:{reason})"


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "RFC 8446, section 5: a client that has sent its hello drops a change_cipher_spec, as it "
        "may be speaking to TLS 1.3; if not, the ServerHello shows that it was none",
        "client, first",
        "ccs",
        _ssl("UNEXPECTED_MESSAGE"),
        f"waits, then {EOF}",
    ),
    Difference(
        "the same, up to 32 of them",
        "client, first",
        "ccs, 50 of them",
        _ssl("UNEXPECTED_MESSAGE"),
        _ssl("UNEXPECTED_CCS_MESSAGE"),
    ),
    Difference(
        "RFC 8446, section 5.1: no empty records of these types; OpenSSL skips 32",
        ".*",
        "empty handshake records?(, 40 of them)?|ccs of no bytes",
        f"waits, then {EOF}|" + _ssl("RECORD_TOO_SMALL"),
        _ssl("UNEXPECTED_MESSAGE|BAD_CHANGE_CIPHER_SPEC"),
    ),
    Difference(
        "a HelloRequest in a handshake is refused, as other implementations do; OpenSSL ignores it",
        "client, .*",
        "message 0, empty",
        f"(waits|done), then {EOF}",
        _ssl("UNEXPECTED_MESSAGE"),
    ),
    Difference(
        "RFC 8446, section 5.1: what is too long is so by its header, and not waited for",
        ".*",
        "long, 4140, begun|long data, 4101, begun",
        f"(waits|done), then {EOF}",
        _ssl("ENCRYPTED_LENGTH_TOO_LONG"),
    ),
    Difference(
        "RFC 8446, section 6.1: close_notify is what it is, whatever its level",
        ".*",
        "alert 2,0",
        _ssl("-"),
        "SSLZeroReturnError 6 - -",
    ),
    Difference(
        "alerts that OpenSSL 3.0 has no name for, and later ones do",
        ".*",
        "alert [12],(115|120)",
        _ssl("-"),
        _ssl("TLSV1_ALERT_(UNKNOWN_PSK_IDENTITY|NO_APPLICATION_PROTOCOL)"),
    ),
    Difference(
        "RFC 8446, section 6: a close_notify or a fatal alert is told as what it is, and is not "
        "answered; OpenSSL's server sends unexpected_message for whatever comes before a hello",
        "server, first",
        "alert 1,0|alert 2,.*|alert .*version.*",
        _ssl("UNEXPECTED_MESSAGE"),
        "SSLZeroReturnError 6 - -|" + _ssl("-|[A-Z0-9]+_(ALERT_)?[A-Z_]+"),
    ),
    Difference(
        "as above: an alert that is none is told as that",
        "server, first",
        "alert [03],40|alert of . bytes?|alert of no bytes|alerts, two in a record",
        _ssl("UNEXPECTED_MESSAGE"),
        _ssl("INVALID_ALERT|UNKNOWN_ALERT_TYPE"),
    ),
    Difference(
        "more methods of HTTP are known",
        ".*, first",
        "text, OPTIONS",
        _ssl("WRONG_VERSION_NUMBER"),
        _ssl("HTTP_REQUEST"),
    ),
    Difference(
        "what cannot be TLS by its first byte is not waited for",
        ".*, first",
        "text, [13] bytes?",
        f"waits, then {EOF}",
        _ssl("WRONG_VERSION_NUMBER"),
    ),
    Difference(
        "RFC 8446, section 5.1: nothing comes in the middle of a handshake message",
        ".*",
        "within message .*",
        _ssl("SSLV3_ALERT_HANDSHAKE_FAILURE|BAD_CHANGE_CIPHER_SPEC|UNEXPECTED_(MESSAGE|RECORD)"),
        _ssl("UNEXPECTED_(RECORD|MESSAGE)"),
    ),
    Difference(
        "RFC 8446, section 5.1: the version of a record is not looked at; in TLS 1.2 it is "
        "authenticated where there are keys",
        ".*",
        "record version 03..|alert .*version 030.",
        _ssl("WRONG_VERSION_NUMBER"),
        _ssl(
            "DECRYPTION_FAILED_OR_BAD_RECORD_MAC|UNEXPECTED_MESSAGE"
            "|SSLV3_ALERT_HANDSHAKE_FAILURE|TLSV1_ALERT_PROTOCOL_VERSION"
        ),
    ),
    Difference(
        "a record of an unknown type is refused before it is opened",
        ".*, TLS 1.2, .*",
        "record type .*",
        _ssl("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"),
        _ssl("UNEXPECTED_RECORD"),
    ),
    Difference(
        "RFC 8446, section 6: an alert has one of two levels; where OpenSSL speaks TLS 1.3 it "
        "does not look",
        "server, TLS 1.3, ClientHello taken",
        "alert [03],40",
        _ssl("SSLV3_ALERT_HANDSHAKE_FAILURE"),
        _ssl("UNKNOWN_ALERT_TYPE"),
    ),
    Difference(
        "one reason for alerts of any wrong length",
        "server, TLS 1.3, ClientHello taken",
        "alert of no bytes",
        _ssl("BAD_LENGTH"),
        _ssl("INVALID_ALERT"),
    ),
    Difference(
        "RFC 8446, section 4.1.2: no ClientHello needs to be longer than 128 KiB",
        "server, first",
        "message 1, 20001, begun",
        f"waits, then {EOF}",
        _ssl("EXCESSIVE_MESSAGE_SIZE"),
    ),
    Difference(
        "RFC 8446, appendix D.5, and RFC 6176: SSL 2.0's hello is not spoken, for no version",
        "server, first",
        "SSL 2.0 hello.*",
        _ssl("UNKNOWN_PROTOCOL|UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER"),
        _ssl("WRONG_VERSION_NUMBER"),
    ),
    Difference(
        "one reason for all messages that cannot be read; OpenSSL's depends on the field",
        ".*",
        ".*",
        _ssl(
            "BAD_LENGTH|BAD_PACKET|EXCESSIVE_MESSAGE_SIZE|INVALID_CONTEXT|LENGTH_TOO_SHORT"
            "|MISSING_SIGALGS_EXTENSION|MISSING_TMP_ECDH_KEY|SIGNATURE_ALGORITHMS_ERROR"
            "|WRONG_SIGNATURE_TYPE"
        ),
        _ssl("LENGTH_MISMATCH"),
    ),
    Difference(
        "RFC 8446, section 5.1: what is left over where the keys change is refused as that",
        "(client|server), TLS 1.2, message .*",
        "twice",
        _ssl("UNEXPECTED_MESSAGE"),
        _ssl("NOT_ON_RECORD_BOUNDARY"),
    ),
    Difference(
        "RFC 8446, section 4.1.3: the legacy_version of TLS 1.3 is 0x0303, and nothing else",
        "client, TLS 1.3, message 2",
        "another first bit",
        "done",
        _ssl("BAD_EXTENSION"),
    ),
)


def difference(step: str, what: str, theirs: str, ours: str) -> Difference | None:
    """The difference that is known, if there is one."""
    for one in DIFFERENCES:
        if one.covers(step, what, theirs, ours):
            return one
    return None


def outcomes(step: str, files: Files) -> Iterator[tuple[str, Callable[[str], str]]]:
    """What is done at a step, and a function from an engine to what it comes to."""
    if step in STEPS:
        for name, data in RECORDS.items():
            yield name, partial(_take, step, files, data)
        return
    side, version, kind = DAMAGED[step]
    for name in DAMAGE:
        yield name, partial(_take_damaged, side, version, files, kind, name)


def _take(step: str, files: Files, data: bytes, engine: str) -> str:
    return arrive(engine, step, files).ends(data)


def _take_damaged(
    side: str, version: ssl.TLSVersion, files: Files, kind: int, damage: str, engine: str
) -> str:
    return damaged(engine, side, version, files, kind, damage)


DAMAGED = {
    f"{side}, {'TLS 1.2' if version is TLS12 else 'TLS 1.3'}, message {kind}": (side, version, kind)
    for (side, version), kinds in MESSAGES.items()
    for kind in kinds
}
"""The damaged messages, by a name that :data:`DIFFERENCES` refers to."""
