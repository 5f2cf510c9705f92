"""One context that many use: libraries that fill it, threads that share it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .engines import Files, client_context, module, server_context


def exchange(client: Any, server: Any) -> tuple[Any, Any]:
    """A handshake over a pair of sockets: both ends, which have greeted each other."""
    near, far = socket.socketpair()
    near.settimeout(20)
    far.settimeout(20)
    ends: list[Any] = [far]

    def serve() -> None:
        with contextlib.suppress(OSError):  # the client says what is wrong
            ends[0] = server.wrap_socket(far, server_side=True)
            ends[0].sendall(ends[0].recv(100))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        near = client.wrap_socket(near, server_hostname="localhost")
        near.sendall(b"hello")
        assert near.recv(100) == b"hello"
    except BaseException:
        near.close()
        thread.join()
        ends[0].close()
        raise
    thread.join()
    return near, ends[0]


def test_trustme(pairing: tuple[str, str]) -> None:
    """It asks whether a context is an ``ssl.SSLContext``, and loads from memory and from files."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    client = module(pairing[0]).create_default_context()
    server = module(pairing[1]).SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("localhost").configure_cert(server)
    near, far = exchange(client, server)
    assert near.version() == far.version() == "TLSv1.3"
    near.close()
    far.close()
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("client@localhost").configure_cert(client)
    near, far = exchange(client, server)
    assert far.getpeercert()["subjectAltName"] == (("email", "client@localhost"),)
    near.close()
    far.close()


def test_threads_set_protocols_on_a_context_that_they_share(
    pairing: tuple[str, str], files: Files
) -> None:
    """httpcore and urllib3 do so before each connection; each has those that it has set last, or
    those of another thread, and never a mixture or none.
    """
    offers = [["h2", "http/1.1"], ["http/1.1"], ["echo", "http/1.1"]]
    server = server_context(pairing[1], files)
    server.set_alpn_protocols(["h2", "echo", "http/1.1"])
    client = client_context(pairing[0], files)

    def connect(number: int) -> str:
        client.set_alpn_protocols(offers[number % 3])
        near, far = exchange(client, server)
        chosen: str = near.selected_alpn_protocol()
        assert far.selected_alpn_protocol() == chosen
        near.close()
        far.close()
        return chosen

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(connect, range(48))) <= {"h2", "http/1.1", "echo"}
    client.set_alpn_protocols(["http/1.1"])
    near, far = exchange(client, server)
    assert near.selected_alpn_protocol() == "http/1.1"
    near.close()
    far.close()


def test_what_is_set_later_is_for_later_connections(pairing: tuple[str, str], files: Files) -> None:
    """A connection keeps what its context was when it was wrapped."""
    server = server_context(pairing[1], files)
    client = client_context(pairing[0], files)
    near, far = exchange(client, server)
    client.load_verify_locations(files.stranger)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    near.sendall(b"still here")
    assert far.recv(100) == b"still here"
    assert near.version() == "TLSv1.3"
    near.close()
    far.close()
    near, far = exchange(client, server)
    assert near.version() == "TLSv1.2"
    near.close()
    far.close()


def test_a_context_goes_on_after_a_connection_that_failed(
    pairing: tuple[str, str], files: Files
) -> None:
    server = server_context(pairing[1], files)
    client = client_context(pairing[0], files, cafile=files.stranger)
    with pytest.raises(ssl.SSLCertVerificationError):
        exchange(client, server)
    client.load_verify_locations(files.ca)
    near, far = exchange(client, server)
    near.close()
    far.close()
