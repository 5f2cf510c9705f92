"""The plaintext dialogues before TLS: SMTP, IMAP, POP3, FTP, PostgreSQL, LDAP, XMPP.

Everything a server says here is unauthenticated, and whoever stands in between may have said
it. So answers are bounded in length and number, nothing of them is kept, and after the word
that lets TLS begin not one more byte may have come: that would be plaintext that a client takes
for a part of the protected session (CVE-2011-0411; RFC 9051, section 11.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from ..trace.text import clean_bytes
from .main import Failure

MAX_LINE = 4096
MAX_LINES = 100
MAX_BUFFER = 1 << 16
LDAP_START_TLS = b"1.3.6.1.4.1.1466.20037"


class Plaintext(asyncio.Protocol):
    """A connection before TLS: bounded reads, and a look at what is left over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._ended: BaseException | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_BUFFER and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._ended = Failure("the server hung up before TLS could begin")
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = exc or self._ended or Failure("the connection was closed before TLS")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _more(self) -> None:
        if self._ended is not None:
            raise self._ended
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def send(self, data: bytes) -> None:
        """Sends a command."""
        if self._transport is None:
            raise Failure("the connection was closed before TLS")
        self._transport.write(data)

    async def receive(self) -> bytes:
        """Whatever has arrived, or b"" at the end: from here on it is TLS."""
        while not self._buffer:
            if isinstance(self._ended, Failure):
                return b""
            await self._more()
        return self._take(len(self._buffer))

    async def read(self, count: int) -> bytes:
        """Exactly *count* bytes."""
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    async def line(self) -> bytes:
        """One line, without its end."""
        return (await self.until(b"\n", MAX_LINE)).rstrip(b"\r\n")

    async def until(self, mark: bytes, limit: int) -> bytes:
        """Everything up to *mark*, and the mark."""
        searched = 0
        while (found := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark) + 1)
            if len(self._buffer) > limit:
                raise Failure("the server's answer is too long for this protocol")
            await self._more()
        if found > limit:
            raise Failure("the server's answer is too long for this protocol")
        return self._take(found + len(mark))

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def check_drained(self) -> None:
        """Raises Failure when more has come than what lets TLS begin."""
        if self._buffer:
            raise Failure(
                f"the server sent {len(self._buffer)} bytes of plaintext behind its go-ahead for "
                f'TLS: "{clean_bytes(bytes(self._buffer), 60)}"',
                hint="Someone on the way may be injecting commands. The connection was dropped.",
            )


async def upgrade(kind: str, plain: Plaintext, host: str) -> None:
    """Leads the dialogue of protocol *kind* to the point where TLS begins.

    Raises Failure when the server does not offer TLS, refuses it, answers out of the protocol,
    or has sent more than its go-ahead.
    """
    await DIALOGUES[kind][1](plain, host)
    plain.check_drained()


async def _reply(plain: Plaintext, what: str, *accepted: bytes) -> list[bytes]:
    """A reply of SMTP or FTP: three digits, ``-`` on all lines but the last (RFC 5321, 4.2)."""
    lines = []
    for _ in range(MAX_LINES):
        line = await plain.line()
        lines.append(line)
        # RFC 959, section 4.2 lets FTP's inner lines be of any form.
        if line[:3] in accepted and line[3:4] != b"-":
            return lines
        if line[:3].isdigit() and line[3:4] != b"-":
            raise _refused(what, line)
    raise Failure(f"the server's {what} has no end")


def _refused(what: str, line: bytes) -> Failure:
    return Failure(
        f'the server\'s {what} says no: "{clean_bytes(line)}"',
        hint="Is this the right port, and the right protocol for --starttls?",
    )


async def _smtp(plain: Plaintext, host: str) -> None:
    """RFC 3207."""
    await _reply(plain, "greeting", b"220")
    plain.send(b"EHLO localhost\r\n")
    offered = await _reply(plain, "answer to EHLO", b"250")
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offered):
        raise Failure("the mail server does not offer STARTTLS")
    plain.send(b"STARTTLS\r\n")
    await _reply(plain, "answer to STARTTLS", b"220")


async def _imap(plain: Plaintext, host: str) -> None:
    """RFC 9051, section 6.2.1."""
    greeting = await plain.line()
    if not greeting.upper().startswith(b"* OK"):
        raise _refused("greeting", greeting)
    plain.send(b"a1 STARTTLS\r\n")
    for _ in range(MAX_LINES):
        line = await plain.line()
        if line.startswith(b"a1 "):
            if line[3:5].upper() != b"OK":
                raise _refused("answer to STARTTLS", line)
            return
        if not line.startswith(b"* "):
            raise _refused("answer to STARTTLS", line)
    raise Failure("the server's answer to STARTTLS has no end")


async def _pop3(plain: Plaintext, host: str) -> None:
    """RFC 2595, section 4."""
    for what, command in (("greeting", b""), ("answer to STLS", b"STLS\r\n")):
        if command:
            plain.send(command)
        line = await plain.line()
        if not line.startswith(b"+OK"):
            raise _refused(what, line)


async def _ftp(plain: Plaintext, host: str) -> None:
    """RFC 4217, section 4."""
    await _reply(plain, "greeting", b"220")
    plain.send(b"AUTH TLS\r\n")
    await _reply(plain, "answer to AUTH TLS", b"234")


async def _postgres(plain: Plaintext, host: str) -> None:
    """SSLRequest: a length of 8 and the code 80877103; the answer is one byte."""
    plain.send((8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big"))
    answer = await plain.read(1)
    if answer == b"N":
        raise Failure("the PostgreSQL server does not offer TLS", hint='Its setting is "ssl = on".')
    if answer != b"S":
        raise Failure("the server does not answer as PostgreSQL does")


async def _ldap(plain: Plaintext, host: str) -> None:
    """RFC 4511, section 4.14: an ExtendedRequest, and a result code of zero."""
    name = b"\x80" + bytes([len(LDAP_START_TLS)]) + LDAP_START_TLS
    operation = b"\x02\x01\x01" + b"\x77" + bytes([len(name)]) + name
    plain.send(b"\x30" + bytes([len(operation)]) + operation)
    wrong = Failure("the server does not answer as LDAP does")
    message = await _sequence(plain, wrong)
    # messageID 1, then ExtendedResponse [APPLICATION 24] with resultCode first
    tag, identifier, rest = _element(message, wrong)
    if (tag, identifier) != (0x02, b"\x01"):
        raise wrong
    tag, response, _ = _element(rest, wrong)
    if tag != 0x78:
        raise wrong
    tag, result, _ = _element(response, wrong)
    if tag != 0x0A or not result:
        raise wrong
    if result.strip(b"\0"):
        raise Failure(f"the LDAP server refuses StartTLS: result code {result[-1]}")


async def _sequence(plain: Plaintext, wrong: Failure) -> bytes:
    """The content of a BER SEQUENCE of at most MAX_LINE bytes."""
    tag, length = await plain.read(2)
    if tag != 0x30:
        raise wrong
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise wrong
        length = int.from_bytes(await plain.read(octets), "big")
    if length > MAX_LINE:
        raise Failure("the server's answer is too long for this protocol")
    return await plain.read(length)


def _element(data: bytes, wrong: Failure) -> tuple[int, bytes, bytes]:
    """The first BER element in *data*, and what follows it."""
    if len(data) < 2:
        raise wrong
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        octets = length & 0x7F
        start += octets
        if not 1 <= octets <= 4 or len(data) < start:
            raise wrong
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise wrong
    return tag, data[start : start + length], data[start + length :]


async def _xmpp(plain: Plaintext, host: str) -> None:
    """RFC 6120, section 5.4."""
    domain = host.replace("&", "&amp;").replace("'", "&apos;").replace("<", "&lt;")
    plain.send(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='"
        + domain.encode()
        + b"'>"
    )
    # Features without children are one empty tag; then there is no TLS among them.
    features = await plain.until(b"</stream:features>", MAX_BUFFER // 2)
    if b"<starttls" not in features or b"urn:ietf:params:xml:ns:xmpp-tls" not in features:
        raise Failure("the XMPP server does not offer TLS")
    plain.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    answer = (await plain.until(b">", MAX_LINE)).strip()
    if not answer.startswith(b"<proceed"):
        raise _refused("answer to starttls", answer)
    if not answer.endswith(b"/>"):
        closing = await plain.until(b">", MAX_LINE)
        if closing.strip() != b"</proceed>":
            raise _refused("answer to starttls", closing)


Dialogue = Callable[[Plaintext, str], Awaitable[None]]

DIALOGUES: dict[str, tuple[int, Dialogue]] = {
    "smtp": (25, _smtp),
    "imap": (143, _imap),
    "pop3": (110, _pop3),
    "ftp": (21, _ftp),
    "postgres": (5432, _postgres),
    "ldap": (389, _ldap),
    "xmpp": (5222, _xmpp),
}
"""For each protocol its usual port and its dialogue."""
