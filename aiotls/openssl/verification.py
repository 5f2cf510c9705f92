"""The peer's certificate, and what an application's callbacks may say to it.

X509_STORE_CTX_get_error(3), SSL_CTX_set_verify(3), SSL_CTX_set_cert_verify_callback(3). Paths and
names are the trust store's to judge; kept here are OpenSSL's books about it: which finding at which
depth, who was asked about it, and what counts in the end. Certificates are ``cryptography``'s.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import CertificateError
from ..trust import TrustStore, parse_certificate
from ..trust.certificates import alternative_names
from ..trust.distinguished import issuer_of, subject_of
from ..trust.names import covers, parse_address
from .constants import SSL_VERIFY_NONE
from .errors import ERR_R_ASN1_LIB, raise_ssl
from .findings import (
    X509_V_ERR_CERT_HAS_EXPIRED,
    X509_V_ERR_CERT_NOT_YET_VALID,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
    X509_V_ERR_HOSTNAME_MISMATCH,
    X509_V_ERR_IP_ADDRESS_MISMATCH,
    X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    X509_V_ERR_UNSPECIFIED,
    X509_V_OK,
    X509_verify_cert_error_string,
    alert_for,
)

if TYPE_CHECKING:
    from .connection import SSL

Chain = list[x509.Certificate]

_NAMES = (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH)
"""What is found where the certificate has another name, or another address."""


class X509_STORE:
    """The anchors of a context."""

    def __init__(self) -> None:
        self._anchors: dict[bytes, x509.Certificate] = {}
        self._trust: TrustStore | None = None

    def __len__(self) -> int:
        return len(self._anchors)

    def __contains__(self, certificate: object) -> bool:
        if isinstance(certificate, x509.Certificate):
            certificate = certificate.public_bytes(Encoding.DER)
        return certificate in self._anchors

    def add(self, certificate: x509.Certificate) -> None:
        """Believes one more."""
        self._anchors.setdefault(certificate.public_bytes(Encoding.DER), certificate)
        self._trust = None

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """The anchor that has issued a certificate, if there is one."""
        for anchor in self._anchors.values():
            if subject_of(anchor) == issuer_of(certificate):
                try:
                    certificate.verify_directly_issued_by(anchor)
                except (ValueError, TypeError, InvalidSignature):
                    continue
                return anchor
        return None

    @property
    def trust(self) -> TrustStore | None:
        """The same anchors for the engine; None where there are none."""
        if self._trust is None and self._anchors:
            self._trust = TrustStore(
                self._anchors.values(), profile="private-pki", source="the SSL_CTX"
            )
        return self._trust


def X509_STORE_add_cert(store: X509_STORE, certificate: x509.Certificate) -> int:
    """Believes one more certificate."""
    if not isinstance(store, X509_STORE):
        raise TypeError(f"an X509_STORE is expected, not {type(store).__name__}")
    found = as_certificate(certificate)
    if found is None:
        return 0
    store.add(found)
    return 1


def as_certificate(certificate: object) -> x509.Certificate | None:
    """A certificate of ``cryptography``'s, from one or from DER; None for DER that is none."""
    if isinstance(certificate, bytes):
        try:
            return parse_certificate(certificate)
        except CertificateError:
            raise_ssl(ERR_R_ASN1_LIB)
            return None
    if not isinstance(certificate, x509.Certificate):
        raise TypeError(
            f"a cryptography.x509.Certificate is expected, not {type(certificate).__name__}"
        )
    return certificate


class X509_STORE_CTX:
    """One verification: what is being verified, and what was found so far."""

    def __init__(
        self, ssl: SSL, chain: Chain, hosts: Sequence[str], now: datetime.datetime
    ) -> None:
        self.ssl = ssl
        self.untrusted = chain
        self.hosts = hosts
        self.now = now
        self.error = X509_V_OK
        self.error_depth = 0
        self.current: x509.Certificate | None = chain[0] if chain else None
        self.path: Chain = []
        """From the peer's certificate to the anchor, or as far as one was found."""

    def search(self) -> int:
        """The path; returns what was found to be wrong: ``X509_V_ERR_…``."""
        chain = self.untrusted
        store = self.ssl.ctx.cert_store
        self.path = chain[:1] if chain[0] in store else chain
        if chain[0] not in store and store.trust is None:
            return _without_anchor(chain)
        encoded = [certificate.public_bytes(Encoding.DER) for certificate in chain]
        if chain[0] in store:
            return self._judge_anchor(chain[0])
        finding = X509_V_OK
        for host in self.hosts or (None,):
            try:
                self.path = self._verify(store.trust, encoded, host)
            except CertificateError as error:
                finding = error.verify_code
            else:
                return X509_V_OK
        if finding in _NAMES:
            # The path is complete: only the name is wrong.
            with contextlib.suppress(CertificateError):
                self.path = self._verify(store.trust, encoded, None)
        return finding

    def _verify(self, trust: TrustStore | None, encoded: list[bytes], host: str | None) -> Chain:
        if trust is None:
            raise ValueError("there are no anchors")
        if self.ssl.server:
            return trust.verify_client(encoded, now=self.now)
        return trust.verify_server(encoded, host, now=self.now)

    def _judge_anchor(self, leaf: x509.Certificate) -> int:
        """A certificate that is an anchor itself needs no path, but its dates and names count."""
        if self.now < leaf.not_valid_before_utc:
            return X509_V_ERR_CERT_NOT_YET_VALID
        if self.now > leaf.not_valid_after_utc:
            return X509_V_ERR_CERT_HAS_EXPIRED
        if not self.hosts or self._is_named():
            return X509_V_OK
        return _NAMES[parse_address(self.hosts[0]) is not None]

    def _is_named(self) -> bool:
        """Whether the peer's certificate has one of the names."""
        return any(_is_for(self.untrusted[0], host) for host in self.hosts)

    def depth_of(self, finding: int) -> int:
        """At which certificate something was found."""
        if finding in (
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        ):
            return len(self.path) - 1
        if finding in (X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID):
            for depth, certificate in reversed(list(enumerate(self.path))):
                dates = certificate.not_valid_before_utc, certificate.not_valid_after_utc
                if not dates[0] <= self.now <= dates[1]:
                    return depth
        return 0

    def verify(self) -> int:
        """X509_verify_cert(3): 1 or 0; the callback of SSL_CTX_set_verify() has its say."""
        accepted = self._verify_path()
        if not accepted and self.error == X509_V_OK:
            self.error = X509_V_ERR_UNSPECIFIED
        return accepted

    def _verify_path(self) -> int:
        finding = self.search()
        path = self.path
        depth = self.depth_of(finding)
        dates = (X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID)
        if finding not in (X509_V_OK, *dates):
            if not self._ask(0, finding, depth):
                return 0
            if finding not in _NAMES and self.hosts and not self._is_named():
                address = parse_address(self.hosts[0]) is not None
                if not self._ask(0, _NAMES[address], 0):
                    return 0
            if finding == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY and not self._ask(
                0, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, depth
            ):
                return 0
        for place in range(len(path) - 1, -1, -1):
            if finding in dates and place == depth and not self._ask(0, finding, place):
                return 0
            if not self._ask(1, None, place):
                return 0
        return 1

    def _ask(self, ok: int, finding: int | None, depth: int) -> int:
        """Tells the callback, whose answer counts; without one an error is an error."""
        if finding is not None:
            self.error = finding
        self.error_depth = depth
        self.current = self.path[depth] if depth < len(self.path) else None
        callback = self.ssl.settings.verify_callback
        if callback is None:
            return ok
        return int(self.ssl.call(callback, ok, self, default=0))


def _is_for(leaf: x509.Certificate, host: str) -> bool:
    address = parse_address(host)
    names = [name.lower() for name in alternative_names(leaf)]
    if address is not None:
        return str(address) in names
    return any(covers(name, host) for name in names)


def _without_anchor(chain: Chain) -> int:
    """What OpenSSL finds where nothing is believed."""
    last = chain[-1]
    if issuer_of(last) != subject_of(last):
        return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    if len(chain) == 1:
        return X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    return X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN


class Judge(TrustStore):
    """Stands where the engine expects trust, and lets OpenSSL's rules decide.

    Its answers are coroutines, so that a callback may suspend the handshake.
    """

    def __init__(self, ssl: SSL) -> None:
        # Not TrustStore.__init__: there need not be any anchors.
        self.certificates = ()
        self.intermediates = ()
        self.profile = "private-pki"
        self.source = "the SSL_CTX"
        self.skipped = 0
        self._ssl = ssl
        self._encoded = frozenset()

    def __bool__(self) -> bool:
        return True

    def verify_server(
        self, chain: Sequence[bytes], name: str | None, *, now: datetime.datetime
    ) -> Any:
        """Decides on a server's certificate."""
        return self._decide(chain, now)

    def verify_client(self, chain: Sequence[bytes], *, now: datetime.datetime) -> Any:
        """Decides on a client's certificate."""
        return self._decide(chain, now)

    async def _decide(self, chain: Sequence[bytes], now: datetime.datetime) -> Chain:
        ssl = self._ssl
        if ssl.resuming:
            return []  # it was decided when the session began
        certificates = [parse_certificate(der) for der in chain]
        ssl.peer_chain = tuple(certificates)
        store = X509_STORE_CTX(ssl, certificates, ssl.settings.hosts, now)
        accepted = await ssl.ask_verifier(store)
        ssl.verify_result = store.error
        ssl.verified_chain = tuple(store.path)
        if accepted > 0 or (not ssl.server and ssl.settings.verify_mode == SSL_VERIFY_NONE):
            ssl.peer_accepted = True
            return []
        raise CertificateError(
            alert_for(store.error),
            f"certificate verify failed: {X509_verify_cert_error_string(store.error)}",
            verify_code=store.error,
            verify_message=X509_verify_cert_error_string(store.error),
        )


# -- what callbacks ask ----------------------------------------------------------------------------


def _check(ctx: X509_STORE_CTX) -> X509_STORE_CTX:
    if not isinstance(ctx, X509_STORE_CTX):
        raise TypeError(f"an X509_STORE_CTX is expected, not {type(ctx).__name__}")
    return ctx


def X509_STORE_CTX_get_error(ctx: X509_STORE_CTX) -> int:
    """What was found last: ``X509_V_ERR_…``, or X509_V_OK."""
    return _check(ctx).error


def X509_STORE_CTX_set_error(ctx: X509_STORE_CTX, error: int) -> None:
    """Says what was found, or with X509_V_OK that it is nothing."""
    _check(ctx).error = error


def X509_STORE_CTX_get_error_depth(ctx: X509_STORE_CTX) -> int:
    """At which certificate: 0 is the peer's own."""
    return _check(ctx).error_depth


def X509_STORE_CTX_set_error_depth(ctx: X509_STORE_CTX, depth: int) -> None:
    """Says at which certificate."""
    _check(ctx).error_depth = depth


def X509_STORE_CTX_get_current_cert(ctx: X509_STORE_CTX) -> x509.Certificate | None:
    """The certificate that it is about."""
    return _check(ctx).current


def X509_STORE_CTX_get0_cert(ctx: X509_STORE_CTX) -> x509.Certificate:
    """The peer's own certificate."""
    return _check(ctx).untrusted[0]


def X509_STORE_CTX_get0_untrusted(ctx: X509_STORE_CTX) -> Chain:
    """The certificates that the peer sent, its own first."""
    return list(_check(ctx).untrusted)


def X509_STORE_CTX_get0_chain(ctx: X509_STORE_CTX) -> Chain:
    """The path, as far as one was found."""
    return list(_check(ctx).path)


def X509_STORE_CTX_get_ex_data(ctx: X509_STORE_CTX, index: int) -> SSL:
    """The SSL that verifies; the only index is SSL_get_ex_data_X509_STORE_CTX_idx()."""
    return _check(ctx).ssl


def SSL_get_ex_data_X509_STORE_CTX_idx() -> int:
    """The index of the SSL that verifies."""
    return 0


def X509_verify_cert(ctx: X509_STORE_CTX) -> int:
    """What would be done without a callback of SSL_CTX_set_cert_verify_callback(): 1 or 0."""
    return _check(ctx).verify()
