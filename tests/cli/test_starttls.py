"""The plaintext dialogues before TLS: each protocol, and servers that break its rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

import aiotls
from aiotls.cli import connect, starttls
from aiotls.cli.authority import Authority
from aiotls.cli.main import Failure, parser

pytestmark = pytest.mark.asyncio

AUTHORITY = Authority.create()
CONFIG = aiotls.ServerConfig(identity=AUTHORITY.identity("localhost"))

# What a server says, and what it waits for before it goes on.
SCRIPTS: dict[str, list[tuple[bytes, bytes]]] = {
    "smtp": [
        (b"220-mail.example\r\n220 ready\r\n", b"EHLO localhost\r\n"),
        (b"250-mail.example\r\n250-STARTTLS\r\n250 SIZE 1000\r\n", b"STARTTLS\r\n"),
        (b"220 go ahead\r\n", b""),
    ],
    "imap": [
        (b"* OK [CAPABILITY IMAP4rev2 STARTTLS] hello\r\n", b"a1 STARTTLS\r\n"),
        (b"* NOOP\r\na1 OK begin TLS\r\n", b""),
    ],
    "pop3": [(b"+OK hello\r\n", b"STLS\r\n"), (b"+OK begin TLS\r\n", b"")],
    "ftp": [
        (b"220-welcome\r\nanything goes here\r\n220 hello\r\n", b"AUTH TLS\r\n"),
        (b"234 AUTH TLS OK.\r\n", b""),
    ],
    "postgres": [(b"", bytes.fromhex("0000000804d2162f")), (b"S", b"")],
    "ldap": [
        (
            b"",
            b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037",
        ),
        (bytes.fromhex("300c02010178070a010004000400"), b""),
    ],
    "xmpp": [
        (b"", b"to='localhost'>"),
        (
            b"<?xml version='1.0'?><stream:stream version='1.0'><stream:features>"
            b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
            b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        ),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ],
}

Script = list[tuple[bytes, bytes]]
Heard = list[bytes]


async def dialogue(
    script: Script, then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> tuple[asyncio.Server, int]:
    """A server that keeps to *script* and then does *then*."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for says, waits in script:
                writer.write(says)
                if waits:
                    await reader.readuntil(waits)
            await then(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, aiotls.TLSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def secured(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await aiotls.start_tls(writer, CONFIG, server_side=True)
    writer.write(b"in private")


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def target(port: int, kind: str, timeout: float = 5.0) -> connect.Target:
    return connect.Target("127.0.0.1", port, "localhost", kind, timeout)


async def talk(port: int, kind: str) -> bytes:
    config = aiotls.ClientConfig(trust=AUTHORITY.trust())
    link = await connect.open_link(target(port, kind), config)
    try:
        return await link.reader.read()
    finally:
        await connect.close(link)


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_each_protocol_is_led_to_tls(kind: str) -> None:
    server, port = await dialogue(SCRIPTS[kind], secured)
    async with server:
        assert await talk(port, kind) == b"in private"


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_the_answers_may_come_a_byte_at_a_time(kind: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for says, waits in SCRIPTS[kind]:
                for byte in says:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0)
                if waits:
                    await reader.readuntil(waits)
            await secured(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, aiotls.TLSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        assert await talk(server.sockets[0].getsockname()[1], kind) == b"in private"


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_plaintext_behind_the_go_ahead_is_refused(kind: str) -> None:
    script = [*SCRIPTS[kind][:-1], (SCRIPTS[kind][-1][0] + b"250 injected\r\n", b"")]
    server, port = await dialogue(script, nothing)
    async with server:
        with pytest.raises(Failure, match="plaintext behind its go-ahead") as caught:
            await talk(port, kind)
    assert "injected" in caught.value.message


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_a_server_that_hangs_up(kind: str) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server, port = await dialogue(SCRIPTS[kind][:-1], leave)
    async with server:
        with pytest.raises((Failure, ConnectionError)):
            await talk(port, kind)


@pytest.mark.parametrize("kind", SCRIPTS)
async def test_an_endless_answer_is_bounded(kind: str) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b"0" * (1 << 16)
        for _ in range(1000):
            writer.write(data)
            await writer.drain()

    server, port = await dialogue([], flood)
    async with server:
        with pytest.raises(Failure):
            await talk(port, kind)


@pytest.mark.parametrize("kind", ["smtp", "imap", "ftp"])
async def test_endless_lines_are_bounded(kind: str) -> None:
    line = {"smtp": b"220-more\r\n", "imap": b"* more\r\n", "ftp": b"220-more\r\n"}[kind]
    greeting = [(b"* OK hello\r\n", b"STARTTLS\r\n")] if kind == "imap" else []

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(10_000):
            writer.write(line)
            await writer.drain()

    server, port = await dialogue(greeting, flood)
    async with server:
        with pytest.raises(Failure, match="no end"):
            await talk(port, kind)


REFUSALS = [
    ("smtp", [(b"554 no service\r\n", b"")], "554 no service"),
    ("smtp", [(b"220 hi\r\n", b"EHLO localhost\r\n"), (b"250 SIZE 1\r\n", b"")], "STARTTLS"),
    (
        "smtp",
        [
            (b"220 hi\r\n", b"EHLO localhost\r\n"),
            (b"250 STARTTLS\r\n", b"STARTTLS\r\n"),
            (b"454 not now\r\n", b""),
        ],
        "454 not now",
    ),
    ("imap", [(b"* BYE busy\r\n", b"")], "BYE busy"),
    ("imap", [(b"* OK hi\r\n", b"STARTTLS\r\n"), (b"a1 BAD what\r\n", b"")], "BAD what"),
    ("pop3", [(b"+OK hi\r\n", b"STLS\r\n"), (b"-ERR no\r\n", b"")], "-ERR no"),
    ("ftp", [(b"220 hi\r\n", b"AUTH TLS\r\n"), (b"502 no\r\n", b"")], "502 no"),
    ("postgres", [(b"N", b"")], "does not offer TLS"),
    ("postgres", [(b"E", b"")], "PostgreSQL"),
    ("ldap", [(bytes.fromhex("300c02010178070a013404000400"), b"")], "52"),
    ("ldap", [(b"HTTP/1.1 400 Bad Request\r\n", b"")], "LDAP"),
    ("ldap", [(bytes.fromhex("30840000ffff"), b"")], "too long"),
    ("ldap", [(bytes.fromhex("3003020101"), b"")], "LDAP"),
    ("ldap", [(bytes.fromhex("30050201017884"), b"")], "LDAP"),
    ("xmpp", [(b"<stream:features><bind/></stream:features>", b"")], "does not offer TLS"),
    (
        "xmpp",
        [
            (SCRIPTS["xmpp"][1][0], b"xmpp-tls'/>"),
            (b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
        ],
        "failure",
    ),
    ("smtp", [(b"220 \x1b[2Jwiped\r\n554 x\r\n", b"EHLO localhost\r\n")], "554"),
]


@pytest.mark.parametrize(("kind", "script", "said"), REFUSALS)
async def test_a_refusal_is_told(kind: str, script: Script, said: str) -> None:
    server, port = await dialogue(script, nothing)
    async with server:
        with pytest.raises(Failure) as caught:
            await talk(port, kind)
    assert said in caught.value.message
    assert "\x1b" not in caught.value.message


async def test_a_server_that_stalls_is_given_up() -> None:
    server, port = await dialogue([], nothing)
    async with server:
        with pytest.raises(TimeoutError, match="no answer from"):
            await connect.open_link(
                target(port, "smtp", 0.2), aiotls.ClientConfig(trust=AUTHORITY.trust())
            )


async def test_the_command_itself(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    server, port = await dialogue(SCRIPTS["smtp"], secured)
    async with server:
        options = parser().parse_args(
            ["connect", f"127.0.0.1:{port}", "--servername", "localhost", "--starttls", "smtp",
             "--insecure", "--json"]
        )  # fmt: skip
        code = await connect.connect(
            connect.parse_target(options), connect.make_config(options), options
        )
    assert code == 3
    assert json.loads(capsys.readouterr().out)["verified"] is False


async def test_usual_ports() -> None:
    ports = {kind: port for kind, (port, _) in starttls.DIALOGUES.items()}
    assert ports["smtp"] == 25
    assert ports["postgres"] == 5432
