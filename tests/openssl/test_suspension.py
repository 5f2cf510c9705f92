"""A handshake that waits for a callback says for which, and goes on when the call is repeated."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aiotls import ServerConfig
from aiotls import openssl as o
from aiotls.enums import SignatureScheme
from aiotls.identity import LocalSigner
from tests import certificates

CertCallback = Callable[[Any, Any], Any]


def contexts(*, server_key: bool = True) -> tuple[Any, Any]:
    """A client's and a server's, where the client believes the server's certificate."""
    client, server = o.SSL_CTX_new(o.TLS_client_method()), o.SSL_CTX_new(o.TLS_server_method())
    assert client is not None
    assert server is not None
    o.X509_STORE_add_cert(o.SSL_CTX_get_cert_store(client), certificates.authority().certificate)
    o.SSL_CTX_set_verify(client, o.SSL_VERIFY_PEER, None)
    if server_key:
        use(server)
    return client, server


def use(server: Any) -> None:
    issued = certificates.leaf("localhost")
    assert o.SSL_CTX_use_certificate(server, issued.certificate) == 1
    assert o.SSL_CTX_use_PrivateKey(server, issued.key) == 1


class Link:
    """Two connections over memory BIOs."""

    def __init__(self, client_ctx: Any, server_ctx: Any) -> None:
        self.client: Any = o.SSL_new(client_ctx)
        self.server: Any = o.SSL_new(server_ctx)
        one, other = o.BIO_new(o.BIO_s_mem()), o.BIO_new(o.BIO_s_mem())
        ends: list[tuple[Any, Any, Any]] = [(self.client, one, other), (self.server, other, one)]
        for ssl, rbio, wbio in ends:
            for bio in (rbio, wbio):
                o.BIO_up_ref(bio)
            o.SSL_set_bio(ssl, rbio, wbio)
        o.SSL_set_connect_state(ends[0][0])
        o.SSL_set_accept_state(ends[1][0])

    def drive(self, turns: int = 20) -> list[tuple[str, int]]:
        """Repeats both calls until both are done: what was waited for besides bytes."""
        waits = []
        for _ in range(turns):
            rets = []
            for name, ssl in (("client", self.client), ("server", self.server)):
                ret = o.SSL_do_handshake(ssl)
                rets.append(ret)
                error = o.SSL_get_error(ssl, ret)
                assert error != o.SSL_ERROR_SSL, o.ERR_error_string(o.ERR_get_error(), None)
                if error not in (o.SSL_ERROR_NONE, o.SSL_ERROR_WANT_READ):
                    waits.append((name, error))
            if rets == [1, 1]:
                return waits
        return [*waits, ("nobody", -1)]


def test_want_x509_lookup_on_a_server() -> None:
    client, server = contexts(server_key=False)
    answers = [-1, -1, 1]

    def choose(ssl: Any, arg: Any) -> int:
        answer = answers.pop(0)
        if answer == 1:
            issued = certificates.leaf("localhost")
            o.SSL_use_certificate(ssl, issued.certificate)
            o.SSL_use_PrivateKey(ssl, issued.key)
        return answer

    o.SSL_CTX_set_cert_cb(server, choose, None)
    link = Link(client, server)
    o.SSL_do_handshake(link.client)
    assert o.SSL_do_handshake(link.server) == -1
    assert o.SSL_want_x509_lookup(link.server)
    assert o.SSL_get_error(link.server, -1) == o.SSL_ERROR_WANT_X509_LOOKUP
    assert link.drive() == [("server", o.SSL_ERROR_WANT_X509_LOOKUP)]


def test_want_client_hello_cb() -> None:
    client, server = contexts()
    answers = [-1, -1, 1]
    o.SSL_CTX_set_client_hello_cb(server, lambda ssl, alert, arg: answers.pop(0), None)
    assert Link(client, server).drive() == [("server", o.SSL_ERROR_WANT_CLIENT_HELLO_CB)] * 2


def test_want_retry_verify() -> None:
    client, server = contexts()
    left = [1, 1]

    def verify(store: Any, arg: Any) -> int:
        ssl = o.X509_STORE_CTX_get_ex_data(store, o.SSL_get_ex_data_X509_STORE_CTX_idx())
        if left:
            left.pop()
            return o.SSL_set_retry_verify(ssl)
        return o.X509_verify_cert(store)

    o.SSL_CTX_set_cert_verify_callback(client, verify, None)
    link = Link(client, server)
    assert link.drive() == [("client", o.SSL_ERROR_WANT_RETRY_VERIFY)] * 2
    assert o.SSL_get_verify_result(link.client) == o.X509_V_OK


@pytest.mark.parametrize("answered", [True, False])
def test_a_future_suspends_until_it_is_done(answered: bool) -> None:
    client, server = contexts()
    future: concurrent.futures.Future[int] = concurrent.futures.Future()

    class Awaitable:
        """A future that needs no event loop, awaited."""

        def __await__(self) -> Any:
            while not future.done():
                yield future
            return future.result()

    o.SSL_CTX_set_client_hello_cb(server, lambda ssl, alert, arg: Awaitable(), None)
    link = Link(client, server)
    assert ("nobody", -1) in link.drive(3)
    assert o.SSL_want_client_hello_cb(link.server)
    future.set_result(1 if answered else 0)
    if answered:
        assert link.drive() == []
    else:
        assert o.SSL_do_handshake(link.server) == -1
        assert o.SSL_get_error(link.server, -1) == o.SSL_ERROR_SSL
        assert o.ERR_GET_REASON(o.ERR_get_error()) == o.SSL_R_CALLBACK_FAILED


def test_a_hook_of_the_native_api_says_want_async_or_what_it_likes() -> None:
    client, server = contexts(server_key=False)
    issued = certificates.leaf("localhost")
    local = LocalSigner(issued.key)

    class Signer:
        """A key somewhere else."""

        def __init__(self, kind: int | None) -> None:
            self.kind = kind

        async def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
            await o.pending(self.kind)
            return local.sign(data, scheme)

    for kind, expected in (
        (None, o.SSL_ERROR_WANT_ASYNC),
        (o.SSL_ERROR_WANT_ASYNC, o.SSL_ERROR_WANT_ASYNC),
        (o.SSL_ERROR_WANT_X509_LOOKUP, o.SSL_ERROR_WANT_X509_LOOKUP),
    ):
        o.SSL_CTX_use_certificate(server, issued.certificate)
        assert o.SSL_CTX_use_PrivateKey(server, Signer(kind)) == 1
        assert Link(client, server).drive() == [("server", expected)]


def test_what_needs_an_event_loop_fails_with_a_reason_and_no_traceback() -> None:
    client, server = contexts()

    async def ask(ssl: Any, alert: int, arg: Any) -> int:
        await asyncio.sleep(0)
        return 1

    o.SSL_CTX_set_client_hello_cb(server, ask, None)
    link = Link(client, server)
    o.SSL_do_handshake(link.client)
    assert o.SSL_do_handshake(link.server) == -1
    assert o.SSL_get_error(link.server, -1) == o.SSL_ERROR_SSL
    assert o.ERR_get_error() != 0


@pytest.mark.parametrize("blocking", [True, False])
def test_suspensions_over_sockets(blocking: bool) -> None:
    """A blocking BIO waits for bytes, never for a callback: there the call returns as well."""
    client_ctx, server_ctx = contexts()
    answers = [-1, 1]
    o.SSL_CTX_set_client_hello_cb(server_ctx, lambda ssl, alert, arg: answers.pop(0), None)
    ours, theirs = socket.socketpair()
    client, server = o.SSL_new(client_ctx), o.SSL_new(server_ctx)
    assert client is not None
    assert server is not None
    for sock, ssl in ((ours, client), (theirs, server)):
        sock.settimeout(None) if blocking else sock.setblocking(False)
        assert o.SSL_set_fd(ssl, sock.fileno()) == 1
    seen: list[int] = []

    def accept() -> None:
        while (ret := o.SSL_accept(server)) != 1:
            seen.append(o.SSL_get_error(server, ret))
            if seen[-1] not in (o.SSL_ERROR_WANT_READ, o.SSL_ERROR_WANT_CLIENT_HELLO_CB):
                return

    if blocking:
        thread = threading.Thread(target=accept)
        thread.start()
        assert o.SSL_connect(client) == 1
        thread.join(30)
        assert seen == [o.SSL_ERROR_WANT_CLIENT_HELLO_CB]
    else:
        for _ in range(10):
            one, other = o.SSL_connect(client), o.SSL_accept(server)
            if one == other == 1:
                break
            seen.append(o.SSL_get_error(server, other))
        assert o.SSL_is_init_finished(server) == 1
        assert o.SSL_ERROR_WANT_CLIENT_HELLO_CB in seen
    for ssl, sock in ((client, ours), (server, theirs)):
        o.SSL_free(ssl)
        sock.close()


def test_a_native_configuration_suspends_too() -> None:
    client, _ = contexts()
    issued = certificates.leaf("localhost")

    async def select(info: Any) -> ServerConfig:
        await o.pending()
        return ServerConfig(identity=issued.identity)

    ctx = o.SSL_CTX_from_config(ServerConfig(select=select))
    assert Link(client, ctx).drive() == [("server", o.SSL_ERROR_WANT_CLIENT_HELLO_CB)]
