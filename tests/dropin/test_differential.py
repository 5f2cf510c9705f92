"""Corners of the standard library's API, each asked of both modules in the same words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests import certificates

from .engines import CONTROL, OURS, Files, client_context, module, server_context
from .test_context import Pair

SECONDS = 20.0


def refuse_as(step: Any, *arguments: Any) -> tuple[Any, ...]:
    """What a call comes to, with what programs look at in an exception."""
    try:
        return ("returned", step(*arguments))
    except ssl.SSLError as error:
        return (type(error), error.errno, error.library, error.reason)
    except Exception as error:
        return (type(error),)


# -- sni_callback ----------------------------------------------------------------------------------


def swap_to(other: Any, seen: list[Any]) -> Any:
    """A sni_callback that sets another context, as servers of many names do."""

    def callback(tls: Any, name: str | None, context: Any) -> None:
        seen.append((type(tls).__name__, name, tls.context is context, tls.version() is None))
        tls.context = other

    return callback


@pytest.mark.asyncio
async def test_a_sni_callback_swaps_the_context_on_every_loop(engine: str, files: Files) -> None:
    """It is given the connection's own SSLObject, whoever moves the bytes."""
    server, other = (
        server_context(engine, files, certfile=files.other),
        server_context(engine, files),
    )
    seen: list[Any] = []
    server.sni_callback = swap_to(other, seen)
    swapped: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        swapped.append(writer.get_extra_info("ssl_object").context is other)
        writer.write(await reader.readexactly(2))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with asyncio.timeout(SECONDS):
        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
        async with listening:
            reader, writer = await asyncio.open_connection(
                *listening.sockets[0].getsockname(),
                ssl=client_context(engine, files),
                server_hostname="localhost",
            )
            writer.write(b"hi")
            assert await reader.read() == b"hi"
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    assert seen == [("SSLObject", "localhost", True, True)]
    assert swapped == [True]


@pytest.mark.asyncio
async def test_connections_are_counted_on_every_loop(engine: str, files: Files) -> None:
    """session_stats() is about all connections of a context."""
    client, server = client_context(engine, files), server_context(engine, files)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with asyncio.timeout(SECONDS):
        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
        async with listening:
            reader, writer = await asyncio.open_connection(
                *listening.sockets[0].getsockname(), ssl=client, server_hostname="localhost"
            )
            assert await reader.read() == b"hi"
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    ours, theirs = client.session_stats(), server.session_stats()
    assert (ours["connect"], ours["connect_good"]) == (1, 1)
    assert (theirs["accept"], theirs["accept_good"]) == (1, 1)


@pytest.mark.parametrize("answer", ["no alert", 300, None])
def test_a_sni_callback_that_fails_is_reported_and_refuses(
    engine: str, answer: object, files: Files, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """By the interpreter's own sys.unraisablehook, which takes nothing but its own."""
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    server = server_context(engine, files)

    def callback(*arguments: object) -> object:
        if answer is None:
            raise ZeroDivisionError("the callback's own")
        return answer

    server.sni_callback = callback
    pair = Pair(client_context(engine, files), server)
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.do_handshake()
    assert refuse_as(pair.server.do_handshake) == (ssl.SSLError, 1, "SSL", "CALLBACK_FAILED")
    if answer is None:
        assert "the callback's own" in capsys.readouterr().err
        with pytest.raises(ssl.SSLError, match="handshake failure"):
            pair.client.do_handshake()


# -- wrapping --------------------------------------------------------------------------------------


def test_a_server_may_be_wrapped_with_a_name(engine: str, files: Files) -> None:
    """wrap_bio takes it, and SSLObject shows it; wrap_socket is the one that does not."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    if sys.version_info < (3, 11, 4):  # the interpreter's SSLObject did not take it then
        with pytest.raises(ValueError, match="client mode"):
            server_context(engine, files).wrap_bio(one, other, True, "localhost")
        return
    wrapped = server_context(engine, files).wrap_bio(one, other, True, "localhost")
    assert wrapped.server_hostname == "localhost"
    client = client_context(engine, files).wrap_bio(other, one, server_hostname="localhost")
    for side in (client, wrapped, client, wrapped):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    wrapped.write(b"x")
    assert client.read() == b"x"
    with pytest.raises(ValueError, match="empty string"):
        server_context(engine, files).wrap_bio(one, other, True, "")
    with socket.socket() as plain, pytest.raises(ValueError, match="client mode"):
        server_context(engine, files).wrap_socket(
            plain, server_side=True, server_hostname="localhost"
        )


def test_wrong_types_are_type_errors(engine: str, files: Files) -> None:
    """Where something else is given than the documentation says."""
    client, ours = client_context(engine, files), module(engine)
    with pytest.raises(TypeError):
        client.wrap_bio(1, 2, server_hostname="localhost")
    with pytest.raises(TypeError):
        client.wrap_bio(ssl.MemoryBIO(), b"", server_hostname="localhost")
    wrong: Any
    for wrong in ("TLS", 2.0, b"\x02"):
        with pytest.raises(TypeError):
            ours.SSLContext(wrong)
    for wrong in ("required", 1.0, None):
        with pytest.raises(TypeError):
            client.verify_mode = wrong
    pair = Pair(client, server_context(engine, files)).shake_hands()
    for wrong in (1, None, b"tls-unique"):
        with pytest.raises(TypeError):
            pair.client.get_channel_binding(wrong)
    with pytest.raises(BufferError):
        pair.client.write(memoryview(b"abcd")[::2])


# -- what is loaded --------------------------------------------------------------------------------

BAD_PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NO_CERTIFICATE = b"\x30\x03\x02\x01\x01"


def test_data_that_cannot_be_loaded(files: Files) -> None:
    """The class, errno, library and reason are the standard library's."""
    pem = Path(files.ca).read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    for cadata in (
        "x",
        BAD_PEM,
        BAD_PEM + pem,
        "-----BEGIN CERTIFICATE-----",
        b"x",
        b"\x30",
        b"\x30\x80",
        b"\x30\x82\xff\xff",
        NO_CERTIFICATE + der,
        der[:-3],
        der + b"x",
    ):
        outcomes = [
            refuse_as(
                lambda context, data: context.load_verify_locations(cadata=data),
                module(name).SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                cadata,
            )
            for name in (CONTROL, OURS)
        ]
        assert outcomes[0] == outcomes[1], cadata
        assert outcomes[0][0] is ssl.SSLError


def test_files_that_cannot_be_loaded(files: Files, tmp_path: Path) -> None:
    """The class, errno, library and reason are the standard library's."""
    bad = tmp_path / "bad.pem"
    bad.write_text(BAD_PEM)
    for call, arguments in (
        ("load_cert_chain", (bad,)),
        ("load_cert_chain", (files.ca,)),
        ("load_verify_locations", (bad,)),
        ("load_dh_params", (bad,)),
    ):
        outcomes = [
            refuse_as(getattr(module(name).SSLContext(ssl.PROTOCOL_TLS_SERVER), call), *arguments)
            for name in (CONTROL, OURS)
        ]
        assert outcomes[0] == outcomes[1], call
        assert outcomes[0][0] is ssl.SSLError


@pytest.mark.parametrize(
    "string", ["DEFAULT@SECLEVEL=1", "ALL@STRENGTH", "HIGH:!aNULL@SECLEVEL=2", "@SECLEVEL=1:ALL"]
)
def test_cipher_strings_with_a_command_behind_a_name(engine: str, string: str) -> None:
    """No colon has to stand before one; the first of these is in programs everywhere."""
    context = module(engine).SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(string)
    assert "ECDHE-RSA-AES128-GCM-SHA256" in [cipher["name"] for cipher in context.get_ciphers()]


# -- connections -----------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_errors_of_verify_client_post_handshake(maximum: ssl.TLSVersion, files: Files) -> None:
    """Outside of the handshake, errno is OpenSSL's number of the reason."""
    outcomes = []
    for name in (CONTROL, OURS):
        server = server_context(name, files)
        server.maximum_version = maximum
        pair = Pair(client_context(name, files), server)
        unshaken = refuse_as(pair.server.verify_client_post_handshake)
        pair.shake_hands()
        outcomes.append(
            [
                unshaken,
                refuse_as(pair.client.verify_client_post_handshake),
                refuse_as(pair.server.verify_client_post_handshake),
            ]
        )
    assert outcomes[0][1:] == outcomes[1][1:]


def test_the_number_of_tickets_is_about_tls13(engine: str, files: Files) -> None:
    """Without any, a session of TLS 1.2 still has its ticket."""
    server = server_context(engine, files)
    server.num_tickets = 0
    assert not Pair(client_context(engine, files), server).shake_hands().client.session.has_ticket
    client = client_context(engine, files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    session = Pair(client, server).shake_hands().client.session
    assert session.has_ticket
    assert Pair(client, server, session).shake_hands().client.session_reused


def test_a_key_agreed_on_elsewhere_is_asked_for_by_each_connection(files: Files) -> None:
    """A callback may have another key each time; without one, a certificate has to do."""
    keys = [(b"first", b"1" * 32), (b"second", b"2" * 32), (b"none", b"")]
    known = {name.decode(): key for name, key in keys}
    client, server = client_context(OURS, files), server_context(OURS, files)
    asked: list[str | None] = []

    def find(name: str | None) -> bytes:
        asked.append(name)
        return known.get(name or "", b"")

    def offer(hint: str | None) -> tuple[str, bytes]:
        name, key = keys.pop(0)
        return name.decode(), key

    client.set_psk_client_callback(offer)
    server.set_psk_server_callback(find)
    certified = [
        Pair(client, server).shake_hands().client.getpeercert(True) is not None for _ in range(3)
    ]
    assert asked == ["first", "second"]
    assert certified == [False, False, True]
    with pytest.raises(IndexError):  # what the callback raises is its caller's to see
        Pair(client, server)
    client.set_psk_client_callback(lambda hint: ("short", b"x"))
    with pytest.raises(ssl.SSLError, match="16"):
        Pair(client, server)


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads that change places as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


# -- sockets ---------------------------------------------------------------------------------------


def test_a_last_flight_that_does_not_fit_is_sent_by_the_next_call(
    engine: str, files: Files, tmp_path: Path
) -> None:
    """On a non-blocking socket do_handshake() is not over before all has been said."""
    certificate = certificates.leaf("client.example", purposes=(certificates.CLIENT,))
    chain = tmp_path / "long.pem"
    # Certificates that have nothing to do with it, and that compress badly.
    others = [certificates.leaf(f"{os.urandom(25).hex()}.example").certificate for _ in range(80)]
    chain.write_bytes(
        certificate.chain_pem + b"".join(other.public_bytes(Encoding.PEM) for other in others)
    )
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    near.setblocking(False)
    far.setblocking(False)
    with (
        client_context(engine, files, certfile=str(chain)).wrap_socket(
            near, server_hostname="localhost", do_handshake_on_connect=False
        ) as client,
        server_context(engine, files, clients=True).wrap_socket(
            far, server_side=True, do_handshake_on_connect=False
        ) as server,
    ):
        unfinished = 0
        waiting: list[Any] = [client, server]
        while waiting:
            for side in list(waiting):
                try:
                    side.do_handshake()
                    waiting.remove(side)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLWantWriteError:
                    unfinished += 1
                    with pytest.raises(ssl.SSLWantWriteError):
                        side.do_handshake()
        assert unfinished
        client.setblocking(True)
        server.setblocking(True)
        client.sendall(b"x")
        assert server.recv(1) == b"x"


def test_threads_that_read_the_same_socket_see_no_end_that_is_none(
    files: Files, switching: None
) -> None:
    """b"" is the end, and not that another thread was faster. OpenSSL is not up to it."""
    total = 2000
    near, far = socket.socketpair()
    for end in (near, far):
        end.settimeout(SECONDS)
    with ThreadPoolExecutor(5) as threads:
        accepted = threads.submit(server_context(OURS, files).wrap_socket, far, True)
        with (
            client_context(OURS, files).wrap_socket(near, server_hostname="localhost") as client,
            accepted.result() as server,
        ):
            lock = threading.Lock()
            left = total

            def read() -> list[bytes]:
                nonlocal left
                parts: list[bytes] = []
                while True:
                    with lock:
                        if not left:
                            return parts
                        left -= 1
                    parts.append(client.recv(1))

            readers = [threads.submit(read) for _ in range(4)]
            for _ in range(total):
                server.sendall(b"x")
            parts = [part for reader in readers for part in reader.result()]
            assert parts == [b"x"] * total
            assert not select.select([client], [], [], 0)[0] or client.pending() == 0


# -- reading ---------------------------------------------------------------------------------------


def read_all(tls: Any, size: int, into: bytearray | None) -> tuple[bytes, bool]:
    """What there is, in pieces of up to *size* bytes; and whether the end has come behind it."""
    got = bytearray()
    try:
        while True:
            if into is None:
                piece = tls.read(size)
                assert len(piece) <= size
            else:
                length = tls.read(size, into)
                assert length <= min(size, len(into))
                piece = bytes(into[:length])
            if not piece:
                return bytes(got), True
            got += piece
    except ssl.SSLWantReadError:
        return bytes(got), False


@pytest.mark.parametrize("room", [None, 1, 100, 5_000, 70_000], ids=str)
@pytest.mark.parametrize("size", [1, 7, 100, 4_096, 16_384, 262_144])
def test_all_can_be_read_in_pieces_of_any_size(
    engine: str, files: Files, size: int, room: int | None
) -> None:
    pair = Pair(client_context(engine, files), server_context(engine, files)).shake_hands()
    into = None if room is None else bytearray(room)
    for lengths in ((1,), (100,), (100, 100), (5, 300, 7), (60,) * 70, (17_000, 3, 2_000)):
        sent = b"".join(bytes([number + 1]) * length for number, length in enumerate(lengths))
        view = memoryview(sent)
        for length in lengths:
            pair.client.write(bytes(view[:length]))
            view = view[length:]
        assert read_all(pair.server, size, into) == (sent, False)
        assert pair.server.pending() == 0
    pair.client.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    assert read_all(pair.server, size, into) == (b"last", True)


def test_reading_into_what_cannot_be_written(engine: str, files: Files) -> None:
    pair = Pair(client_context(engine, files), server_context(engine, files)).shake_hands()
    pair.client.write(b"data")
    for buffer in (b"read-only", memoryview(b"read-only"), "text"):
        with pytest.raises(TypeError):
            pair.server.read(4, buffer)
    assert pair.server.read(100) == b"data"
    with pytest.raises(TypeError):
        pair.server.read(4, b"read-only")
    with pytest.raises(ValueError, match="negative"):
        pair.server.read(-1)


def test_a_session_that_was_set_can_be_read_before_the_handshake(engine: str, files: Files) -> None:
    client, server = client_context(engine, files), server_context(engine, files)
    session = Pair(client, server).shake_hands().client.session
    pair = Pair(client, server)
    assert pair.client.session is None
    pair.client.session = session
    assert pair.client.session == session
    assert pair.shake_hands().client.session_reused


# -- who is let in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_post_handshake_authentication_lets_no_one_in_with_tls12(
    engine: str, mode: ssl.VerifyMode, files: Files
) -> None:
    """TLS 1.2 has no later: a certificate is asked for, and insisted on, in the handshake."""
    server = server_context(engine, files)
    server.load_verify_locations(files.ca)
    server.verify_mode = mode
    server.post_handshake_auth = True
    known = client_context(engine, files, certfile=files.client)
    stranger = client_context(engine, files)
    for client in (known, stranger):
        client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert Pair(known, server).shake_hands().server.getpeercert()["subject"]
    if mode == ssl.CERT_OPTIONAL:
        assert Pair(stranger, server).shake_hands().server.getpeercert() is None
        return
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        Pair(stranger, server).shake_hands()
    # With TLS 1.3 there is a later, and until then anyone is.
    assert Pair(client_context(engine, files), server).shake_hands().server.getpeercert() is None


@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_a_session_does_not_stand_for_a_certificate(mode: ssl.VerifyMode, files: Files) -> None:
    """What was agreed on before certificates were asked for is not resumed in their place.

    With OpenSSL it is.
    """
    server = server_context(OURS, files)
    server.load_verify_locations(files.ca)
    client = client_context(OURS, files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    session = Pair(client, server).shake_hands().client.session
    server.verify_mode = mode
    server.post_handshake_auth = True
    if mode == ssl.CERT_REQUIRED:
        with pytest.raises(ssl.SSLError):
            Pair(client, server, session).shake_hands()
    else:
        assert Pair(client, server, session).shake_hands().server.getpeercert() is None


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_without_verification_does_not_stand_for_one_with_it(
    maximum: ssl.TLSVersion, files: Files
) -> None:
    """With OpenSSL a context that verifies resumes what it agreed on before it did."""
    client, server = client_context(OURS, files, cafile=files.stranger), server_context(OURS, files)
    client.maximum_version = maximum
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    session = Pair(client, server).shake_hands().client.session
    assert Pair(client, server, session).shake_hands().client.session_reused
    client.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError):
        Pair(client, server, session).shake_hands()


def test_a_session_does_not_outlive_what_it_was_verified_by(files: Files) -> None:
    client, server = client_context(OURS, files), server_context(OURS, files)
    session = Pair(client, server).shake_hands().client.session
    client.set_alpn_protocols(["h2"])  # which has nothing to do with it
    assert Pair(client, server, session).shake_hands().client.session_reused
    client.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get certificate CRL"):
        Pair(client, server, session).shake_hands()
