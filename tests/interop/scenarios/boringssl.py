"""What BoringSSL does: Chrome's own ClientHello, by utls and curl_cffi."""

from __future__ import annotations

import asyncio

import pytest

import aiotls
from aiotls.enums import HandshakeType
from tests import certificates

from .. import ours
from ..bench import LINE, Bench, Messages
from ..peer import PATIENCE


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
