"""What can be wrong with a certificate, one function for each kind of reason.

The order in :func:`examine` is the order in which people can use the answers: an authority that
nobody knows comes before the dates of what it issued.
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
)

from ..enums import Alert
from .certificates import describe_key, find_extension, printable, title
from .distinguished import issuer_of, subject_of
from .refusal import Finding, Findings, Path, Question
from .validity import SHOWN_NAMES, examine_constraints, examine_dates, examine_name

MAX_DEPTH = 8


def examine(question: Question, path: Path, verdict: str) -> Findings:
    """Everything that is found wrong, the most telling first. *verdict* is the verifier's text."""
    found = False
    for finding in (
        *_broken_path(question, path),
        *_authorities(question, path),
        *_leaf(question, path),
        *examine_constraints(question, path, verdict),
        *examine_name(question, path),
        *examine_dates(question, path),
    ):
        found = True
        yield finding
    if not found:
        yield from _strictness(question, path)
        yield from _criticality(question, path, verdict)


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
                MAX_DEPTH + 1,
            )
        return
    if path.impostors:
        if not _is_weakly_signed(path.last):  # then it is that, and not they
            yield _impostor(question, path)
    elif subject_of(path.last) == issuer_of(path.last):
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
            path.top,
        )
    return Finding(
        Alert.BAD_CERTIFICATE,
        7,
        "certificate signature failure",
        f"The signature on {title(path.last)} was not made by {name}, whose name it bears. The "
        f"{question.peer}'s owner must find out which of the two certificates is the wrong one.",
        path.top,
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
            path.top,
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
    if question.store.by_subject.get(issuer_of(path.last)):
        hint = f"{path} <- {issuer}. "  # too many candidates to have looked at all of them
    forgotten = (
        f"its owner has to add it to the chain{f' ({url} has it)' if url else ''}, in most places "
        "by serving fullchain.pem instead of cert.pem."
    )
    trust = _how_to_trust(question, issuer)
    if path.last in question.store.intermediates:
        # Without X509_V_FLAG_PARTIAL_CHAIN OpenSSL says so of what it looked up itself.
        text = "unable to get issuer certificate"
        return Finding(Alert.UNKNOWN_CA, 2, text, hint + trust, path.top)
    if url is not None:
        # Who says where its issuer is to be found has an issuer that has to be sent.
        hint += f"An intermediate authority seems to be missing: {forgotten} {trust}"
    else:
        hint += f"{trust} If it is an intermediate authority that was not sent, {forgotten}"
    return Finding(Alert.UNKNOWN_CA, 20, "unable to get local issuer certificate", hint, path.top)


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
    for depth, authority in enumerate(path.certificates[1:], 1):
        whose = _who_mends(question, authority)
        if authority not in question.store and _is_weakly_signed(authority):
            yield _weak_digest(authority, title(authority), whose, depth)
        yield from _authority_key(authority, whose, depth)
        yield from _may_issue(question, path, depth, whose)


def _who_mends(question: Question, authority: x509.Certificate) -> str:
    if authority in question.store:
        return "It is among your anchors: its owner must reissue it."
    return f"The {question.peer} sent it: its owner must get a proper chain."


def _authority_key(authority: x509.Certificate, whose: str, depth: int) -> Findings:
    key = authority.public_key()
    who = title(authority)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        yield Finding(
            Alert.BAD_CERTIFICATE,
            67,
            "CA certificate key too weak",
            f"The authority {who} has {describe_key(key)}; 2048 are the least that is accepted. "
            f"{whose}",
            depth,
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
            depth,
        )
    elif not _is_accepted(key):
        yield Finding(
            Alert.UNSUPPORTED_CERTIFICATE,
            76,
            "Cannot find certificate signature algorithm",
            f"The authority {who} has {describe_key(key)}, which is not accepted: ECDSA on P-256, "
            f"P-384 or P-521, RSA and ML-DSA are. {whose}",
            depth,
        )


def _is_accepted(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    return isinstance(
        key,
        (rsa.RSAPublicKey, mldsa.MLDSA44PublicKey, mldsa.MLDSA65PublicKey, mldsa.MLDSA87PublicKey),
    )


def _may_issue(question: Question, path: Path, depth: int, whose: str) -> Findings:
    """Whether the authority at *depth* may issue others, and as many as there are below it."""
    authority = path.certificates[depth]
    who, below, between = title(authority), title(path.certificates[depth - 1]), depth - 1
    basic = find_extension(authority, ExtensionOID.BASIC_CONSTRAINTS)
    if basic is None or not basic.value.ca:
        what = "no basic constraints" if basic is None else "CA:FALSE in its basic constraints"
        yield Finding(
            Alert.UNKNOWN_CA,
            79,
            "invalid CA certificate",
            f"{who} issued {below} and has {what}: it is no authority. {whose}",
            depth,
        )
    elif basic.value.path_length is not None and between > basic.value.path_length:
        # The verifier also counts those that RFC 5280, section 4.2.1.9 leaves out, the self-issued.
        allowed = basic.value.path_length
        yield Finding(
            Alert.UNKNOWN_CA,
            25,
            "path length constraint exceeded",
            f"{who} allows {allowed or 'no'} authorit{'y' if allowed == 1 else 'ies'} below it, "
            f"and there {'is' if between == 1 else 'are'} {between}: {path}. {whose}",
            depth,
        )
    usage = find_extension(authority, ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.value.key_cert_sign:
        yield Finding(
            Alert.UNKNOWN_CA,
            32,
            "key usage does not include certificate signing",
            f"{who} issued {below}, and its key usage has no keyCertSign. {whose}",
            depth,
        )
    purposes = find_extension(authority, ExtensionOID.EXTENDED_KEY_USAGE)
    if purposes is not None and not _is_for(question, purposes.value):
        yield _wrong_purpose(question, f"The authority {who}", purposes.value, whose, depth)


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
                if subject_of(leaf) == issuer_of(leaf)
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


def _weak_digest(certificate: x509.Certificate, who: str, fix: str, depth: int = 0) -> Finding:
    algorithm = certificate.signature_hash_algorithm
    name = algorithm.name.upper() if algorithm is not None else "a weak hash"
    return Finding(
        Alert.BAD_CERTIFICATE,
        68,
        "CA signature digest algorithm too weak",
        f"{who} is signed with {name}. {fix}",
        depth,
    )


def _is_for(question: Question, purposes: x509.ExtendedKeyUsage) -> bool:
    wanted = ExtendedKeyUsageOID.CLIENT_AUTH if question.client else ExtendedKeyUsageOID.SERVER_AUTH
    return wanted in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes


def _wrong_purpose(
    question: Question, who: str, purposes: x509.ExtendedKeyUsage, fix: str, depth: int = 0
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
        depth,
    )


def _unknown_critical_extensions(certificate: x509.Certificate) -> list[str]:
    return [
        extension.oid.dotted_string
        for extension in certificate.extensions
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)
    ]


# -- what only the stricter profile asks for -------------------------------------------------------


def _strictness(question: Question, path: Path) -> Findings:
    if question.store.profile != "webpki":
        for depth, certificate in enumerate(path.certificates[1:-1], 1):
            if find_extension(certificate, ExtensionOID.KEY_USAGE) is None:
                yield _no_key_usage(certificate, "Its owner must have it reissued.", depth)
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
    for depth, certificate in enumerate(path.certificates[1:], 1):
        if find_extension(certificate, ExtensionOID.KEY_USAGE) is None:
            fix = relaxed if certificate in question.store else "It must be reissued with one."
            yield _no_key_usage(certificate, fix, depth)


def _no_key_usage(certificate: x509.Certificate, fix: str, depth: int) -> Finding:
    return Finding(
        Alert.BAD_CERTIFICATE,
        92,
        "CA cert does not include key usage extension",
        f"The authority {title(certificate)} has no key usage (RFC 5280, section 4.2.1.3). {fix}",
        depth,
    )


def _criticality(question: Question, path: Path, verdict: str) -> Findings:
    """Extensions of authorities that are critical and not known, or ought to be critical.

    The verifier names the extension, and of authorities not whose it is.
    """
    named = re.search(r"invalid extension: ([0-9.]+): ", verdict)
    if named is None or len(path.certificates) < 2:
        return
    oid = x509.ObjectIdentifier(named[1])
    for depth, authority in enumerate(path.certificates[1:], 1):
        found = find_extension(authority, oid)
        if found is None:
            continue
        who = f"The authority {title(authority)}"
        whose = _who_mends(question, authority)
        if found.critical and "unaccounted-for" in verdict:
            yield Finding(
                Alert.UNSUPPORTED_CERTIFICATE,
                34,
                "unhandled critical extension",
                f"{who} has a critical extension that is not known here: {named[1]}. {whose}",
                depth,
            )
        elif not found.critical and oid == ExtensionOID.BASIC_CONSTRAINTS:
            yield Finding(
                Alert.BAD_CERTIFICATE,
                89,
                "Basic Constraints of CA cert not marked critical",
                f"{who} has basic constraints that are not critical (RFC 5280, section 4.2.1.9). "
                f"{whose}",
                depth,
            )
