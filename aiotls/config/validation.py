"""What the fields of a configuration may hold: each function raises UsageError for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..enums import CertificateType
from ..errors import UsageError
from ..identity import Identity


def known(
    kind: type[Any], values: Sequence[Any], implemented: Any, what: str, *, empty: bool = False
) -> tuple[Any, ...]:
    """The values as members of *kind*; raises UsageError for one that is not implemented."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise UsageError(f"a list of {what}s is expected, not {values!r}")
    members = []
    for value in values:
        if isinstance(value, str):
            named = {member.name.lower(): member for member in kind}
            value = named.get(value.lower(), value)
        if value not in implemented:
            shown = kind.label(value) if isinstance(value, int) else repr(value)
            spoken = ", ".join(kind.label(one) for one in implemented)
            raise UsageError(
                f"{shown} is not a {what} that is spoken here", hint=f"These are: {spoken}."
            )
        members.append(kind(value))
    if not members and not empty:
        raise UsageError(f"at least one {what} is needed")
    if len(set(members)) != len(members):
        raise UsageError(f"a {what} stands twice in the list")
    return tuple(members)


def known_types(types: Sequence[CertificateType]) -> tuple[CertificateType, ...]:
    """The values as certificate types."""
    return known(CertificateType, types, tuple(CertificateType), "certificate type")


def known_identities(
    identity: Identity | None, identities: Sequence[Identity]
) -> tuple[Identity, ...]:
    """All that are given, in either way."""
    if isinstance(identities, Identity):
        raise UsageError("identities is a list; a single one is given as identity=")
    found = tuple(identities)
    if identity is not None:
        if found not in ((), (identity,)):  # replace() passes on both
            raise UsageError("give either identity or identities, not both")
        found = (identity,)
    for one in found:
        if not isinstance(one, Identity):
            raise UsageError(f"an Identity is expected, not {type(one).__name__}")
    return found


def known_alpn_name(name: str | bytes) -> str | bytes:
    """The name itself (RFC 7301, section 3.1)."""
    if not isinstance(name, (str, bytes)):
        raise UsageError(f"an ALPN name is text or bytes, not {type(name).__name__}")
    length = len(name.encode() if isinstance(name, str) else name)
    if not 1 <= length <= 255:
        raise UsageError(f"the ALPN name {name!r} has {length} bytes, not 1 to 255 (RFC 7301)")
    return name


def check_raw_key(key: bytes) -> None:
    """Raises UsageError for what is no SubjectPublicKeyInfo."""
    try:
        load_der_public_key(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"a raw public key is a SubjectPublicKeyInfo in DER: {error}",
            hint="key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)",
        ) from error
