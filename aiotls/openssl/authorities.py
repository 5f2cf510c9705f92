"""The authorities that a server names to its clients: SSL_CTX_set_client_CA_list(3).

A name is a ``cryptography.x509.Name``, and a ``STACK_OF(X509_NAME)`` a list of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from ..errors import UsageError
from ..trust.distinguished import subject_of
from .connection import SSL
from .context import SSL_CTX
from .credentials import read_anchors
from .holders import Holder, check_holder

X509_NAME = x509.Name

MAX_LENGTH = 8192
"""What a list may come to in a CertificateRequest, in bytes."""


def _encoded(names: Iterable[X509_NAME]) -> tuple[bytes, ...]:
    found = []
    for name in names:
        if not isinstance(name, X509_NAME):
            raise TypeError(f"an x509.Name is expected, not {type(name).__name__}")
        found.append(name.public_bytes())
    if sum(len(one) + 2 for one in found) > MAX_LENGTH:
        raise UsageError(f"the names of authorities have more than {MAX_LENGTH} bytes in all")
    return tuple(found)


def _set_list(holder: Holder, names: Iterable[X509_NAME] | None) -> None:
    encoded = None if names is None else _encoded(names)
    check_holder(holder).change(authorities=encoded)


def _add(holder: Holder, certificate: x509.Certificate | None) -> int:
    check_holder(holder)
    if certificate is None:
        return 0
    if not isinstance(certificate, x509.Certificate):
        raise TypeError(f"an x509.Certificate is expected, not {type(certificate).__name__}")
    names = [*_decoded(holder.settings.authorities or ()), subject_of(certificate)]
    holder.change(authorities=_encoded(names))
    return 1


def _decoded(names: Iterable[bytes]) -> list[X509_NAME]:
    """The names; without those that the library cannot read, which a peer may have sent."""
    found = []
    for name in names:
        try:
            found.append(x509.Name.from_bytes(name))
        except ValueError:
            continue
    return found


def SSL_load_client_CA_file(file: str | bytes) -> list[X509_NAME] | None:
    """The subjects of the certificates in a PEM file, each once; None where there are none."""
    certificates = read_anchors(file, None)
    if not certificates:
        return None
    return list(dict.fromkeys(subject_of(certificate) for certificate in certificates))


def SSL_CTX_set_client_CA_list(ctx: SSL_CTX, names: Iterable[X509_NAME] | None) -> None:
    """What connections of a server name to the clients that they ask for a certificate.

    Raises UsageError for more than a reasonable message holds.
    """
    _set_list(ctx, names)


def SSL_CTX_get_client_CA_list(ctx: SSL_CTX) -> list[X509_NAME] | None:
    """What was set; None where nothing was."""
    names = check_holder(ctx).settings.authorities
    return None if names is None else _decoded(names)


def SSL_CTX_add_client_CA(ctx: SSL_CTX, certificate: x509.Certificate | None) -> int:
    """Adds the subject of a certificate to the list; 0 for None."""
    return _add(ctx, certificate)


def SSL_set_client_CA_list(ssl: SSL, names: Iterable[X509_NAME] | None) -> None:
    """The same for one connection, in place of its context's list."""
    _set_list(ssl, names)


def SSL_get_client_CA_list(ssl: SSL) -> list[X509_NAME] | None:
    """On a server what was set here or in the context; on a client what the server has named."""
    check_holder(ssl)
    if not ssl.server:
        return SSL_get0_peer_CA_list(ssl)
    names = ssl.settings.authorities
    return None if names is None else _decoded(names)


def SSL_add_client_CA(ssl: SSL, certificate: x509.Certificate | None) -> int:
    """Adds the subject of a certificate to this connection's list; 0 for None."""
    return _add(ssl, certificate)


def SSL_get0_peer_CA_list(ssl: SSL) -> list[X509_NAME] | None:
    """The authorities that the server has named in its request; None where it made none."""
    check_holder(ssl)
    return None if ssl.peer_authorities is None else _decoded(ssl.peer_authorities)
