"""What to agree on: versions, cipher suites, groups, signatures, application protocols."""

from __future__ import annotations

from ..errors import UsageError
from ..trust import check_name
from . import ciphers
from .arguments import as_text, check_int
from .bio_kinds import Readable
from .ciphers import SSL_CIPHER
from .connection import SSL
from .constants import (
    SSL3_VERSION,
    TLS1_3_VERSION,
)
from .context import SSL_CTX
from .errors import ERR_R_PASSED_INVALID_ARGUMENT, raise_ssl
from .holders import Holder, check_holder, check_ssl
from .reasons import (
    SSL_R_INVALID_COMMAND,
    SSL_R_NO_CIPHER_MATCH,
    SSL_R_SSL3_EXT_INVALID_SERVERNAME,
)


def _bound(holder: Holder, version: int, field: str) -> int:
    check_holder(holder)
    if version and not SSL3_VERSION <= check_int(version, "a version") <= TLS1_3_VERSION:
        return 0
    holder.change(**{field: version})
    return 1


def _set_alpn(holder: Holder, protos: Readable | None, length: int) -> int:
    check_holder(holder)
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
    check_holder(holder)
    chosen = ciphers.cipher_list(as_text(string))
    if not chosen:
        raise_ssl(SSL_R_INVALID_COMMAND if chosen is None else SSL_R_NO_CIPHER_MATCH)
        return 0
    holder.change(ciphers12=chosen)
    return 1


def _set_ciphersuites(holder: Holder, string: str | bytes) -> int:
    check_holder(holder)
    chosen = ciphers.ciphersuites(as_text(string))
    if chosen is None:
        raise_ssl(SSL_R_NO_CIPHER_MATCH)
        return 0
    holder.change(ciphers13=chosen)
    return 1


def _set_groups(holder: Holder, string: str | bytes) -> int:
    check_holder(holder)
    text = as_text(string)
    chosen = ciphers.groups(text) if text else ()
    if chosen is None:
        raise_ssl(ERR_R_PASSED_INVALID_ARGUMENT)
        return 0
    if not chosen or len(set(chosen)) != len(chosen):
        return 0
    holder.change(groups=chosen)
    return 1


def _set_schemes(holder: Holder, string: str | bytes) -> int:
    check_holder(holder)
    chosen = ciphers.schemes(as_text(string))
    if chosen is None:
        return 0
    holder.change(schemes=chosen)
    return 1


def _ciphers(holder: Holder) -> list[SSL_CIPHER]:
    settings = check_holder(holder).settings
    codes = (*settings.ciphers13, *settings.ciphers12)
    return [known for code in codes if (known := ciphers.cipher(code)) is not None]


# -- on an SSL_CTX --------------------------------------------------------------------------------


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
    return check_holder(ctx).settings.min_version


def SSL_CTX_get_max_proto_version(ctx: SSL_CTX) -> int:
    """The newest version to speak; 0: the newest there is."""
    return check_holder(ctx).settings.max_version


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


def SSL_CTX_set1_curves_list(ctx: SSL_CTX, string: str | bytes) -> int:
    """The older name of SSL_CTX_set1_groups_list()."""
    return SSL_CTX_set1_groups_list(ctx, string)


def SSL_CTX_get_ciphers(ctx: SSL_CTX) -> list[SSL_CIPHER]:
    """The cipher suites, in the order of preference."""
    return _ciphers(ctx)


# -- on an SSL ------------------------------------------------------------------------------------


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
    return check_holder(ssl).settings.min_version


def SSL_get_max_proto_version(ssl: SSL) -> int:
    """The newest version to speak; 0: the newest there is."""
    return check_holder(ssl).settings.max_version


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


def SSL_set_tlsext_host_name(ssl: SSL, name: str | bytes | None) -> int:
    """On a client: the name that the server is asked for. It is not what is verified."""
    check_ssl(ssl)
    if name is None:
        ssl.change(host_name=None)
        return 1
    try:
        ssl.change(host_name=check_name(as_text(name)))
    except UsageError:
        raise_ssl(SSL_R_SSL3_EXT_INVALID_SERVERNAME)
        return 0
    return 1


def SSL_set1_curves_list(ssl: SSL, string: str | bytes) -> int:
    """The older name of SSL_set1_groups_list()."""
    return SSL_set1_groups_list(ssl, string)


def SSL_get_ciphers(ssl: SSL) -> list[SSL_CIPHER]:
    """The cipher suites, in the order of preference."""
    return _ciphers(ssl)


def SSL_get_cipher_list(ssl: SSL, priority: int) -> str | None:
    """The name of the cipher suite at a place in the order of preference; None behind the last."""
    known = _ciphers(ssl)
    return known[priority].suite.openssl_name if 0 <= priority < len(known) else None
