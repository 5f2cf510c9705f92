"""Server names: what a client may ask for, and which names a certificate covers."""

from __future__ import annotations

import ipaddress
import re

from ..errors import UsageError

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LABEL_OR_UNDERSCORES = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_name(name: str, *, verified: bool = True) -> str:
    """The name of a server as it is verified and as it is sent: normal form, or UsageError.

    A host name comes back in lower case and as A-labels (RFC 5890, section 2.3.2.1), without the
    dot that ends an absolute name. An address comes back in its shortest form and without an
    interface's scope, which no certificate can name. Underscores are refused: they are in no host
    name (RFC 952), and validation knows no certificate for one; but a name that is not *verified*
    may have them, as those of containers do, and only tells the server whom it is asked for.
    """
    if not isinstance(name, str):
        raise UsageError(f"a server name is text, not {type(name).__name__}")
    if not name:
        raise UsageError("the server name is empty")
    address = parse_address(name)
    if address is not None:
        return str(address)
    try:
        ascii_name = name.lower() if name.isascii() else name.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _refuse(name, f"it is no internationalised host name: {error}") from error
    ascii_name = ascii_name.removesuffix(".")
    if len(ascii_name) > 253:
        raise _refuse(name, f"it has {len(ascii_name)} characters; a host name has at most 253")
    labels = ascii_name.split(".")
    legal = _LABEL if verified else _LABEL_OR_UNDERSCORES
    for label in labels:
        if not legal.fullmatch(label):
            raise _refuse(name, _what_is_wrong(ascii_name, label), _what_to_do(name))
    if labels[-1].isdecimal():
        raise _refuse(name, "its last label is a number, but it is no address of four numbers")
    return ascii_name


def parse_address(name: str) -> IPAddress | None:
    """The IP address that *name* spells, without a scope; None where it is no address."""
    if ":" not in name and not name[-1:].isdecimal():
        return None  # the usual case, without the price of an exception
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return ipaddress.IPv6Address(int(address))
    return address


def covers(pattern: str, name: str) -> bool:
    """Whether a name in a certificate covers a host name; both are in lower case.

    A wildcard is a whole label, the first, and stands for exactly one (RFC 9525, section 6.3).
    This selects among a server's own certificates and explains failures; a peer's are verified
    elsewhere.
    """
    if not pattern.startswith("*."):
        return pattern == name
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:]


def _refuse(name: str, why: str, hint: str | None = None) -> UsageError:
    shown = name if len(name) <= 80 else name[:80] + "…"
    return UsageError(f"{shown!r} is not a server name: {why}", hint=hint)


def _what_is_wrong(name: str, label: str) -> str:
    if not label:
        return "it begins with a dot" if name.startswith(".") else "a label is empty"
    if "_" in label:
        return f"the label {label!r} has an underscore, which no host name may have"
    if label == "*":
        return "a wildcard stands in certificates, not in the name that is asked for"
    if len(label) > 63:
        return f"a label has {len(label)} characters; at most 63 are allowed"
    if label.startswith("-") or label.endswith("-"):
        return f"the label {label!r} begins or ends with a hyphen"
    return f"{label!r} has characters other than letters, digits and hyphens"


def _what_to_do(name: str) -> str | None:
    if _URL.match(name):
        return "Give the host alone, without scheme and path."
    if name.startswith("[") and "]" in name:
        return "Give an IPv6 address without brackets."
    host, colon, port = name.rpartition(":")
    if colon and port.isdecimal() and host:
        return f"Give the host alone, without the port: {host!r}."
    if "_" in name:
        return "Reach the server by a name without underscores, which its certificate also has."
    return None
