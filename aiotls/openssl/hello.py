"""What stands in a ClientHello, for the callback: SSL_client_hello_get0_ciphers(3).

They are for use within the callback of SSL_CTX_set_client_hello_cb(); elsewhere they answer as for
an empty hello.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .connection import SSL
from .holders import check_ssl

if TYPE_CHECKING:
    from ..wire.messages import ClientHello


def _hello(ssl: SSL) -> ClientHello | None:
    info = check_ssl(ssl).hooks.hello
    return info.hello if info is not None else None


def SSL_client_hello_isv2(ssl: SSL) -> int:
    """0: a hello in SSLv2's form is never answered."""
    check_ssl(ssl)
    return 0


def SSL_client_hello_get0_legacy_version(ssl: SSL) -> int:
    """The version in the hello's own field, 0x0303 since TLS 1.2; 0 where there is no hello."""
    hello = _hello(ssl)
    return hello.legacy_version if hello is not None else 0


def SSL_client_hello_get0_random(ssl: SSL) -> bytes:
    """The client's random, 32 bytes."""
    hello = _hello(ssl)
    return hello.random if hello is not None else b""


def SSL_client_hello_get0_session_id(ssl: SSL) -> bytes:
    """The session id, at most 32 bytes."""
    hello = _hello(ssl)
    return hello.session_id if hello is not None else b""


def SSL_client_hello_get0_ciphers(ssl: SSL) -> bytes:
    """The cipher suites, two bytes for each."""
    hello = _hello(ssl)
    suites = hello.cipher_suites if hello is not None else ()
    return b"".join(suite.to_bytes(2, "big") for suite in suites)


def SSL_client_hello_get0_compression_methods(ssl: SSL) -> bytes:
    """The compression methods, a byte for each."""
    hello = _hello(ssl)
    return hello.compression_methods if hello is not None else b""


def SSL_client_hello_get1_extensions_present(ssl: SSL) -> tuple[int, list[int]]:
    """``(1, types)``: the extensions' types in the order of the hello; ``(0, [])`` without one."""
    hello = _hello(ssl)
    return (1, list(hello.extensions.types)) if hello is not None else (0, [])


def SSL_client_hello_get0_ext(ssl: SSL, type: int) -> tuple[int, bytes]:
    """``(1, body)`` of one extension; ``(0, b"")`` where the hello has none of that type."""
    hello = _hello(ssl)
    body = hello.extensions.raw(type) if hello is not None else None
    return (0, b"") if body is None else (1, body)
