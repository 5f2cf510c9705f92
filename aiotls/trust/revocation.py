"""Certificate revocation lists that the application provides: RFC 5280, sections 5 and 6.3.

Nothing is fetched here. A list counts if the certificate's issuer has signed it and it is within
its dates; of certificates whose issuer has no such list nothing is known, and that refuses them.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from ..enums import Alert
from ..errors import CertificateError, UsageError
from .certificates import UNREADABLE, title
from .distinguished import UNREADABLE_NAME, issuer_of

UNREADABLE_LIST = (
    *UNREADABLE,
    *UNREADABLE_NAME,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for a list, or a part of one, that is none."""


class RevocationLists:
    """A set of revocation lists, parsed. Raises UsageError for what is none."""

    def __init__(self, lists: Iterable[bytes | x509.CertificateRevocationList]) -> None:
        self._by_issuer: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
        for item in lists:
            try:
                parsed = x509.load_der_x509_crl(item) if isinstance(item, bytes) else item
                issuer = parsed.issuer
                # The library reads these when they are asked for, and for a certificate that is
                # being verified it would be too late to say that the list is none.
                _ = parsed.extensions, parsed.last_update_utc, parsed.next_update_utc
            except UNREADABLE_LIST as error:
                raise UsageError(f"a revocation list cannot be read: {error}") from error
            self._by_issuer.setdefault(issuer, []).append(parsed)

    @classmethod
    def from_pem(cls, data: bytes | str) -> RevocationLists:
        """From any number of lists in PEM, one after the other."""
        text = data.encode() if isinstance(data, str) else data
        begin, end = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
        blocks = [begin + part.split(end)[0] + end for part in text.split(begin)[1:]]
        if not blocks:
            raise UsageError("no '-----BEGIN X509 CRL-----' in the PEM")
        try:
            return cls([x509.load_pem_x509_crl(block) for block in blocks])
        except UNREADABLE_LIST as error:
            raise UsageError(f"a revocation list cannot be read: {error}") from error

    def __len__(self) -> int:
        return sum(map(len, self._by_issuer.values()))

    def check(
        self, path: Sequence[x509.Certificate], now: datetime.datetime, *, leaf_only: bool = False
    ) -> None:
        """Raises CertificateError unless nothing on *path* was revoked.

        *path* is verified, leaf first, its anchor last; the anchor itself is not looked up.
        """
        for certificate, issuer in itertools.pairwise(path[:2] if leaf_only else path):
            self.check_certificate(certificate, issuer, now)

    def check_certificate(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
    ) -> None:
        """The same for one certificate."""
        lists = self._by_issuer.get(issuer_of(certificate), [])
        problem: CertificateError | None = refuse(
            3,
            "unable to get certificate CRL",
            hint=f"No revocation list of {title(certificate, issuer=True)} was given.",
        )
        for revoked in lists:
            problem = what_is_wrong(revoked, issuer, now)
            if problem is None:
                entry = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if entry is not None:
                    raise refuse(23, "certificate revoked", Alert.CERTIFICATE_REVOKED)
                return
        if problem is not None:
            raise problem


def what_is_wrong(
    revoked: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime.datetime
) -> CertificateError | None:
    """Why a revocation list cannot be relied on; None where it can."""
    key = issuer.public_key()
    try:
        valid = revoked.is_signature_valid(key)  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        valid = False
    if not valid:
        return refuse(8, "CRL signature failure")
    if not may_sign_lists(issuer):
        return refuse(35, "key usage does not include CRL signing")
    if any(
        extension.critical and extension.oid != ExtensionOID.CRL_NUMBER
        for extension in revoked.extensions
    ):
        # Among them: a list for some certificates only, or of the changes since another.
        return refuse(36, "unhandled critical CRL extension")
    if now < revoked.last_update_utc:
        return refuse(11, "CRL is not yet valid")
    if revoked.next_update_utc is not None and now > revoked.next_update_utc:
        return refuse(12, "CRL has expired")
    return None


def may_sign_lists(issuer: x509.Certificate) -> bool:
    """RFC 5280, section 6.3.3 (f): cRLSign, where there is a key usage at all."""
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except ValueError:  # what cannot be read allows nothing
        return False


def refuse(
    code: int, message: str, alert: Alert = Alert.BAD_CERTIFICATE, hint: str | None = None
) -> CertificateError:
    """A refusal with OpenSSL's number and words (X509_STORE_CTX_get_error(3))."""
    return CertificateError(
        alert,
        f"certificate verify failed: {message}",
        verify_code=code,
        verify_message=message,
        hint=hint,
    )
