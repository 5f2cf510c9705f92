"""Setting up: what can be said of an SSL_CTX and, alike, of a single SSL.

Each ``SSL_CTX_…`` changes the connections that are made from then on; the ``SSL_…`` of that name
changes one. Codes are 1 for success and 0 for failure, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cryptography import x509

from ..errors import UsageError
from ..trust import TrustStore, check_name
from . import ciphers, credentials
from .arguments import check_int
from .bio_kinds import Readable
from .connection import SSL
from .constants import (
    SSL3_VERSION,
    SSL_MAX_SID_CTX_LENGTH,
    TLS1_3_VERSION,
)
from .context import SSL_CTX, check_callback, check_ctx
from .errors import ERR_R_PASSED_INVALID_ARGUMENT, ERR_R_PASSED_NULL_PARAMETER, raise_ssl
from .reasons import (
    SSL_R_INVALID_COMMAND,
    SSL_R_NO_CIPHER_MATCH,
    SSL_R_SSL3_EXT_INVALID_SERVERNAME,
    SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG,
)
from .verification import as_certificate

Holder = SSL | SSL_CTX


def check_ssl(ssl: SSL) -> SSL:
    """The SSL, alive; raises TypeError or ReferenceError where C would be undefined."""
    if not isinstance(ssl, SSL):
        raise TypeError(f"an SSL is expected, not {type(ssl).__name__}")
    if ssl.references <= 0:
        raise ReferenceError("the SSL has been freed")
    return ssl


def _holder(holder: Holder) -> Holder:
    return check_ctx(holder) if isinstance(holder, SSL_CTX) else check_ssl(holder)


# -- what both have in common ----------------------------------------------------------------------


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
    _holder(holder)
    if certificate is None:
        raise_ssl(ERR_R_PASSED_NULL_PARAMETER)
        return 0
    return _use_chain(holder, (as_certificate(certificate),))


def _use_private_key(holder: Holder, key: Any) -> int:
    _holder(holder)
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
    ctx = _ctx_of(_holder(holder))
    return _use_key(holder, credentials.read_key(file, filetype, ctx.password_cb, ctx.password_arg))


def _add_chain(holder: Holder, certificate: x509.Certificate | bytes) -> int:
    _holder(holder)
    known = holder.settings.credentials
    if not known or not known[-1].chain:
        return 0
    last = known[-1]
    chain = (*last.chain, as_certificate(certificate))
    holder.change(credentials=(*known[:-1], replace(last, chain=chain).complete()))
    return 1


def _bound(holder: Holder, version: int, field: str) -> int:
    _holder(holder)
    if version and not SSL3_VERSION <= check_int(version, "a version") <= TLS1_3_VERSION:
        return 0
    holder.change(**{field: version})
    return 1


def _set_verify(holder: Holder, mode: int, callback: Callable[..., Any] | None) -> None:
    _holder(holder)
    changes: dict[str, Any] = {"verify_mode": check_int(mode, "a mode")}
    if isinstance(holder, SSL_CTX) or callback is not None:
        changes["verify_callback"] = check_callback(callback)
    holder.change(**changes)


def _set_alpn(holder: Holder, protos: Readable | None, length: int) -> int:
    _holder(holder)
    data = bytes(protos or b"")[:length]
    names, rest = [], data
    while rest:
        size = rest[0]
        if not size or len(rest) <= size:
            return 1
        names.append(rest[1 : 1 + size])
        rest = rest[1 + size :]
    holder.change(alpn=tuple(names))
    return 0


def _set_cipher_list(holder: Holder, string: str | bytes) -> int:
    _holder(holder)
    chosen = ciphers.cipher_list(_text(string))
    if not chosen:
        raise_ssl(SSL_R_INVALID_COMMAND if chosen is None else SSL_R_NO_CIPHER_MATCH)
        return 0
    holder.change(ciphers12=chosen)
    return 1


def _set_ciphersuites(holder: Holder, string: str | bytes) -> int:
    _holder(holder)
    chosen = ciphers.ciphersuites(_text(string))
    if chosen is None:
        raise_ssl(SSL_R_NO_CIPHER_MATCH)
        return 0
    holder.change(ciphers13=chosen)
    return 1


def _set_groups(holder: Holder, string: str | bytes) -> int:
    _holder(holder)
    text = _text(string)
    chosen = ciphers.groups(text) if text else ()
    if chosen is None:
        raise_ssl(ERR_R_PASSED_INVALID_ARGUMENT)
        return 0
    if not chosen or len(set(chosen)) != len(chosen):
        return 0
    holder.change(groups=chosen)
    return 1


def _set_schemes(holder: Holder, string: str | bytes) -> int:
    _holder(holder)
    chosen = ciphers.schemes(_text(string))
    if chosen is None:
        return 0
    holder.change(schemes=chosen)
    return 1


def _set_session_id_context(holder: Holder, context: Readable, length: int) -> int:
    _holder(holder)
    if length > SSL_MAX_SID_CTX_LENGTH:
        raise_ssl(SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG)
        return 0
    holder.change(session_id_context=bytes(context)[:length])
    return 1


def _set_num_tickets(holder: Holder, number: int) -> int:
    _holder(holder).change(num_tickets=check_int(number, "a number of tickets"))
    return 1


def _text(string: str | bytes) -> str:
    if isinstance(string, str):
        return string
    if isinstance(string, bytes):
        return string.decode("latin-1")
    raise TypeError(f"text is expected, not {type(string).__name__}")


def _options(holder: Holder, options: int) -> int:
    holder.change(options=options)
    return options


def _mode(holder: Holder, mode: int) -> int:
    holder.change(mode=mode)
    return mode


def _checked(holder: Holder) -> int:
    return credentials.check_key(_holder(holder).settings.credentials)


def _set_max_early_data(holder: Holder, size: int) -> int:
    _holder(holder).change(max_early_data=check_int(size, "a size"))
    return 1


# -- on an SSL_CTX ---------------------------------------------------------------------------------


def SSL_CTX_use_certificate(ctx: SSL_CTX, x: x509.Certificate | bytes | None) -> int:
    """One's own certificate, without its issuers."""
    return _use_certificate(ctx, x)


def SSL_CTX_use_certificate_file(ctx: SSL_CTX, file: str | bytes, filetype: int) -> int:
    """One's own certificate from a file, without its issuers."""
    return _use_chain(_holder(ctx), credentials.read_certificate(file, filetype))


def SSL_CTX_use_certificate_chain_file(ctx: SSL_CTX, file: str | bytes) -> int:
    """One's own certificate and its issuers, in this order, from a PEM file."""
    return _use_chain(_holder(ctx), credentials.read_chain(file))


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


def SSL_CTX_set_verify(ctx: SSL_CTX, mode: int, callback: Callable[..., Any] | None) -> None:
    """Whether the peer's certificate counts: ``SSL_VERIFY_…``.

    ``callback(preverify_ok, x509_ctx)`` is asked about each certificate and returns 1 to go on.
    """
    _set_verify(ctx, mode, callback)


def SSL_CTX_set_verify_depth(ctx: SSL_CTX, depth: int) -> None:
    """How many issuers a path may have."""
    _holder(ctx).change(verify_depth=check_int(depth, "a depth"))


def SSL_CTX_get_verify_mode(ctx: SSL_CTX) -> int:
    """The mode: ``SSL_VERIFY_…``."""
    return _holder(ctx).settings.verify_mode


def SSL_CTX_get_verify_depth(ctx: SSL_CTX) -> int:
    """How many issuers a path may have; -1 where it was not said."""
    return _holder(ctx).settings.verify_depth


def SSL_CTX_set_cert_cb(ctx: SSL_CTX, callback: Callable[..., Any] | None, arg: Any) -> None:
    """``callback(ssl, arg)`` is called before a certificate is needed, and may set one.

    It returns 1, 0 to fail, or less to be called again (SSL_ERROR_WANT_X509_LOOKUP).
    """
    _holder(ctx).change(cert_cb=check_callback(callback), cert_arg=arg)


def SSL_CTX_set_alpn_protos(ctx: SSL_CTX, protos: Readable | None, protos_len: int) -> int:
    """The application protocols to offer, each behind a byte with its length. 0 is success."""
    return _set_alpn(ctx, protos, protos_len)


def SSL_CTX_set_min_proto_version(ctx: SSL_CTX, version: int) -> int:
    """The oldest version to speak; 0: the oldest there is."""
    return _bound(ctx, version, "min_version")


def SSL_CTX_set_max_proto_version(ctx: SSL_CTX, version: int) -> int:
    """The newest version to speak; 0: the newest there is."""
    return _bound(ctx, version, "max_version")


def SSL_CTX_get_min_proto_version(ctx: SSL_CTX) -> int:
    """The oldest version to speak; 0: the oldest there is."""
    return _holder(ctx).settings.min_version


def SSL_CTX_get_max_proto_version(ctx: SSL_CTX) -> int:
    """The newest version to speak; 0: the newest there is."""
    return _holder(ctx).settings.max_version


def SSL_CTX_set_cipher_list(ctx: SSL_CTX, string: str | bytes) -> int:
    """The cipher suites of TLS 1.2, as ciphers(1) describes them."""
    return _set_cipher_list(ctx, string)


def SSL_CTX_set_ciphersuites(ctx: SSL_CTX, string: str | bytes) -> int:
    """The cipher suites of TLS 1.3, by name."""
    return _set_ciphersuites(ctx, string)


def SSL_CTX_set1_groups_list(ctx: SSL_CTX, string: str | bytes) -> int:
    """The groups of the key exchange: ``"X25519:P-256"``."""
    return _set_groups(ctx, string)


def SSL_CTX_set1_sigalgs_list(ctx: SSL_CTX, string: str | bytes) -> int:
    """What the peer may sign with: ``"ECDSA+SHA256:ed25519"``."""
    return _set_schemes(ctx, string)


def SSL_CTX_set_options(ctx: SSL_CTX, options: int) -> int:
    """Adds options, ``SSL_OP_…``, and returns all."""
    return _options(ctx, _holder(ctx).settings.options | options)


def SSL_CTX_clear_options(ctx: SSL_CTX, options: int) -> int:
    """Takes options away, and returns what is left."""
    return _options(ctx, _holder(ctx).settings.options & ~options)


def SSL_CTX_get_options(ctx: SSL_CTX) -> int:
    """The options."""
    return _holder(ctx).settings.options


def SSL_CTX_set_mode(ctx: SSL_CTX, mode: int) -> int:
    """Adds modes, ``SSL_MODE_…``, and returns all."""
    return _mode(ctx, _holder(ctx).settings.mode | mode)


def SSL_CTX_clear_mode(ctx: SSL_CTX, mode: int) -> int:
    """Takes modes away, and returns what is left."""
    return _mode(ctx, _holder(ctx).settings.mode & ~mode)


def SSL_CTX_get_mode(ctx: SSL_CTX) -> int:
    """The modes."""
    return _holder(ctx).settings.mode


def SSL_CTX_set_session_id_context(ctx: SSL_CTX, context: Readable, length: int) -> int:
    """On a server: what sessions belong to; at most 32 bytes."""
    return _set_session_id_context(ctx, context, length)


def SSL_CTX_set_num_tickets(ctx: SSL_CTX, number: int) -> int:
    """On a server: how many TLS 1.3 tickets a client is given after the handshake."""
    return _set_num_tickets(ctx, number)


def SSL_CTX_get_num_tickets(ctx: SSL_CTX) -> int:
    """How many TLS 1.3 tickets a client is given."""
    return _holder(ctx).settings.num_tickets


def SSL_CTX_set_max_early_data(ctx: SSL_CTX, size: int) -> int:
    """On a server: how many bytes of early data a client may send."""
    return _set_max_early_data(ctx, size)


def SSL_CTX_get_max_early_data(ctx: SSL_CTX) -> int:
    """How many bytes of early data a client may send."""
    return _holder(ctx).settings.max_early_data


def SSL_CTX_set_post_handshake_auth(ctx: SSL_CTX, enabled: int) -> None:
    """On a client: whether the server may ask for a certificate after the handshake."""
    _holder(ctx).change(post_handshake_auth=bool(enabled))


def SSL_CTX_set_quiet_shutdown(ctx: SSL_CTX, mode: int) -> None:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    _holder(ctx).change(quiet_shutdown=bool(mode))


def SSL_CTX_get_quiet_shutdown(ctx: SSL_CTX) -> int:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    return int(_holder(ctx).settings.quiet_shutdown)


# -- on an SSL -------------------------------------------------------------------------------------


def SSL_use_certificate(ssl: SSL, x: x509.Certificate | bytes | None) -> int:
    """One's own certificate, without its issuers."""
    return _use_certificate(ssl, x)


def SSL_use_certificate_file(ssl: SSL, file: str | bytes, filetype: int) -> int:
    """One's own certificate from a file, without its issuers."""
    return _use_chain(_holder(ssl), credentials.read_certificate(file, filetype))


def SSL_use_certificate_chain_file(ssl: SSL, file: str | bytes) -> int:
    """One's own certificate and its issuers, in this order, from a PEM file."""
    return _use_chain(_holder(ssl), credentials.read_chain(file))


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


def SSL_set_verify(ssl: SSL, mode: int, callback: Callable[..., Any] | None) -> None:
    """Whether the peer's certificate counts: ``SSL_VERIFY_…``."""
    _set_verify(ssl, mode, callback)


def SSL_set_verify_depth(ssl: SSL, depth: int) -> None:
    """How many issuers a path may have."""
    _holder(ssl).change(verify_depth=check_int(depth, "a depth"))


def SSL_get_verify_mode(ssl: SSL) -> int:
    """The mode: ``SSL_VERIFY_…``."""
    return _holder(ssl).settings.verify_mode


def SSL_get_verify_depth(ssl: SSL) -> int:
    """How many issuers a path may have; -1 where it was not said."""
    return _holder(ssl).settings.verify_depth


def SSL_set_cert_cb(ssl: SSL, callback: Callable[..., Any] | None, arg: Any) -> None:
    """``callback(ssl, arg)`` is called before a certificate is needed, and may set one."""
    _holder(ssl).change(cert_cb=check_callback(callback), cert_arg=arg)


def SSL_set_alpn_protos(ssl: SSL, protos: Readable | None, protos_len: int) -> int:
    """The application protocols to offer, each behind a byte with its length. 0 is success."""
    return _set_alpn(ssl, protos, protos_len)


def SSL_set_min_proto_version(ssl: SSL, version: int) -> int:
    """The oldest version to speak; 0: the oldest there is."""
    return _bound(ssl, version, "min_version")


def SSL_set_max_proto_version(ssl: SSL, version: int) -> int:
    """The newest version to speak; 0: the newest there is."""
    return _bound(ssl, version, "max_version")


def SSL_get_min_proto_version(ssl: SSL) -> int:
    """The oldest version to speak; 0: the oldest there is."""
    return _holder(ssl).settings.min_version


def SSL_get_max_proto_version(ssl: SSL) -> int:
    """The newest version to speak; 0: the newest there is."""
    return _holder(ssl).settings.max_version


def SSL_set_cipher_list(ssl: SSL, string: str | bytes) -> int:
    """The cipher suites of TLS 1.2, as ciphers(1) describes them."""
    return _set_cipher_list(ssl, string)


def SSL_set_ciphersuites(ssl: SSL, string: str | bytes) -> int:
    """The cipher suites of TLS 1.3, by name."""
    return _set_ciphersuites(ssl, string)


def SSL_set1_groups_list(ssl: SSL, string: str | bytes) -> int:
    """The groups of the key exchange: ``"X25519:P-256"``."""
    return _set_groups(ssl, string)


def SSL_set1_sigalgs_list(ssl: SSL, string: str | bytes) -> int:
    """What the peer may sign with: ``"ECDSA+SHA256:ed25519"``."""
    return _set_schemes(ssl, string)


def SSL_set_options(ssl: SSL, options: int) -> int:
    """Adds options, ``SSL_OP_…``, and returns all."""
    return _options(ssl, _holder(ssl).settings.options | options)


def SSL_clear_options(ssl: SSL, options: int) -> int:
    """Takes options away, and returns what is left."""
    return _options(ssl, _holder(ssl).settings.options & ~options)


def SSL_get_options(ssl: SSL) -> int:
    """The options."""
    return _holder(ssl).settings.options


def SSL_set_mode(ssl: SSL, mode: int) -> int:
    """Adds modes, ``SSL_MODE_…``, and returns all."""
    return _mode(ssl, _holder(ssl).settings.mode | mode)


def SSL_clear_mode(ssl: SSL, mode: int) -> int:
    """Takes modes away, and returns what is left."""
    return _mode(ssl, _holder(ssl).settings.mode & ~mode)


def SSL_get_mode(ssl: SSL) -> int:
    """The modes."""
    return _holder(ssl).settings.mode


def SSL_set_session_id_context(ssl: SSL, context: Readable, length: int) -> int:
    """On a server: what sessions belong to; at most 32 bytes."""
    return _set_session_id_context(ssl, context, length)


def SSL_set_num_tickets(ssl: SSL, number: int) -> int:
    """On a server: how many TLS 1.3 tickets a client is given after the handshake."""
    return _set_num_tickets(ssl, number)


def SSL_get_num_tickets(ssl: SSL) -> int:
    """How many TLS 1.3 tickets a client is given."""
    return _holder(ssl).settings.num_tickets


def SSL_set_max_early_data(ssl: SSL, size: int) -> int:
    """On a server: how many bytes of early data a client may send."""
    return _set_max_early_data(ssl, size)


def SSL_get_max_early_data(ssl: SSL) -> int:
    """How many bytes of early data a client may send."""
    return _holder(ssl).settings.max_early_data


def SSL_set_post_handshake_auth(ssl: SSL, enabled: int) -> None:
    """On a client: whether the server may ask for a certificate after the handshake."""
    _holder(ssl).change(post_handshake_auth=bool(enabled))


def SSL_set_quiet_shutdown(ssl: SSL, mode: int) -> None:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    _holder(ssl).change(quiet_shutdown=bool(mode))


def SSL_get_quiet_shutdown(ssl: SSL) -> int:
    """Whether SSL_shutdown() neither sends nor waits for anything."""
    return int(_holder(ssl).settings.quiet_shutdown)


# -- on one of the two only ------------------------------------------------------------------------


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


def SSL_set_tlsext_host_name(ssl: SSL, name: str | bytes | None) -> int:
    """On a client: the name that the server is asked for. It is not what is verified."""
    check_ssl(ssl)
    if name is None:
        ssl.change(host_name=None)
        return 1
    try:
        ssl.change(host_name=check_name(_text(name)))
    except UsageError:
        raise_ssl(SSL_R_SSL3_EXT_INVALID_SERVERNAME)
        return 0
    return 1


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
        host = check_name(_text(name))
    except UsageError:
        return 0
    ssl.change(hosts=(*ssl.settings.hosts, host))
    return 1


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


def SSL_set_info_callback(ssl: SSL, callback: Callable[..., Any] | None) -> None:
    """``callback(ssl, where, ret)`` is told how the handshake goes."""
    check_ssl(ssl).info_callback = check_callback(callback)


def SSL_set_msg_callback(ssl: SSL, callback: Callable[..., Any] | None) -> None:
    """``callback(write_p, version, content_type, buf, len, ssl, arg)`` sees every message."""
    check_ssl(ssl).msg_callback = check_callback(callback)


def SSL_set_msg_callback_arg(ssl: SSL, arg: Any) -> int:
    """What the message callback is given last."""
    check_ssl(ssl).msg_argument = arg
    return 1
