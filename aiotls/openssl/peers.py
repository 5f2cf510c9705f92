"""Whom to believe: SSL_CTX_set_verify(3), SSL_CTX_load_verify_locations(3), SSL_set1_host(3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UsageError
from ..trust import TrustStore, check_name
from . import credentials
from .arguments import as_text, check_int
from .connection import SSL
from .context import SSL_CTX, check_callback, check_ctx
from .holders import Holder, check_holder, check_ssl


def _set_verify(holder: Holder, mode: int, callback: Callable[..., Any] | None) -> None:
    check_holder(holder)
    changes: dict[str, Any] = {"verify_mode": check_int(mode, "a mode")}
    if isinstance(holder, SSL_CTX) or callback is not None:
        changes["verify_callback"] = check_callback(callback)
    holder.change(**changes)


# -- on an SSL_CTX --------------------------------------------------------------------------------


def SSL_CTX_set_verify(ctx: SSL_CTX, mode: int, callback: Callable[..., Any] | None) -> None:
    """Whether the peer's certificate counts: ``SSL_VERIFY_…``.

    ``callback(preverify_ok, x509_ctx)`` is asked about each certificate and returns 1 to go on.
    """
    _set_verify(ctx, mode, callback)


def SSL_CTX_set_verify_depth(ctx: SSL_CTX, depth: int) -> None:
    """How many issuers a path may have."""
    check_holder(ctx).change(verify_depth=check_int(depth, "a depth"))


def SSL_CTX_get_verify_mode(ctx: SSL_CTX) -> int:
    """The mode: ``SSL_VERIFY_…``."""
    return check_holder(ctx).settings.verify_mode


def SSL_CTX_get_verify_callback(ctx: SSL_CTX) -> Callable[..., Any] | None:
    """The callback of SSL_CTX_set_verify()."""
    return check_holder(ctx).settings.verify_callback


def SSL_CTX_get_verify_depth(ctx: SSL_CTX) -> int:
    """How many issuers a path may have; -1 where it was not said."""
    return check_holder(ctx).settings.verify_depth


def SSL_CTX_load_verify_locations(
    ctx: SSL_CTX, file: str | bytes | None, path: str | bytes | None
) -> int:
    """Believes the authorities in a PEM file and in a directory named by c_rehash(1)."""
    check_ctx(ctx)
    if file is None and path is None:
        return 0
    found = credentials.read_anchors(file, path)
    if found is None:
        return 0
    for certificate in found:
        ctx.cert_store.add(certificate)
    return 1


def SSL_CTX_load_verify_file(ctx: SSL_CTX, file: str | bytes) -> int:
    """Believes the authorities in a PEM file."""
    return SSL_CTX_load_verify_locations(ctx, file, None)


def SSL_CTX_load_verify_dir(ctx: SSL_CTX, path: str | bytes) -> int:
    """Believes the authorities in a directory named by c_rehash(1)."""
    return SSL_CTX_load_verify_locations(ctx, None, path)


def SSL_CTX_set_default_verify_paths(ctx: SSL_CTX) -> int:
    """Believes the authorities that the system believes."""
    check_ctx(ctx)
    try:
        certificates = TrustStore.system().certificates
    except UsageError:
        return 1  # a system without any is no failure here
    for certificate in certificates:
        ctx.cert_store.add(certificate)
    return 1


# -- on an SSL ------------------------------------------------------------------------------------


def SSL_set_verify(ssl: SSL, mode: int, callback: Callable[..., Any] | None) -> None:
    """Whether the peer's certificate counts: ``SSL_VERIFY_…``."""
    _set_verify(ssl, mode, callback)


def SSL_set_verify_depth(ssl: SSL, depth: int) -> None:
    """How many issuers a path may have."""
    check_holder(ssl).change(verify_depth=check_int(depth, "a depth"))


def SSL_get_verify_mode(ssl: SSL) -> int:
    """The mode: ``SSL_VERIFY_…``."""
    return check_holder(ssl).settings.verify_mode


def SSL_get_verify_callback(ssl: SSL) -> Callable[..., Any] | None:
    """The callback of SSL_set_verify(), or the context's."""
    return check_holder(ssl).settings.verify_callback


def SSL_get_verify_depth(ssl: SSL) -> int:
    """How many issuers a path may have; -1 where it was not said."""
    return check_holder(ssl).settings.verify_depth


def SSL_set1_host(ssl: SSL, name: str | bytes | None) -> int:
    """The name, or the address, that the peer's certificate has to be for."""
    check_ssl(ssl).change(hosts=())
    return SSL_add1_host(ssl, name)


def SSL_add1_host(ssl: SSL, name: str | bytes | None) -> int:
    """Another name that the peer's certificate may be for."""
    check_ssl(ssl)
    if not name:
        return 1
    try:
        host = check_name(as_text(name))
    except UsageError:
        return 0
    ssl.change(hosts=(*ssl.settings.hosts, host))
    return 1
