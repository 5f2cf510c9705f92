"""The functions of the standard library's module that make contexts, making these."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import warnings
from typing import Any

from .context import SSLContext

Data = str | bytes | bytearray | memoryview | None
Path = str | bytes | os.PathLike[Any] | None

_NOT_GIVEN: Any = socket.getdefaulttimeout  # any object that no one passes


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Path = None,
    capath: Path = None,
    cadata: Data = None,
) -> SSLContext:
    """A context with the defaults of ``ssl.create_default_context``.

    For ``Purpose.SERVER_AUTH`` a client that verifies the server by *cafile*, *capath* and
    *cadata*, or by the system's anchors; for ``Purpose.CLIENT_AUTH`` a server.
    """
    context = _for_purpose(purpose, None)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    _load(context, purpose, cafile, capath, cadata)
    return context


def _create_unverified_context(
    protocol: int | None = None,
    *,
    cert_reqs: ssl.VerifyMode | None = ssl.CERT_NONE,
    check_hostname: bool = False,
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    certfile: Path = None,
    keyfile: Path = None,
    cafile: Path = None,
    capath: Path = None,
    cadata: Data = None,
) -> SSLContext:
    """What the standard library's modules make a context with when they are given none."""
    context = _for_purpose(purpose, protocol)
    context.check_hostname = check_hostname
    if cert_reqs is not None:
        context.verify_mode = cert_reqs
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    _load(context, purpose, cafile, capath, cadata)
    return context


def _for_purpose(purpose: ssl.Purpose, protocol: int | None) -> SSLContext:
    if not isinstance(purpose, ssl._ASN1Object):
        raise TypeError(purpose)
    if purpose not in (ssl.Purpose.SERVER_AUTH, ssl.Purpose.CLIENT_AUTH):
        raise ValueError(purpose)
    if protocol is None:
        client = purpose == ssl.Purpose.SERVER_AUTH
        protocol = ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER
    return SSLContext(protocol)


def _load(
    context: SSLContext, purpose: ssl.Purpose, cafile: Path, capath: Path, cadata: Data
) -> None:
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)
    keylog = os.environ.get("SSLKEYLOGFILE")
    if keylog and not sys.flags.ignore_environment:
        context.keylog_filename = keylog


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context


def get_server_certificate(
    addr: tuple[str, int],
    ssl_version: int = ssl.PROTOCOL_TLS_CLIENT,
    ca_certs: Path = None,
    timeout: float | None = _NOT_GIVEN,
) -> str:
    """The certificate that the server at *addr* shows, in PEM; verified only by *ca_certs*."""
    verify = ssl.CERT_REQUIRED if ca_certs is not None else ssl.CERT_NONE
    context = _create_unverified_context(ssl_version, cert_reqs=verify, cafile=ca_certs)
    given: dict[str, Any] = {} if timeout is _NOT_GIVEN else {"timeout": timeout}
    with (
        socket.create_connection(addr, **given) as sock,
        context.wrap_socket(sock, server_hostname=addr[0]) as wrapped,
    ):
        der = wrapped.getpeercert(True)
    if der is None:
        raise ValueError(f"the server at {addr} showed no certificate")
    return ssl.DER_cert_to_PEM_cert(der)


def wrap_socket(
    sock: socket.socket,
    keyfile: Path = None,
    certfile: Path = None,
    server_side: bool = False,
    cert_reqs: ssl.VerifyMode = ssl.CERT_NONE,
    ssl_version: int = ssl.PROTOCOL_TLS,
    ca_certs: Path = None,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    ciphers: str | None = None,
) -> ssl.SSLSocket:
    """Deprecated, and in Python 3.12 gone: a socket with a context of its own."""
    warnings.warn(
        "ssl.wrap_socket() is deprecated, use SSLContext.wrap_socket()",
        category=DeprecationWarning,
        stacklevel=2,
    )
    if server_side and not certfile:
        raise ValueError("certfile must be specified for server-side operations")
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    context = SSLContext(ssl_version)
    context.verify_mode = cert_reqs
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake_on_connect,
        suppress_ragged_eofs=suppress_ragged_eofs,
    )
