"""What can be wrong with a certificate, one function for each kind of reason.

The order in :func:`examine` is the order in which people can use the answers: an authority that
nobody knows comes before the dates of what it issued.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
)

from ..enums import Alert
from .certificates import (
    alternative_names,
    common_names,
    describe_key,
    describe_span,
    describe_time,
    find_extension,
    printable,
    title,
)
from .names import covers, parse_address
from .refusal import Finding, Findings, Path, Question

SHOWN_NAMES = 5
MAX_DEPTH = 8


def examine(question: Question, path: Path, verdict: str) -> Findings:
    """Everything that is found wrong, the most telling first. *verdict* is the verifier's text."""
    found = False
    for finding in (
        *_broken_path(question, path),
        *_authorities(question, path),
        *_leaf(question, path),
        *_constraints(question, path, verdict),
        *_name(question, path),
        *_dates(question, path),
    ):
        found = True
        yield finding
    if not found:
        yield from _strictness(question, path)


# -- the path --------------------------------------------------------------------------------------


def _broken_path(question: Question, path: Path) -> Findings:
    if path.anchored:
        if len(path.certificates) > MAX_DEPTH + 1:
            yield Finding(
                Alert.UNKNOWN_CA,
                22,
                "certificate chain too long",
                f"There are {len(path.certificates) - 1} authorities between the "
                f"{question.peer}'s certificate and the anchor; {MAX_DEPTH} are accepted.",
            )
        return
    if path.impostors:
        if not _is_weakly_signed(path.last):  # then it is that, and not they
            yield _impostor(question, path)
    elif path.last.subject == path.last.issuer:
        yield _self_signed(question, path)
    else:
        yield _unknown_issuer(question, path)


def _impostor(question: Question, path: Path) -> Finding:
    """An issuer of the right name with another key: reissued, or the signature is broken."""
    known = next((c for c in path.impostors if c in question.store), None)
    name = title(path.last, issuer=True)
    if known is not None and not _same_key_identifier(path.last, known):
        return Finding(
            Alert.UNKNOWN_CA,
            20,
            "unable to get local issuer certificate",
            f"{path} is signed by {name}. There is an authority of this name in "
            f"{_describe_store(question)}, but with another key. It was probably made anew: "
            f"either your copy of its certificate is an old one, or the {question.peer}'s "
            "certificate is.",
        )
    return Finding(
        Alert.BAD_CERTIFICATE,
        7,
        "certificate signature failure",
        f"The signature on {title(path.last)} was not made by {name}, whose name it bears. The "
        f"{question.peer}'s owner must find out which of the two certificates is the wrong one.",
    )


def _same_key_identifier(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the certificate means this issuer, as far as the two say (RFC 5280, 4.2.1.1)."""
    theirs = find_extension(certificate, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    own = find_extension(issuer, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    if theirs is None or own is None or theirs.value.key_identifier is None:
        return False
    return bool(theirs.value.key_identifier == own.value.digest)


def _self_signed(question: Question, path: Path) -> Finding:
    store = _describe_store(question)
    if len(path.certificates) > 1:
        return Finding(
            Alert.UNKNOWN_CA,
            19,
            "self-signed certificate in certificate chain",
            f"{path}, which is not in {store}. {_how_to_trust(question, title(path.last))}",
        )
    fingerprint = path.leaf.fingerprint(hashes.SHA256()).hex(":")
    hint = (
        f"{title(path.leaf)} vouches for itself and is not in {store}. Its SHA-256 fingerprint is "
        f"{fingerprint}. "
    )
    if question.client:
        hint += "If you know it to be right, add it to the server's trust."
    else:
        hint += (
            "If you know from elsewhere that this is right, trust this very certificate: "
            'TrustStore.from_files("server.pem", profile="private-pki"). If it is for all the '
            "world, its owner needs one from a public authority."
        )
    return Finding(Alert.UNKNOWN_CA, 18, "self-signed certificate", hint)


def _unknown_issuer(question: Question, path: Path) -> Finding:
    issuer = title(path.last, issuer=True)
    count = len(question.chain)
    sent = f"The {question.peer} sent {count} certificate{'s' if count > 1 else ''}"
    url = _issuer_url(path.last)
    hint = (
        f"{path} <- {issuer}, which is not in {_describe_store(question)}. {sent}, none of them "
        f"{issuer}. "
    )
    if question.store.by_subject.get(path.last.issuer):
        hint = f"{path} <- {issuer}. "  # too many candidates to have looked at all of them
    forgotten = (
        f"its owner has to add it to the chain{f' ({url} has it)' if url else ''}, in most places "
        "by serving fullchain.pem instead of cert.pem."
    )
    trust = _how_to_trust(question, issuer)
    if path.last in question.store.intermediates:
        # Without X509_V_FLAG_PARTIAL_CHAIN OpenSSL says so of what it looked up itself.
        return Finding(Alert.UNKNOWN_CA, 2, "unable to get issuer certificate", hint + trust)
    if url is not None:
        # Who says where its issuer is to be found has an issuer that has to be sent.
        hint += f"An intermediate authority seems to be missing: {forgotten} {trust}"
    else:
        hint += f"{trust} If it is an intermediate authority that was not sent, {forgotten}"
    return Finding(Alert.UNKNOWN_CA, 20, "unable to get local issuer certificate", hint)


def _how_to_trust(question: Question, authority: str) -> str:
    if question.client:
        return f"If {authority} is yours to trust, add its certificate to the server's trust."
    return (
        f"If {authority} is an authority of your company or your own, trust it: "
        'ClientConfig(trust=TrustStore.from_files("ca.pem")), or SSL_CERT_FILE=ca.pem in the '
        "environment."
    )


def _describe_store(question: Question) -> str:
    store = question.store
    if len(store) <= 3:
        names = ", ".join(title(certificate) for certificate in store.certificates)
        return f"your trust store, which has {names}"
    return f"your {len(store)} trusted authorities from {store.source}"


def _issuer_url(certificate: x509.Certificate) -> str | None:
    """Where a certificate's issuer can be had (RFC 5280, section 4.2.2.1)."""
    access = find_extension(certificate, ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
    for entry in () if access is None else access.value:
        location = entry.access_location
        if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return printable(location.value, 200)
    return None


# -- authorities -----------------------------------------------------------------------------------


def _authorities(question: Question, path: Path) -> Findings:
    for depth, authority in enumerate(path.certificates[1:]):
        whose = (
            "It is among your anchors: its owner must reissue it."
            if authority in question.store
            else f"The {question.peer} sent it: its owner must get a proper chain."
        )
        if authority not in question.store and _is_weakly_signed(authority):
            yield _weak_digest(authority, title(authority), whose)
        yield from _authority_key(authority, whose)
        yield from _may_issue(question, path, authority, depth, whose)


def _authority_key(authority: x509.Certificate, whose: str) -> Findings:
    key = authority.public_key()
    who = title(authority)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield Finding(
            Alert.BAD_CERTIFICATE,
            67,
            "CA certificate key too weak",
            f"The authority {who} has {describe_key(key)}; 2048 are the least that is accepted. "
            f"{whose}",
        )
    elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            76,
            "Cannot find certificate signature algorithm",
            f"The authority {who} signs with {describe_key(key)}. Certificates are accepted from "
            "authorities with ECDSA keys on P-256, P-384 or P-521, RSA keys and ML-DSA keys. Such "
            "a key is fine in the peer's own certificate: make the authority anew with P-256, and "
            "have it reissue what it has issued.",
        )
    elif not _is_accepted(key):
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            76,
            "Cannot find certificate signature algorithm",
            f"The authority {who} has {describe_key(key)}, which is not accepted: ECDSA on P-256, "
            f"P-384 or P-521, RSA and ML-DSA are. {whose}",
        )


def _is_accepted(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    return isinstance(
        key,
        (rsa.RSAPublicKey, mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey),
    )


def _may_issue(
    question: Question, path: Path, authority: x509.Certificate, depth: int, whose: str
) -> Findings:
    """Whether a certificate may issue others, and as many below it as *depth* says."""
    who, below = title(authority), title(path.certificates[depth])
    basic = find_extension(authority, ExtensionOID.BASIC_CONSTRAINTS)
    if basic is None or not basic.value.ca:
        what = "no basic constraints" if basic is None else "CA:FALSE in its basic constraints"
        yield Finding(
            Alert.UNKNOWN_CA,
            79,
            "invalid CA certificate",
            f"{who} issued {below} and has {what}: it is no authority. {whose}",
        )
    elif basic.value.path_length is not None and depth > basic.value.path_length:
        # The verifier also counts those that RFC 5280, section 4.2.1.9 leaves out, the self-issued.
        allowed = basic.value.path_length
        yield Finding(
            Alert.UNKNOWN_CA,
            25,
            "path length constraint exceeded",
            f"{who} allows {allowed or 'no'} authorit{'y' if allowed == 1 else 'ies'} below it, "
            f"and there {'is' if depth == 1 else 'are'} {depth}: {path}. {whose}",
        )
    usage = find_extension(authority, ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.value.key_cert_sign:
        yield Finding(
            Alert.UNKNOWN_CA,
            32,
            "key usage does not include certificate signing",
            f"{who} issued {below}, and its key usage has no keyCertSign. {whose}",
        )
    purposes = find_extension(authority, ExtensionOID.EXTENDED_KEY_USAGE)
    if purposes is not None and not _is_for(question, purposes.value):
        yield _wrong_purpose(question, f"The authority {who}", purposes.value, whose)


# -- the leaf --------------------------------------------------------------------------------------


def _leaf(question: Question, path: Path) -> Findings:
    leaf = path.leaf
    who = f"The {question.peer}'s certificate"
    fix = f"The {question.peer}'s owner must have it reissued."
    basic = find_extension(leaf, ExtensionOID.BASIC_CONSTRAINTS)
    if basic is not None and basic.value.ca:
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            37,
            "invalid non-CA certificate (has CA markings)",
            f"{who} is an authority's (CA:TRUE in its basic constraints) and not a "
            f"{question.peer}'s. "
            + (
                "With openssl req -x509 add: -addext basicConstraints=critical,CA:FALSE"
                if leaf.subject == leaf.issuer
                else fix
            ),
        )
        return  # its key usage is an authority's too
    usage = find_extension(leaf, ExtensionOID.KEY_USAGE)
    if usage is not None and usage.value.key_cert_sign:
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            82,
            "Key usage keyCertSign invalid for non-CA cert",
            f"{who} has keyCertSign in its key usage, which is for authorities alone. {fix}",
        )
    purposes = find_extension(leaf, ExtensionOID.EXTENDED_KEY_USAGE)
    if purposes is not None and not _is_for(question, purposes.value):
        yield _wrong_purpose(question, who, purposes.value, fix)
    if _is_weakly_signed(leaf):
        yield _weak_digest(leaf, who, fix)
    unknown = _unknown_critical_extensions(leaf)
    if unknown:
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            34,
            "unhandled critical extension",
            f"{who} has critical extensions that are not known here: {', '.join(unknown)}. {fix}",
        )


def _is_weakly_signed(certificate: x509.Certificate) -> bool:
    """Whether by a hash that nothing is believed by: a signature with it is not even looked at."""
    weak = (hashes.MD5, hashes.SHA1, hashes.SHA224)
    return isinstance(certificate.signature_hash_algorithm, weak)


def _weak_digest(certificate: x509.Certificate, who: str, fix: str) -> Finding:
    algorithm = certificate.signature_hash_algorithm
    name = algorithm.name.upper() if algorithm is not None else "a weak hash"
    return Finding(
        Alert.BAD_CERTIFICATE,
        68,
        "CA signature digest algorithm too weak",
        f"{who} is signed with {name}. {fix}",
    )


def _is_for(question: Question, purposes: x509.ExtendedKeyUsage) -> bool:
    wanted = ExtendedKeyUsageOID.CLIENT_AUTH if question.client else ExtendedKeyUsageOID.SERVER_AUTH
    return wanted in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes


def _wrong_purpose(
    question: Question, who: str, purposes: x509.ExtendedKeyUsage, fix: str
) -> Finding:
    found = ", ".join(
        purpose._name if purpose._name != "Unknown OID" else purpose.dotted_string
        for purpose in list(purposes)[:SHOWN_NAMES]
    )
    return Finding(
        Alert.UNSUPPORTED_CERTIFICATE,
        26,
        "unsuitable certificate purpose",
        f"{who} is for {found} and not for {question.peer}Auth (extended key usage). {fix}",
    )


def _unknown_critical_extensions(certificate: x509.Certificate) -> list[str]:
    return [
        extension.oid.dotted_string
        for extension in certificate.extensions
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
    ]


def _constraints(question: Question, path: Path, verdict: str) -> Findings:
    """Name constraints (RFC 5280, section 4.2.1.10), on which only the verifier is to be asked."""
    if "name constraint" not in verdict:
        return
    for authority in path.certificates[1:]:
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
        )


# -- the name --------------------------------------------------------------------------------------


def _name(question: Question, path: Path) -> Findings:
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


def _dates(question: Question, path: Path) -> Findings:
    now = question.now
    clock = describe_time(now)
    for certificate in path.certificates:
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
            )
        elif now < begin:
            yield Finding(
                Alert.CERTIFICATE_EXPIRED,  # RFC 8446, section 6.2: or is not currently valid
                9,
                "certificate is not yet valid",
                f"{who} is valid from {describe_time(begin)} on, {describe_span(begin - now)} "
                f"from now by this machine's clock ({clock}). A wrong clock is the usual cause.",
            )


# -- what only the stricter profile asks for -------------------------------------------------------


def _strictness(question: Question, path: Path) -> Findings:
    if question.store.profile != "webpki":
        intermediates = path.certificates[1:-1]
        for certificate in intermediates:
            if find_extension(certificate, ExtensionOID.KEY_USAGE) is None:
                yield _no_key_usage(certificate, "Its owner must have it reissued.")
        return
    relaxed = (
        'For authorities of your own there is TrustStore.from_files(..., profile="private-pki"), '
        "which does not insist."
    )
    if find_extension(path.leaf, ExtensionOID.AUTHORITY_KEY_IDENTIFIER) is None:
        yield Finding(
            Alert.BAD_CERTIFICATE,
            85,
            "Missing Authority Key Identifier",
            f"The {question.peer}'s certificate does not say which key of its issuer's signed it "
            f"(RFC 5280, section 4.2.1.1). {relaxed}",
        )
    for certificate in path.certificates[1:]:
        if find_extension(certificate, ExtensionOID.KEY_USAGE) is None:
            anchor = certificate in question.store
            yield _no_key_usage(certificate, relaxed if anchor else "It must be reissued with one.")


def _no_key_usage(certificate: x509.Certificate, fix: str) -> Finding:
    return Finding(
        Alert.BAD_CERTIFICATE,
        92,
        "CA cert does not include key usage extension",
        f"The authority {title(certificate)} has no key usage (RFC 5280, section 4.2.1.3). {fix}",
    )
