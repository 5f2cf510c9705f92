"""One's own certificate and key: SSL_CTX_use_certificate(3), SSL_CTX_set_cert_cb(3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography import x509

from . import credentials
from .connection import SSL
from .context import SSL_CTX, check_callback, check_ctx
from .errors import ERR_R_PASSED_NULL_PARAMETER, raise_ssl
from .holders import Holder, check_holder, check_ssl
from .verification import as_certificate


def _use_chain(holder: Holder, chain: credentials.Certificates | None) -> int:
    if chain is None:
        return 0
    changed = credentials.with_chain(holder.settings.credentials, chain)
    if changed is None:
        return 0
    holder.change(credentials=changed)
    return 1


def _use_key(holder: Holder, key: Any) -> int:
    if key is None:
        return 0
    changed = credentials.with_key(holder.settings.credentials, key)
    if changed is None:
        return 0
    holder.change(credentials=changed)
    return 1


def _use_certificate(holder: Holder, certificate: x509.Certificate | bytes | None) -> int:
    check_holder(holder)
    if certificate is None:
        raise_ssl(ERR_R_PASSED_NULL_PARAMETER)
        return 0
    found = as_certificate(certificate)
    return 0 if found is None else _use_chain(holder, (found,))


def _use_private_key(holder: Holder, key: Any) -> int:
    check_holder(holder)
    if key is None:
        raise_ssl(ERR_R_PASSED_NULL_PARAMETER)
        return 0
    if not (hasattr(key, "private_bytes") or callable(getattr(key, "sign", None))):
        raise TypeError(
            f"a private key of cryptography's, or an object with sign(data, scheme), is "
            f"expected, not {type(key).__name__}"
        )
    return _use_key(holder, key)


def _ctx_of(holder: Holder) -> SSL_CTX:
    return holder if isinstance(holder, SSL_CTX) else holder.ctx


def _use_key_file(holder: Holder, file: str | bytes, filetype: int) -> int:
    ctx = _ctx_of(check_holder(holder))
    return _use_key(holder, credentials.read_key(file, filetype, ctx.password_cb, ctx.password_arg))


def _add_chain(holder: Holder, certificate: x509.Certificate | bytes) -> int:
    check_holder(holder)
    known = holder.settings.credentials
    if not known or not known[-1].chain:
        return 0
    last, found = known[-1], as_certificate(certificate)
    if found is None:
        return 0
    chain = (*last.chain, found)
    holder.change(credentials=(*known[:-1], replace(last, chain=chain).complete()))
    return 1


def _checked(holder: Holder) -> int:
    return credentials.check_key(check_holder(holder).settings.credentials)


# -- on an SSL_CTX --------------------------------------------------------------------------------


def SSL_CTX_use_certificate(ctx: SSL_CTX, x: x509.Certificate | bytes | None) -> int:
    """One's own certificate, without its issuers."""
    return _use_certificate(ctx, x)


def SSL_CTX_use_certificate_file(ctx: SSL_CTX, file: str | bytes, filetype: int) -> int:
    """One's own certificate from a file, without its issuers."""
    return _use_chain(check_holder(ctx), credentials.read_certificate(file, filetype))


def SSL_CTX_use_certificate_chain_file(ctx: SSL_CTX, file: str | bytes) -> int:
    """One's own certificate and its issuers, in this order, from a PEM file."""
    return _use_chain(check_holder(ctx), credentials.read_chain(file))


def SSL_CTX_use_PrivateKey(ctx: SSL_CTX, key: Any) -> int:
    """One's own key: of ``cryptography``'s, or an object with ``sign(data, scheme)``.

    What that returns may be awaitable: then the handshake waits with SSL_ERROR_WANT_ASYNC.
    """
    return _use_private_key(ctx, key)


def SSL_CTX_use_PrivateKey_file(ctx: SSL_CTX, file: str | bytes, filetype: int) -> int:
    """One's own key from a file."""
    return _use_key_file(ctx, file, filetype)


def SSL_CTX_check_private_key(ctx: SSL_CTX) -> int:
    """1 where certificate and key are there and belong together."""
    return _checked(ctx)


def SSL_CTX_add1_chain_cert(ctx: SSL_CTX, x: x509.Certificate | bytes) -> int:
    """One more issuer behind one's own certificate."""
    return _add_chain(ctx, x)


def SSL_CTX_set_cert_cb(ctx: SSL_CTX, callback: Callable[..., Any] | None, arg: Any) -> None:
    """``callback(ssl, arg)`` is called before a certificate is needed, and may set one.

    It returns 1, 0 to fail, or less to be called again (SSL_ERROR_WANT_X509_LOOKUP).
    """
    check_holder(ctx).change(cert_cb=check_callback(callback), cert_arg=arg)


# -- on an SSL ------------------------------------------------------------------------------------


def SSL_use_certificate(ssl: SSL, x: x509.Certificate | bytes | None) -> int:
    """One's own certificate, without its issuers."""
    return _use_certificate(ssl, x)


def SSL_use_certificate_file(ssl: SSL, file: str | bytes, filetype: int) -> int:
    """One's own certificate from a file, without its issuers."""
    return _use_chain(check_holder(ssl), credentials.read_certificate(file, filetype))


def SSL_use_certificate_chain_file(ssl: SSL, file: str | bytes) -> int:
    """One's own certificate and its issuers, in this order, from a PEM file."""
    return _use_chain(check_holder(ssl), credentials.read_chain(file))


def SSL_use_PrivateKey(ssl: SSL, key: Any) -> int:
    """One's own key: of ``cryptography``'s, or an object with ``sign(data, scheme)``."""
    return _use_private_key(ssl, key)


def SSL_use_PrivateKey_file(ssl: SSL, file: str | bytes, filetype: int) -> int:
    """One's own key from a file."""
    return _use_key_file(ssl, file, filetype)


def SSL_check_private_key(ssl: SSL) -> int:
    """1 where certificate and key are there and belong together."""
    return _checked(ssl)


def SSL_add1_chain_cert(ssl: SSL, x: x509.Certificate | bytes) -> int:
    """One more issuer behind one's own certificate."""
    return _add_chain(ssl, x)


def SSL_set_cert_cb(ssl: SSL, callback: Callable[..., Any] | None, arg: Any) -> None:
    """``callback(ssl, arg)`` is called before a certificate is needed, and may set one."""
    check_holder(ssl).change(cert_cb=check_callback(callback), cert_arg=arg)


def SSL_set_SSL_CTX(ssl: SSL, ctx: SSL_CTX | None) -> SSL_CTX:
    """Other certificates and callbacks, as a servername callback may choose them."""
    check_ssl(ssl)
    if ctx is None:
        return ssl.ctx
    ssl.ctx = check_ctx(ctx)
    settings = ctx.settings
    ssl.change(
        credentials=settings.credentials,
        cert_cb=settings.cert_cb,
        cert_arg=settings.cert_arg,
    )
    return ctx


def SSL_get_SSL_CTX(ssl: SSL) -> SSL_CTX:
    """The context that it was made with, or given since."""
    return check_ssl(ssl).ctx
