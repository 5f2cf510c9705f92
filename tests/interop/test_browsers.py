"""The ClientHellos of browsers, sent by a curl with BoringSSL that takes their shape.

They have what no other peer here has: GREASE everywhere (RFC 8701), extensions in a random
order, settings for HTTP/2, certificate compression, and an encrypted_client_hello that is
made up. A server answers what it knows and passes over the rest.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from typing import Any

import pytest

import aiotls
from aiotls.enums import NamedGroup

from . import ours
from .peer import PATIENCE
from .pki import PKI

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

BROWSERS = (
    *("chrome99", "chrome110", "chrome124", "chrome131", "chrome142", "chrome146", "edge101"),
    *("chrome99_android", "chrome131_android"),
    *("safari153", "safari170", "safari184", "safari260", "safari260_ios"),
    *("firefox133", "firefox144", "tor145"),
)


@pytest.fixture(scope="module")
def requests() -> Any:
    if importlib.util.find_spec("curl_cffi") is None:
        refuse = pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip
        refuse("the package curl_cffi is not installed")
    return importlib.import_module("curl_cffi.requests")


async def visit(requests: Any, browser: str, port: int, pki: PKI) -> bytes:
    if browser not in requests.BrowserType.__members__:
        pytest.skip(f"this curl_cffi does not know {browser}")
    response = await asyncio.to_thread(
        requests.post,
        f"https://localhost:{port}/echo",
        data=b"line\n",
        impersonate=browser,
        http_version="v1",
        verify=str(pki.trust_file),
        timeout=PATIENCE,
    )
    body: bytes = response.content
    return body


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_browser_is_served(requests: Any, browser: str, pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity(), alpn_protocols=["http/1.1"])
    async with ours.serve(config, http=True) as server:
        assert await visit(requests, browser, server.port, pki) == b"line\n"
    assert server.connections[0]["version"] == "TLS 1.3"
    assert server.connections[0]["alpn"] == "http/1.1"
    assert server.connections[0]["server_name"] == "localhost"


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_browser_tries_again(requests: Any, browser: str, pki: PKI) -> None:
    """RFC 8446, section 4.1.4: none of them sends a key share for P-384 unasked."""
    config = aiotls.ServerConfig(
        identity=pki.server_identity(),
        groups=[NamedGroup.SECP384R1],
        alpn_protocols=["http/1.1"],
    )
    async with ours.serve(config, http=True) as server:
        assert await visit(requests, browser, server.port, pki) == b"line\n"
    assert server.connections[0]["retried"]
