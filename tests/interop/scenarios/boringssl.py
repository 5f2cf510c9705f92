"""What BoringSSL does: Chrome's own ClientHello, by utls and curl_cffi."""

from __future__ import annotations

import asyncio
import base64
import socket
from typing import Any

import pytest

import aiotls
from aiotls.enums import ExtensionType, HandshakeType
from tests import certificates

from .. import ours
from ..bench import LINE, Bench, Hellos, Messages
from ..peer import HOST, PATIENCE, Settings
from .every import is_grease


async def browsers_take_compressed_certificates(bench: Bench) -> None:
    """RFC 8879: Chrome's ClientHello asks for brotli, Safari's for zlib."""
    requests = pytest.importorskip(
        "curl_cffi.requests", reason="the package curl_cffi is not installed"
    )
    # What is shorter than a packet is not compressed.
    issuer = certificates.intermediate()
    long = certificates.leaf("localhost", issuer=issuer, key_kind="rsa").identity
    for browser in ("chrome131", "safari184"):
        seen = Messages()
        config = aiotls.ServerConfig(identity=long, observer=seen, alpn_protocols=["http/1.1"])
        async with ours.serve(config, http=True) as server:
            response = await asyncio.to_thread(
                requests.post,
                f"https://localhost:{server.port}/echo",
                data=LINE,
                impersonate=browser,
                http_version="v1",
                verify=str(bench.pki.trust_file),
                timeout=PATIENCE,
            )
        assert response.content == LINE
        assert HandshakeType.COMPRESSED_CERTIFICATE in seen.sent, browser


async def sends_an_encrypted_hello(bench: Bench) -> None:
    """By utls, and in the shape of Chrome's by curl_cffi."""
    peer: Any = bench.peer
    keys = aiotls.ECHKeys.generate("front.example")
    config = bench.server(ech_keys=keys, alpn_protocols=["http/1.1"], alpn_optional=True)
    async with ours.serve(config) as server:
        await asyncio.to_thread(one_line, peer, server.port, bench, keys.config_list)
    assert [tls["ech"] for tls in server.connections] == [True]
    module = pytest.importorskip("curl_cffi", reason="the package curl_cffi is not installed")
    option = f"ecl:{base64.b64encode(keys.config_list).decode()}"
    async with ours.serve(config, http=True) as server:
        response = await asyncio.to_thread(
            module.requests.post,
            f"https://localhost:{server.port}/echo",
            data=LINE,
            impersonate="chrome146",
            http_version="v1",
            verify=str(bench.pki.trust_file),
            timeout=PATIENCE,
            curl_options={module.CurlOpt.ECH: option},
        )
    assert response.content == LINE
    assert [tls["ech"] for tls in server.connections] == [True]


async def is_told_our_newer_keys(bench: Bench) -> None:
    """It ends the connection once the public name's certificate holds: section 6.1.6."""
    peer: Any = bench.peer
    old, keys = (aiotls.ECHKeys.generate("localhost") for _ in range(2))
    async with ours.serve(bench.server(ech_keys=keys)) as server:
        with pytest.raises(OSError, match="ECH_REJECTED"):
            await asyncio.to_thread(one_line, peer, server.port, bench, old.config_list)
    assert not any(tls["ech"] for tls in server.connections)


def one_line(peer: Any, port: int, bench: Bench, configs: bytes) -> None:
    """Through rtls or utls, which have the same method for it."""
    context = peer.context(Settings(trust=bench.pki.trust_file), server_side=False)
    context = context.set_ech_configs(configs) or context  # rtls gives a new one
    with (
        socket.create_connection((HOST, port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(LINE)
        assert tls.recv(1000) == LINE
        peer.close(tls)


async def sends_grease(bench: Bench) -> None:
    """RFC 8701 in Chrome's ClientHello, with a made-up encrypted_client_hello."""
    requests = pytest.importorskip(
        "curl_cffi.requests", reason="the package curl_cffi is not installed"
    )
    seen = Hellos()
    config = bench.server(observer=seen, alpn_protocols=["http/1.1"])
    async with ours.serve(config, http=True) as server:
        response = await asyncio.to_thread(
            requests.post,
            f"https://localhost:{server.port}/echo",
            data=LINE,
            impersonate="chrome146",
            http_version="v1",
            verify=str(bench.pki.trust_file),
            timeout=PATIENCE,
        )
    assert response.content == LINE
    assert any(map(is_grease, seen.client.cipher_suites))
    assert any(map(is_grease, seen.client.extensions.types))
    assert ExtensionType.ENCRYPTED_CLIENT_HELLO in seen.client.extensions.types
    assert ExtensionType.ENCRYPTED_CLIENT_HELLO not in seen.answered
