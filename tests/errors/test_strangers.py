"""What users read when the other side speaks no TLS, or says nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, ServerConfig
from tests.asyncio_face.peers import HOST, blocking_server, echo, port_of, until
from tests.certificates import authority, leaf

pytestmark = pytest.mark.asyncio

UPGRADE = "Maybe upgrade first with "
SILENT = (
    "The server closed the connection without an answer to the ClientHello. Usual causes: the port "
    "is not one for TLS, or wants an upgrade first (STARTTLS; aiotls connect --starttls); the "
    'server has nothing for the name "localhost"'
)
LARGE = (
    "; something in between drops a ClientHello of more than one packet, which "
    "ClientConfig(groups=[NamedGroup.X25519, NamedGroup.SECP256R1]) tells."
)

PLAIN_SERVERS = {
    b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n": (
        "That port speaks HTTP, not TLS: it said "
        "b'HTTP/1.1 400 Bad Request\\r\\nServer: x\\r\\n\\r\\n'. "
        "Maybe use http://, or the port on which TLS is served."
    ),
    b"220 mail.example ESMTP\r\n": (
        "That port speaks SMTP or FTP, not TLS: it said b'220 mail.example ESMTP\\r\\n'. "
        + UPGRADE
        + "STARTTLS (aiotls connect --starttls smtp, or ftp)."
    ),
    b"* OK ready\r\n": (
        "That port speaks IMAP, not TLS: it said b'* OK ready\\r\\n'. "
        + UPGRADE
        + "STARTTLS (aiotls connect --starttls imap)."
    ),
    b"+OK ready\r\n": (
        "That port speaks POP3, not TLS: it said b'+OK ready\\r\\n'. "
        + UPGRADE
        + "STLS (aiotls connect --starttls pop3)."
    ),
    b"SSH-2.0-OpenSSH_9.2\r\n": (
        "The peer speaks SSH, not TLS: it said b'SSH-2.0-OpenSSH_9.2\\r\\n'. "
        "Maybe one of the two has the wrong port."
    ),
    b"J\0\0\0\n8.0.36\0": (
        "That port speaks MySQL, not TLS. Maybe upgrade first: its clients know how."
    ),
    b"hello\x1b[2J\r\n": None,
}

PLAIN_CLIENTS = {
    b"GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n": (
        "http request: the peer spoke plain HTTP ('GET /index.html HTTP/1.1') on a TLS port. "
        "The client has to use https:// for this port."
    ),
    b"GET /login?password=hunter2 HTTP/1.1\r\n\r\n": (
        "http request: the peer spoke plain HTTP ('GET /login?...') on a TLS port. "
        "The client has to use https:// for this port."
    ),
    b"AUTH hunter2\r\n": ("wrong version number: the peer does not speak TLS (it sent b'AUTH')"),
    b"CONNECT example.com:443 HTTP/1.1\r\n\r\n": (
        "https proxy request: the peer sent CONNECT, as to an HTTP proxy, on a TLS port. "
        "This is a TLS server, not a proxy."
    ),
    b"EHLO me.example\r\n": (
        "wrong version number: the peer does not speak TLS (it sent b'EHLO me.example\\r'). That "
        "client speaks SMTP, not TLS: it said b'EHLO me.example\\r\\n'. Maybe it has to wait for "
        "STARTTLS, or to use the port for plain SMTP."
    ),
    b"SSH-2.0-OpenSSH_9.2\r\n": (
        "wrong version number: the peer does not speak TLS (it sent b'SSH-2.0-OpenSSH_'). The peer "
        "speaks SSH, not TLS: it said b'SSH-2.0-OpenSSH_9.2\\r\\n'. Maybe one of the two has the "
        "wrong port."
    ),
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n": (
        "wrong version number: the peer does not speak TLS (it sent b'PROXY TCP4 192.0'). That "
        "client speaks the PROXY protocol, not TLS: it said b'PROXY TCP4 192.0.2.1 192.0.2.2 1 "
        "2\\r\\n'. Maybe the proxy in front has to be told not to."
    ),
    b"\x1b[2J\nevil\n": (
        "wrong version number: the peer does not speak TLS (it sent b'\\x1b[2J\\nevil\\n')"
    ),
    b"\x16\x03\x01\0\5\1\0\0\1\0": (
        "the peer's client_hello cannot be read: 34 bytes expected where 1 are left"
    ),
    b"\x15\x03\x01\0\2\2\x2a": (
        "the peer ended the connection with the alert bad_certificate. The client refused this "
        "server's certificate; its error says why. Often the name it asked for is not in the "
        "certificate."
    ),
    b"": (
        "the peer closed the connection during the handshake, while client_hello was expected. "
        "Health checks and port scanners do that."
    ),
}


def _client(**changes: Any) -> ClientConfig:
    return ClientConfig(trust=authority().trust, session_cache=None, **changes)


async def _meet(handle: Callable[[socket.socket], None], **changes: Any) -> Any:
    """The error of a client whose server is *handle*."""
    with blocking_server(handle) as port:
        try:
            await aiotls.open_connection(
                HOST, port, ssl=_client(**changes), server_hostname="localhost"
            )
        except OSError as error:
            return error
    raise AssertionError("there was no error")


# -- TLS on a plain port ---------------------------------------------------------------------------


@pytest.mark.parametrize("said", PLAIN_SERVERS)
async def test_a_server_that_speaks_something_else(said: bytes) -> None:
    def handle(sock: socket.socket) -> None:
        sock.sendall(said)
        while sock.recv(65536):
            pass

    error = await _meet(handle)
    assert (
        str(error) == f"wrong version number: the peer does not speak TLS (it sent {said[:16]!r})"
    )
    assert error.reason == "WRONG_VERSION_NUMBER"
    assert error.hint == PLAIN_SERVERS[said]
    assert getattr(error, "__notes__", [None]) == [error.hint]


async def test_a_server_of_an_older_version() -> None:
    hello = b"\x03\x01" + bytes(32) + b"\0\xc0\x14\0"

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        message = b"\2" + len(hello).to_bytes(3, "big") + hello
        sock.sendall(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
        while sock.recv(65536):
            pass

    error = await _meet(handle)
    assert str(error) == "the server answered with TLS 1.0; this client offers TLS 1.3 and TLS 1.2"
    assert error.hint == "The server has to be upgraded to a newer version of TLS."


# -- the end in the middle -------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["fin", "close_notify"])
@pytest.mark.parametrize("small", [False, True], ids=["post-quantum", "small"])
async def test_a_server_that_closes_without_an_answer(way: str, small: bool) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        if way == "close_notify":
            sock.sendall(b"\x15\x03\x03\0\2\1\0")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    error = await _meet(handle, **({"groups": [aiotls.enums.NamedGroup.X25519]} if small else {}))
    assert isinstance(error, ConnectionResetError)
    assert str(error) == (
        "the peer closed the connection during the handshake, while server_hello was expected"
        if way == "fin"
        else "the peer closed the connection (close_notify) during the handshake, while "
        "server_hello was expected"
    )
    assert error.__notes__ == [SILENT + ("." if small else LARGE)]
    assert vars(error)["hint"] == error.__notes__[0]


async def test_a_server_that_resets() -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    error = await _meet(handle)
    assert isinstance(error, ConnectionResetError)
    assert error.__notes__ == [SILENT + LARGE]
    assert vars(error)["hint"] == error.__notes__[0]


async def test_a_server_that_closes_in_the_middle_of_its_flight() -> None:
    server = ServerConfig(identity=leaf("localhost").identity)

    def handle(sock: socket.socket) -> None:
        connection = aiotls.TLSConnection(server)
        connection.receive_data(sock.recv(65536))
        flight = connection.data_to_send()
        sock.sendall(flight[: 5 + int.from_bytes(flight[3:5], "big")])
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    error = await _meet(handle)
    assert str(error) == (
        "the peer closed the connection during the handshake, while encrypted_extensions was "
        "expected"
    )
    assert error.hint == (
        "The server closed the connection in the middle of the handshake, without an alert: its "
        "log says why. It may require a client certificate."
    )


# -- something else on a TLS port ------------------------------------------------------------------


@pytest.mark.parametrize("said", PLAIN_CLIENTS)
async def test_a_client_that_speaks_something_else(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiotls")
    server = ServerConfig(identity=leaf("localhost").identity)
    listener = await aiotls.start_server(echo, HOST, 0, ssl=server)
    _, writer = await asyncio.open_connection(HOST, port_of(listener))
    writer.write(said)
    if not said:
        writer.close()
    await until(lambda: caplog.records)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    listener.close()
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    address, _, reason = record.getMessage().partition(" failed: ")
    assert address.startswith(f"TLS handshake with {HOST}:")
    assert reason == PLAIN_CLIENTS[said]
    assert reason.isprintable()


async def test_what_a_client_offers_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A ClientHello can name thousands of suites, and all that it names comes from a stranger."""
    suites = b"".join(code.to_bytes(2, "big") for code in range(0x4000, 0x5000))
    body = b"\3\3" + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
    extensions = b"\0\x2b\0\3\2\3\3" + b"\0\x0d\0\4\0\2\4\3"
    body += len(extensions).to_bytes(2, "big") + extensions
    hello = b"\1" + len(body).to_bytes(3, "big") + body
    server = ServerConfig(identity=leaf("localhost").identity)
    listener = await aiotls.start_server(echo, HOST, 0, ssl=server)
    _, writer = await asyncio.open_connection(HOST, port_of(listener))
    writer.write(b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello)
    await until(lambda: caplog.records)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    listener.close()
    (record,) = caplog.records
    text = record.getMessage()
    assert "no shared cipher" in text
    assert "0x4000, 0x4001, " in text
    assert "and 4079 more; this server takes" in text
    assert len(text) < 1000
