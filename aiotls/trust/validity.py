"""What a certificate is good for: which names, by whose leave, and when.

A part of :mod:`.examination`: names, name constraints and dates.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cryptography.x509.oid import ExtensionOID

from ..enums import Alert
from .certificates import (
    alternative_names,
    common_names,
    describe_span,
    describe_time,
    find_extension,
    printable,
    title,
)
from .names import covers, parse_address
from .refusal import Finding, Findings, Path, Question

SHOWN_NAMES = 5


def examine_constraints(question: Question, path: Path, verdict: str) -> Findings:
    """Name constraints (RFC 5280, section 4.2.1.10), on which only the verifier is to be asked."""
    if "name constraint" not in verdict:
        return
    for depth, authority in enumerate(path.certificates[1:], 1):
        extension = find_extension(authority, ExtensionOID.NAME_CONSTRAINTS)
        if extension is None:
            continue
        excluded = "excluded" in verdict
        trees = (
            extension.value.excluded_subtrees if excluded else extension.value.permitted_subtrees
        )
        yield Finding(
            Alert.BAD_CERTIFICATE,
            48 if excluded else 47,
            "excluded subtree violation" if excluded else "permitted subtree violation",
            f"{title(authority)} may {'not ' if excluded else 'only '}issue certificates for: "
            f"{_list([str(tree.value) for tree in trees or ()])}. The {question.peer}'s is for: "
            f"{_list(alternative_names(path.leaf))}. Its owner needs one from another authority.",
            depth,
        )


# -- the name --------------------------------------------------------------------------------------


def examine_name(question: Question, path: Path) -> Findings:
    """Whether the certificate is for the name that was asked for (RFC 9525)."""
    name = question.name
    if name is None:
        return
    names = alternative_names(path.leaf)
    address = parse_address(name)
    if address is not None:
        if str(address) not in names:
            text = f"IP address mismatch, certificate is not valid for '{name}'."
            yield Finding(Alert.BAD_CERTIFICATE, 64, text, _other_names(path, name, names))
    elif not any(covers(pattern.lower(), name) for pattern in names):
        text = f"Hostname mismatch, certificate is not valid for '{name}'."
        yield Finding(Alert.BAD_CERTIFICATE, 62, text, _other_names(path, name, names))


def _other_names(path: Path, name: str, names: Sequence[str]) -> str:
    """What the certificate is for, and which of it may have been meant."""
    asked = f'You asked for "{name}"'
    if not names:
        only = [common for common in common_names(path.leaf) if common.lower() == name]
        return (
            f"{asked}; the certificate has no subjectAltName. "
            + ("The name stands in its common name, where it does not count. " if only else "")
            + "The server's owner must have it reissued with the name as a subjectAltName."
        )
    hint = f"{asked}; the certificate is for: {_list(names)}. "
    wildcard = next((n for n in names if _spans_labels(n, name)), None)
    usable = [n for n in names if not n.startswith("*.")]
    close = difflib.get_close_matches(name, usable[:100], 1, 0.6)
    best = close[0] if close else usable[0] if usable else None
    if wildcard is not None:
        hint += f"{printable(wildcard)} stands for exactly one label in front of the rest. "
    if parse_address(name) is not None:
        hint += "Connect by a host name, or have the address added to the certificate. "
    if best is not None:
        hint += f'If you meant that server, ask for it: server_hostname="{printable(best)}". '
    return hint + "Otherwise a proxy or a default virtual host may have answered in its place."


def _spans_labels(pattern: str, name: str) -> bool:
    return pattern.startswith("*.") and (name.endswith(pattern[1:]) or name == pattern[2:])


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:SHOWN_NAMES]) or "nothing"
    more = len(names) - SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


# -- dates -----------------------------------------------------------------------------------------


def examine_dates(question: Question, path: Path) -> Findings:
    """Whether each certificate of the path is within its dates (RFC 5280, section 4.1.2.5)."""
    now = question.now
    clock = describe_time(now)
    for depth, certificate in enumerate(path.certificates):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        who = title(certificate)
        if certificate is path.leaf:
            who = f"The {question.peer}'s certificate, {who},"
            fix = f"The {question.peer}'s owner must renew it"
        elif certificate in question.store:
            who = f"The authority {who} in your trust store"
            source = question.store.source
            fix = "Update your trusted authorities" + (f" ({source})" if source != "memory" else "")
        else:
            who = f"The intermediate authority {who}, which the {question.peer} sent,"
            fix = f"The {question.peer}'s owner must replace it in the chain"
        if now > end:
            yield Finding(
                Alert.CERTIFICATE_EXPIRED,
                10,
                "certificate has expired",
                f"{who} expired {describe_span(now - end)} ago ({describe_time(end)}). This "
                f"machine's clock says {clock}. {fix}; if the clock is wrong, set it.",
                depth,
            )
        elif now < begin:
            yield Finding(
                Alert.CERTIFICATE_EXPIRED,  # RFC 8446, section 6.2: or is not currently valid
                9,
                "certificate is not yet valid",
                f"{who} is valid from {describe_time(begin)} on, {describe_span(begin - now)} "
                f"from now by this machine's clock ({clock}). A wrong clock is the usual cause.",
                depth,
            )
