"""aiofastnet takes OpenSSL's context out of memory where it can: ours is not to be taken so."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import aiotls.ssl

from .engines import CONTROL, OURS, Files, client_context, server_context
from .test_context import c_counters
from .test_matrix import SECONDS, echo, serving

aiofastnet = pytest.importorskip("aiofastnet")

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]


class Client(asyncio.Protocol):
    """Says "ping" and keeps what is answered."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.said = False

    def connection_made(self, transport: Any) -> None:
        if transport.get_extra_info("ssl_object") is not None:
            self.say(transport)

    def say(self, transport: Any) -> None:
        self.said = True
        transport.write(b"ping")

    def data_received(self, data: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(data)


class Bypassed(aiotls.ssl.SSLContext):
    """A context without the mark that says to leave OpenSSL's context alone."""

    _aiofastnet_force_fallback_ssl = False


async def connect(how: str, context: Any, port: int) -> tuple[Any, Client]:
    loop = asyncio.get_running_loop()
    options = {"server_hostname": "localhost", "ssl_handshake_timeout": SECONDS / 2}
    address = ("127.0.0.1", port)
    if how == "create_connection":
        pair = await aiofastnet.create_connection(loop, Client, *address, ssl=context, **options)
        return pair  # type: ignore[no-any-return]
    plain, protocol = await aiofastnet.create_connection(loop, Client, *address)
    try:
        transport = await aiofastnet.start_tls(loop, plain, protocol, context, **options)
    except BaseException:
        plain.abort()
        raise
    if not protocol.said:
        protocol.say(transport)
    return transport, protocol


CALLS = pytest.mark.parametrize("how", ["create_connection", "start_tls"])


@CALLS
async def test_it_runs_on_this_engine(how: str, files: Files) -> None:
    context = client_context(OURS, files)
    async with (
        asyncio.timeout(SECONDS),
        serving(echo, server_context(CONTROL, files)) as port,
    ):
        transport, protocol = await connect(how, context, port)
        assert await protocol.answer == b"ping"
        assert isinstance(transport.get_extra_info("ssl_object"), aiotls.ssl.SSLObject)
        transport.close()
    assert c_counters(context)["connect"] == 0
    assert context.session_stats()["connect_good"] == 1


@CALLS
async def test_what_gets_past_python_fails(how: str, files: Files) -> None:
    """OpenSSL's context below trusts no one: the handshake fails, whatever was set on ours."""
    context = Bypassed(aiotls.ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(files.ca)
    context.check_hostname = False
    context.verify_mode = aiotls.ssl.CERT_NONE
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: None)
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            heard.append(await reader.read())

    async with asyncio.timeout(SECONDS), serving(listen, server_context(CONTROL, files)) as port:
        with pytest.raises(OSError):  # noqa: PT011
            await connect(how, context, port)
    assert c_counters(context)["connect"] == 1  # it was OpenSSL that tried
    assert c_counters(context)["connect_good"] == 0
    assert b"".join(heard) == b""
