"""From the runner's flags to configurations of aiotls, with the hooks that check expectations."""

from __future__ import annotations

import datetime
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from aiotls.config import (
    SUPPORTED_VERSIONS,
    CertificateQuery,
    ClientAuth,
    ClientConfig,
    ClientHelloInfo,
    Config,
    ExternalPsk,
    ServerConfig,
)
from aiotls.crypto.aead import MAX_PLAINTEXT
from aiotls.crypto.groups import GROUPS
from aiotls.crypto.primitives import PRIMITIVES
from aiotls.crypto.signatures import DEFAULT_SCHEMES
from aiotls.crypto.suites import SUITES
from aiotls.delegation import DelegatedCredential
from aiotls.ech import ECHKey, ECHKeys
from aiotls.enums import (
    Alert,
    CertificateCompressionAlgorithm,
    ProtocolVersion,
    SignatureScheme,
)
from aiotls.errors import CertificateError, ProtocolError
from aiotls.identity import Identity
from aiotls.openssl.ciphers import cipher_list
from aiotls.sessions import MemorySessionStore, Session, TicketKeyRing
from aiotls.trust import TrustStore, parse_certificate
from aiotls.wire.extensions import CERTIFICATE_AUTHORITIES
from tests.bogo import compression
from tests.bogo.flags import Credential, Options, Unimplemented

X509, RAW = 0, 2
"""RFC 7250's types of certificates."""

WITH_HASH = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)
"""Keys that sign the digest of what they sign."""

MAX_EARLY_DATA = 14_336
"""What the runner takes a server to accept."""

Suspend = Callable[[], Awaitable[None]]


class FirstTime:
    """A guard against replays that has been there for long enough to know them all."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def first_time(self, token: bytes, seconds: float) -> bool:
        first = token not in self._seen
        self._seen.add(token)
        return first


class Sessions:
    """What outlives one connection."""

    def __init__(self) -> None:
        self.client: Session | None = None
        self.now = float(int(time.time()))
        """Stands still, but for ``-resumption-delay``: some cases count milliseconds."""
        self.ticket_keys = TicketKeyRing(clock=self.clock)
        self.store = MemorySessionStore(clock=self.clock)
        self.replay_guard = FirstTime()

    def clock(self) -> float:
        return self.now


class AnyAnchor(TrustStore):
    """Takes every chain. The runner's certificates are no others' business: their subjects are
    empty and their names not critical, which path validation refuses (RFC 5280, 4.1.2.6).
    """

    def verify_client(
        self, chain: Sequence[bytes], *args: Any, **options: Any
    ) -> list[x509.Certificate]:
        return [parse_certificate(der) for der in chain]


class SharedTickets:
    """Ticket keys as an application's own object, which may be far away."""

    def __init__(self, ring: TicketKeyRing, suspend: Suspend | None, skip: bool) -> None:
        self.ring = ring
        self._skip = skip
        self._suspend = suspend

    def seal(self, state: bytes) -> Any:
        return self._answer(b"" if self._skip else self.ring.seal(state))

    def open(self, ticket: bytes) -> Any:
        return self._answer(self.ring.open(ticket))

    def _answer(self, result: bytes | None) -> Any:
        return result if self._suspend is None else self._later(result, self._suspend)

    async def _later(self, result: bytes | None, suspend: Suspend) -> bytes | None:
        await suspend()
        return result


class Unverified(Exception):
    """The application's refusal that ``-verify-fail`` asks for."""


def issuer_of(der: bytes) -> bytes:
    """A certificate's issuer, DER."""
    return parse_certificate(der).issuer.public_bytes()


def spki(key: Any) -> bytes:
    """A public key as it stands in a certificate."""
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def made_up_certificate(key: Any) -> x509.Certificate:
    """A certificate around a key that is shown alone, or that no one will see."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a key")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256() if isinstance(key, WITH_HASH) else None)
    )


def chain_of(path: str) -> tuple[bytes, ...]:
    """The certificates of a PEM file, DER."""
    with open(path, "rb") as file:
        certificates = x509.load_pem_x509_certificates(file.read())
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


class Signer:
    """A private key that signs with some schemes only, and not at once where *suspend* is given."""

    def __init__(
        self,
        key: Any,
        schemes: Sequence[int],
        suspend: Suspend | None,
        note: Callable[[], None] | None = None,
    ) -> None:
        self.key = key
        self.schemes = tuple(schemes) or None
        self._suspend = suspend
        self._note = note

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes | Coroutine[Any, Any, bytes]:
        if self._note is not None:
            self._note()
        if self._suspend is None:
            return PRIMITIVES.sign(self.key, scheme, data)
        return self._sign_later(data, scheme, self._suspend)

    async def _sign_later(self, data: bytes, scheme: SignatureScheme, suspend: Suspend) -> bytes:
        await suspend()
        await suspend()
        return PRIMITIVES.sign(self.key, scheme, data)


class OutOfReach:
    """The key of a certificate that delegates, which is not on this server."""

    schemes = None

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        raise Unverified("the certificate's key is not here")


class State:
    """One connection's configuration, and what its hooks have seen."""

    def __init__(
        self,
        options: Options,
        retry: Options,
        sessions: Sessions,
        suspend: Suspend,
        *,
        resumed: bool,
    ) -> None:
        self.resumed = resumed
        """Whether a session is to be resumed: then the peer may be verified once more, and again
        when that leads to a full handshake."""
        self.options = options
        self.retry = retry
        """What holds after the session was refused."""
        self.sessions = sessions
        self.new_session: Session | None = None
        self._offered: Session | None = None
        self.secrets: dict[str, bytes] = {}
        self.verified = 0
        self._approved = False
        self.verification_failed = False
        self.asked = False
        """Whether the server has asked for a certificate."""
        self.messages: list[str] = []
        """What has passed, as ``-expect-msg-callback`` writes it."""
        self._delegate: int | None = None
        self.selected = False
        self._suspend = suspend if options.use_async else None
        self._identities = self._load_identities()

    # -- configurations ------------------------------------------------------------------------

    def config(self) -> Config:
        options = self.options
        common: dict[str, Any] = {
            **self._versions(),
            "clock": self.sessions.clock,
            "certificate_compression": self._compression(),
            "max_fragment": options.max_send_fragment or MAX_PLAINTEXT,
            "initial_fragment": MAX_PLAINTEXT,
            "observer": self,
            "key_log": self._log if options.export_traffic_secrets else None,
            "verify": self._hook(self._verify),
        }
        if options.max_cert_list:
            common["max_handshake_message"] = options.max_cert_list
        if options.cipher:
            common["cipher_suites"] = cipher_suites(options.cipher)
        if options.curves:
            common["groups"] = known(options.curves, GROUPS, "group")
        if options.verify_prefs:
            common["signature_schemes"] = known(options.verify_prefs, DEFAULT_SCHEMES, "scheme")
        common |= self._raw_keys()
        if options.trust_cert:
            common["trust"] = AnyAnchor.from_files(cafile=options.trust_cert)
        return self._server(common) if options.server else self._client(common)

    def _raw_keys(self) -> dict[str, Any]:
        """Raw public keys: those that are taken are looked at when they have come."""
        options = self.options
        raw: dict[str, Any] = {}
        if options.accepted_peer_cert_types:
            raw["peer_certificate_types"] = options.accepted_peer_cert_types
        if RAW in options.accepted_peer_cert_types:
            raw["verify_raw_public_key"] = self._hook(lambda key: True)
        if options.available_client_cert_types and not options.server:
            raw["certificate_types"] = options.available_client_cert_types
        return raw

    def _any_key(self) -> Any:
        return ec.generate_private_key(ec.SECP256R1())

    def _versions(self) -> dict[str, ProtocolVersion]:
        options = self.options
        excluded = {
            0x0301: options.no_tls1,
            0x0302: options.no_tls11,
            0x0303: options.no_tls12,
            0x0304: options.no_tls13,
        }
        versions = [
            version
            for version in SUPPORTED_VERSIONS
            if options.min_version <= version <= options.max_version and not excluded[version]
        ]
        if not versions:
            raise Unimplemented("none of the versions that the case wants is spoken")
        return {"min_version": min(versions), "max_version": max(versions)}

    def _client(self, common: dict[str, Any]) -> ClientConfig:
        options = self.options
        if options.key_shares is not None:
            common["key_shares"] = known(options.key_shares, GROUPS, "group")
        if options.advertise_alpn:
            common["alpn_protocols"] = protocol_names(options.advertise_alpn)
        if options.no_ticket and options.resume_count and not options.expect_session_miss:
            raise Unimplemented("a client does not resume without tickets")
        asks = (
            any(credential.must_match_issuer for _, credential in self._credentials())
            or options.use_old_client_cert_callback
            or options.fail_cert_callback
            or options.expect_client_ca_list
            or options.expect_certificate_types
            or options.expect_peer_verify_pref
            or options.use_async
        )
        if asks:
            common["select_identity"] = self._hook(self._select_identity)
        return ClientConfig(
            **common,
            identities=[identity for _, identity in self._identities],
            psks=self._keys(),
            permute_extensions=options.permute_extensions,
            grease=options.enable_grease,
            request_staple=options.enable_ocsp_stapling or options.enable_signed_cert_timestamps,
            ech=options.ech_config_list or None,
            grease_ech=options.enable_ech_grease,
            session_cache=None if options.no_ticket else self,
            verify_on_resumption=options.reverify_on_resume,
            dangerous_disable_verification=True,
            dangerous_allow_legacy_servers=not options.no_legacy_server_connect,
            dangerous_ignore_server_name=True,
        )

    def _server(self, common: dict[str, Any]) -> ServerConfig:
        options = self.options
        if options.verify_peer:
            common["client_auth"] = ClientAuth.OPTIONAL
        if options.require_any_client_certificate:
            common["client_auth"] = ClientAuth.REQUIRED
        if "client_auth" in common and "trust" not in common:
            if X509 in (options.accepted_peer_cert_types or [X509]):
                common["trust"] = AnyAnchor([made_up_certificate(self._any_key())])
        if options.use_client_ca_list:
            names = options.use_client_ca_list.replace("<NULL>", "").replace("<EMPTY>", "")
            common["certificate_authorities"] = [
                bytes.fromhex(name) for name in names.split(",") if name
            ]
        if options.reject_alpn:
            common["alpn_protocols"] = ["what no one speaks"]
        elif options.select_alpn:
            common["alpn_protocols"] = [options.select_alpn.encode("utf-8", "surrogateescape")]
        if options.expect_client_ca_list:
            raise Unimplemented("a server is not told of authorities")
        self._server_config = ServerConfig(
            **common,
            identities=[identity for _, identity in self._identities],
            psk=self._hook(self._find_key) if self._keys() else None,
            select=self._hook(self._select),
            ticket_keys=self._ticket_keys(),
            session_store=self.sessions.store if options.expect_session_id else None,
            max_early_data=MAX_EARLY_DATA if options.enable_early_data else 0,
            replay_guard=self.sessions.replay_guard,
            half_rtt=options.enable_early_data and "client_auth" not in common,
            delegations=self._delegations(),
            ech_keys=self._ech_keys(),
        )
        return self._server_config

    def _compression(self) -> tuple[CertificateCompressionAlgorithm, ...]:
        options = self.options
        if options.install_one_cert_compression_alg:
            return compression.install(options.install_one_cert_compression_alg)
        if options.install_cert_compression_algs:
            return compression.install(
                compression.EXPANDING, compression.SHRINKING, compression.RANDOM
            )
        return ()

    def _ech_keys(self) -> ECHKeys | None:
        options = self.options
        rows = zip(
            options.ech_server_configs,
            options.ech_server_keys,
            options.ech_is_retry_configs,
            strict=True,
        )
        keys = [ECHKey.load(config, key, published=bool(retry)) for config, key, retry in rows]
        return ECHKeys(keys) if keys else None

    def _ticket_keys(self) -> Any:
        options = self.options
        if options.no_ticket:
            return None
        if options.use_ticket_aead_callback or options.use_ticket_callback:
            return SharedTickets(self.sessions.ticket_keys, self._suspend, options.skip_ticket)
        return self.sessions.ticket_keys

    # -- identities ------------------------------------------------------------------------------

    def _credentials(self) -> list[tuple[int, Credential]]:
        """Those of flags, by number; the one that stands alone comes last and has none."""
        numbered = enumerate(self.options.credentials)
        credentials = [(n, c) for n, c in numbered if c.kind in ("x509", "rpk")]
        if self.options.credential.given:
            credentials.append((-1, self.options.credential))
        return credentials

    def _load_identities(self) -> list[tuple[int, Identity]]:
        found = [(number, self._load(credential)) for number, credential in self._credentials()]
        leaves = {identity.chain[:1] for _, identity in found}
        for number, credential in enumerate(self.options.credentials):
            if credential.kind == "delegated":
                chain = chain_of(credential.cert_file)
                if chain[:1] not in leaves:
                    leaves.add(chain[:1])
                    found.append((number, Identity(chain, OutOfReach())))
        return found

    def _load(self, credential: Credential) -> Identity:
        with open(credential.key_file, "rb") as file:
            key = load_pem_private_key(file.read(), None)
        given: dict[str, Any] = {
            "staple": credential.ocsp_response or None,
            "scts": timestamps(credential.signed_cert_timestamps),
        }
        if self.options.set_ocsp_in_callback or self.options.decline_ocsp_callback:
            given["staple"] = None
        known(credential.signing_prefs, DEFAULT_SCHEMES, "scheme")
        signer: Any = key
        if credential.signing_prefs or self._suspend is not None:
            signer = Signer(key, credential.signing_prefs, self._suspend)
        if credential.kind == "rpk":
            public: Any = key.public_key()
            return Identity.from_raw_key(signer, public)
        return Identity(chain_of(credential.cert_file), signer, **given)

    def _delegations(self) -> list[DelegatedCredential]:
        """Delegated credentials."""
        found = []
        for number, credential in enumerate(self.options.credentials):
            if credential.kind != "delegated":
                continue
            leaf = chain_of(credential.cert_file)[0]
            with open(credential.key_file, "rb") as file:
                key = load_pem_private_key(file.read(), None)
            signer = Signer(key, (), self._suspend, partial(self._note, number))
            loaded = DelegatedCredential.load(credential.delegated_credential, leaf, key)
            found.append(replace(loaded, signer=signer))
        return found

    def _note(self, number: int) -> None:
        self._delegate = number

    def _keys(self) -> list[ExternalPsk]:
        """The shared keys, imported for both hashes (RFC 9258)."""
        return [key for credential in self.options.credentials for key in imported(credential)]

    def _find_key(self, identity: bytes) -> ExternalPsk | None:
        return next((key for key in self._keys() if key.identity == identity), None)

    def number_of(self, identity: Identity | None, psk: bytes | None) -> int | None:
        """Which of the credentials an identity was made from, or a shared key."""
        if self._delegate is not None:
            return self._delegate
        for number, credential in enumerate(self.options.credentials):
            if psk is not None and psk in [key.identity for key in imported(credential)]:
                return number
        for number, candidate in self._identities:
            if candidate is identity:
                return number
        return None

    # -- hooks -----------------------------------------------------------------------------------

    def _hook(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The hook itself, or one that suspends before and after."""
        suspend = self._suspend
        if suspend is None:
            return function

        async def later(argument: Any) -> Any:
            await suspend()
            result = function(argument)
            await suspend()
            return result

        return later

    def _verify(self, peer: Any) -> None:
        self.verified += 1
        if self.verified > 1 and not self.resumed:
            raise RuntimeError("the peer was verified twice")
        if self.options.use_ocsp_callback and self.options.fail_ocsp_callback:
            raise CertificateError(
                Alert.BAD_CERTIFICATE_STATUS_RESPONSE, "the application does not take the staple"
            )
        if self.options.expect_ocsp_response and not peer.staple:
            raise RuntimeError("there is no staple to be verified")
        options = self.retry if self._approved else self.options
        matters = options.verify_peer or options.use_custom_verify_callback
        if options.verify_fail and not (matters or options.accepted_peer_cert_types):
            self.verification_failed = True  # and it is for the application to make of it what
            return  # it likes
        self._approved = not options.verify_fail
        if options.verify_fail:
            if options.use_custom_verify_callback:
                raise Unverified("-verify-fail")
            # The alert is the application's to choose; OpenSSL's API has this one for it.
            raise CertificateError(Alert.HANDSHAKE_FAILURE, "-verify-fail")

    def _select(self, hello: ClientHelloInfo) -> Identity | ServerConfig | None:
        self.selected = True
        options = self.options
        if options.expect_no_server_name and hello.server_name is not None:
            raise RuntimeError(f"the client named {hello.server_name!r}")
        if options.expect_server_name and hello.server_name != options.expect_server_name:
            raise RuntimeError(f"the client named {hello.server_name!r}")
        if options.expect_advertised_alpn:
            if hello.alpn_protocols != protocol_names(options.expect_advertised_alpn):
                raise RuntimeError(f"the client advertised {hello.alpn_protocols}")
        self._check_verify_prefs(hello.signature_schemes)
        if options.fail_early_callback:
            raise ProtocolError(
                Alert.HANDSHAKE_FAILURE, "the selection refused", reason="CONNECTION_REJECTED"
            )
        if options.fail_ddos_callback:
            raise ProtocolError(
                Alert.INTERNAL_ERROR, "the server is too busy", reason="CONNECTION_REJECTED"
            )
        if options.fail_cert_callback:
            raise ProtocolError(
                Alert.INTERNAL_ERROR, "the selection failed", reason="CERT_CB_ERROR"
            )
        if options.use_ocsp_callback and options.fail_ocsp_callback:
            raise ProtocolError(Alert.INTERNAL_ERROR, "there is no staple", reason="OCSP_CB_ERROR")
        if options.set_ocsp_in_callback:  # the staple is chosen with the certificate
            identity = self._identities[0][1]
            staple = options.credential.ocsp_response
            stapled = Identity(identity.chain, identity.signer, staple=staple)
            self._identities.append((self._identities[0][0], stapled))
            return stapled
        if any(credential.must_match_issuer for credential in options.credentials):
            authorities = hello.hello.extensions.get(CERTIFICATE_AUTHORITIES) or ()
            identities = [identity for identity in self._issued_by(authorities)]
            if not identities:
                raise ProtocolError(
                    Alert.HANDSHAKE_FAILURE, "no certificate fits", reason="NO_MATCHING_ISSUER"
                )
            return self._server_config.replace(identities=identities, select=None)
        return None

    def _issued_by(self, authorities: Sequence[bytes]) -> list[Identity]:
        """The identities but for those that the other side's authorities rule out."""
        numbers = {
            number
            for number, credential in [*enumerate(self.options.credentials), *self._credentials()]
            if not credential.must_match_issuer
        }
        return [
            identity
            for number, identity in self._identities
            if number in numbers
            or any(
                parse_certificate(der).issuer.public_bytes() in authorities
                for der in identity.chain
            )
        ]

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """The observer."""
        self.messages.append(f"{'write' if sent else 'read'} hs {kind}")

    def _select_identity(self, query: CertificateQuery) -> Identity | None:
        options = self.options
        self.asked = True
        if options.expect_certificate_types:
            if bytes(query.certificate_types or ()) != options.expect_certificate_types:
                raise RuntimeError(f"the server takes the types {query.certificate_types}")
        if options.expect_client_ca_list:
            names = ",".join(name.hex() for name in query.authorities) or "<EMPTY>"
            if names != options.expect_client_ca_list.lower().replace("<empty>", "<EMPTY>"):
                raise RuntimeError(f"the server's authorities are {names}")
        self._check_verify_prefs(query.signature_schemes)
        if options.fail_cert_callback:
            raise ProtocolError(
                Alert.INTERNAL_ERROR, "the selection failed", reason="CERT_CB_ERROR"
            )
        for identity in self._issued_by(query.authorities):
            fits = query.raw_public_key == (not identity.chain)
            if fits and query.scheme_for(identity) is not None:
                return identity
        return None

    def _check_verify_prefs(self, schemes: Sequence[int]) -> None:
        expected = self.options.expect_peer_verify_pref
        if expected and list(schemes) != expected:
            raise RuntimeError(f"the peer's schemes are {list(schemes)}, not {expected}")

    def _log(self, line: str) -> None:
        label, _, secret = line.split()
        self.secrets[label] = bytes.fromhex(secret)

    # -- the client's sessions -----------------------------------------------------------------

    def put(self, key: bytes, session: Session) -> Coroutine[Any, Any, None] | None:
        old, self.sessions.client = self._offered, session
        if old is None or session.ticket != old.ticket:  # TLS 1.2 puts back what it took
            self.new_session = session
        return self._nothing(self._suspend) if self._suspend is not None else None

    def take(self, key: bytes) -> Session | Coroutine[Any, Any, Session | None] | None:
        session, self.sessions.client = self.sessions.client, None
        self._offered = session
        if self._suspend is not None:
            return self._later(session, self._suspend)
        return session

    async def _later(self, session: Session | None, suspend: Suspend) -> Session | None:
        await suspend()
        return session

    async def _nothing(self, suspend: Suspend) -> None:
        await suspend()


def imported(credential: Credential) -> list[ExternalPsk]:
    """The keys that RFC 9258's importer makes of a shared one; none of another credential."""
    if credential.kind != "psk":
        return []
    key = ExternalPsk(
        credential.psk_importer_identity, credential.psk_importer_key, credential.psk_importer_hash
    )
    return [key.derive(credential.psk_importer_context, name) for name in ("sha256", "sha384")]


def timestamps(data: bytes) -> tuple[bytes, ...]:
    """The timestamps in a SignedCertificateTimestampList (RFC 6962, section 3.3)."""
    data, found = data[2:], []
    while data:
        size = int.from_bytes(data[:2], "big")
        if len(data) < 2 + size:
            raise Unimplemented("timestamps are given one by one, not as a list that may be broken")
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return tuple(found)


def known(values: Sequence[int], table: Any, what: str) -> list[int]:
    """The values as they are, if each of them is in the table."""
    for value in values:
        if value not in table:
            raise Unimplemented(f"the {what} {value:#06x} is not among ours")
    return list(values)


def cipher_suites(text: str) -> list[int]:
    """An OpenSSL cipher list, where it is nothing but names; TLS 1.3 is not its concern."""
    names = {suite.code.name: code for code, suite in SUITES.items()}
    names |= {suite.openssl_name: code for code, suite in SUITES.items()}
    suites = [code for code, suite in SUITES.items() if suite.version == ProtocolVersion.TLSv1_3]
    if text.startswith("DEFAULT"):
        return [*suites, *(cipher_list(text) or ())]
    for name in text.split(":"):
        if name not in names:
            raise Unimplemented(f"the cipher suite {name} is not among ours")
        suites.append(names[name])
    return suites


def protocol_names(text: str) -> tuple[bytes, ...]:
    """ALPN names from their encoding, each with its length in front."""
    data = text.encode("utf-8", "surrogateescape")
    names = []
    while data:
        names.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return tuple(names)


__all__ = ["CertificateError", "Sessions", "State", "Unverified", "chain_of"]
