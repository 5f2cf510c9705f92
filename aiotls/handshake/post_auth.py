"""Post-handshake authentication: RFC 8446, section 4.6.2.

A server may ask for the client's certificate at any time, if the client has said that it would
answer. The answer (Certificate, CertificateVerify, Finished) comes in one piece, and is signed
over the whole handshake and the request. Data may flow meanwhile, so neither side waits: the
messages are collected as they come, and then looked at together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compression import expand
from ..config import CertificateQuery, ClientAuth, ClientConfig, Config, ServerConfig
from ..crypto import signatures
from ..crypto.aead import Opener13, Sealer13
from ..crypto.schedule13 import finished
from ..enums import Alert, HandshakeType
from ..errors import ProtocolError, UsageError
from ..wire import extensions as ext
from ..wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    Finished,
)
from . import auth
from .certificate_type import RAW, X509, accepted_types
from .server13 import certificate_request

if TYPE_CHECKING:
    from ..record import RecordReader, RecordWriter
    from .established import Established
    from .transcript import Transcript

ORDER = (HandshakeType.CERTIFICATE, HandshakeType.CERTIFICATE_VERIFY, HandshakeType.FINISHED)

MAX_REQUESTS = 8
"""Requests that may be unanswered at a time; each costs some memory on both sides."""

MAX_ANSWERS = 64
"""Requests that a client obeys on one connection. Each costs a signature, and an answer far larger
than itself, which a server that does not read leaves lying in this side's memory."""


class LateAuthentication:
    """What one side knows of requests and answers after the handshake."""

    def __init__(
        self, config: Config, established: Established, reader: RecordReader, writer: RecordWriter
    ) -> None:
        self.config = config
        self.established = established
        self.requests: dict[bytes, CertificateRequest] = {}
        """On a server: the requests without an answer yet, by their context."""
        self.unanswered = 0
        """On a server: how many requests have no answer yet that was found good."""
        self._reader = reader
        self._writer = writer
        self._answer = Answer()
        self._answering = 0
        self._asked = 0

    # -- the client's half ---------------------------------------------------------------------

    def admit(self) -> None:
        """One more CertificateRequest has come; raises ProtocolError where there are too many."""
        self._asked += 1
        if self._asked > MAX_ANSWERS:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the server asks for certificates without end",
            )

    async def answer(self, request: CertificateRequest) -> bytes:
        """The client's answer as handshake messages, in one piece (section 4.4)."""
        config, established = self.config, self.established
        check_request(request)
        if established.transcript is None or not isinstance(config, ClientConfig):
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the server asks for a certificate, which this client did not agree to",
            )
        self._answering += 1
        if self._answering > MAX_REQUESTS:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE, "the server asks for certificates without end"
            )
        flight = await answer_request(
            config, established, established.transcript, request, self._writer
        )
        self._answering -= 1
        return flight

    # -- the server's half ---------------------------------------------------------------------

    def request(self) -> CertificateRequest:
        """A new request; UsageError where there can be none."""
        config = self.config
        if not isinstance(config, ServerConfig) or not (config.trust or config.takes_raw_keys):
            raise UsageError("only a server with trust can ask for a client certificate")
        if self.established.transcript is None:
            raise UsageError("the client does not do post-handshake authentication")
        if (RAW if self.established.client_shows_raw_key else X509) not in accepted_types(config):
            raise UsageError("the client shows no raw public keys, and nothing else is taken here")
        if len(self.requests) >= MAX_REQUESTS:
            raise UsageError(f"{MAX_REQUESTS} requests for a certificate are unanswered")
        request = CertificateRequest(config.random(16), certificate_request(config).extensions)
        self.requests[request.context] = request
        self.unanswered += 1
        return request

    def collect(self, kind: int, body: bytes) -> Answer | None:
        """One more message of the client's; the answer, if that makes it whole."""
        if not self._answer.take(kind, body):
            return None
        answer, self._answer = self._answer, Answer()
        opener = self._reader.opener
        answer.secret = opener.secret if isinstance(opener, Opener13) else b""
        return answer

    async def verify(self, answer: Answer) -> auth.Peer | None:
        """The client, or None where it showed nothing. Raises ProtocolError."""
        transcript = self.established.transcript
        if transcript is None:
            return None
        peer = await answer.verify(self.config, self.established, transcript, self.requests)
        self.unanswered -= 1
        return peer


# -- the client's half -----------------------------------------------------------------------------


def check_request(request: CertificateRequest) -> None:
    """RFC 8446, section 4.3.2: a context to tell requests apart, and signature_algorithms."""
    if not request.context:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the server's CertificateRequest carries no context"
        )
    if request.extensions.get(ext.SIGNATURE_ALGORITHMS) is None:
        raise ProtocolError(
            Alert.MISSING_EXTENSION, "the CertificateRequest lacks signature_algorithms"
        )


async def answer_request(
    config: ClientConfig,
    established: Established,
    transcript: Transcript,
    request: CertificateRequest,
    writer: RecordWriter,
) -> bytes:
    """The client's answer as handshake messages, in one piece (section 4.4)."""
    transcript = transcript.copy()
    transcript.add(request.encode())
    schemes = request.extensions.get(ext.SIGNATURE_ALGORITHMS) or ()
    authorities = request.extensions.get(ext.CERTIFICATE_AUTHORITIES) or ()
    raw = established.client_shows_raw_key
    query = CertificateQuery(established.server_name, schemes, authorities, raw_public_key=raw)
    identity, scheme = await auth.choose_identity(config, query)
    if identity is None or scheme is None:
        flight = Certificate(request.context, ()).encode()
        transcript.add(flight)
    else:
        flight = auth.show(identity, request.context, request.extensions, raw=raw).encode()
        transcript.add(flight)
        signed = auth.CLIENT_CONTEXT + transcript.digest()
        signature = await auth.sign(config, identity, scheme, signed)
        proof = CertificateVerify(scheme, signature).encode()
        transcript.add(proof)
        flight += proof
    # The key of this moment (4.4.4): a KeyUpdate may have gone out while a hook was awaited.
    secret = writer.sealer.secret if isinstance(writer.sealer, Sealer13) else b""
    return flight + Finished(finished(established.suite, secret, transcript.digest())).encode()


# -- the server's half -----------------------------------------------------------------------------


class Answer:
    """Collects a client's answer until it is whole."""

    def __init__(self) -> None:
        self._messages: list[tuple[int, bytes]] = []
        self.secret = b""
        """The client's traffic secret at the time, which its Finished is made with."""

    def take(self, kind: int, body: bytes) -> bool:
        """One more message; True when the answer is whole."""
        expected = ORDER[0] if not self._messages else ORDER[1]
        if len(self._messages) == 2 or (self._messages and self._is_empty()):
            expected = ORDER[2]
        first = not self._messages and kind == HandshakeType.COMPRESSED_CERTIFICATE
        if kind != expected and not first:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the client sent {HandshakeType.label(kind).lower()} where "
                f"{expected.name.lower()} was expected",
            )
        self._messages.append((kind, body))
        return kind == HandshakeType.FINISHED

    def _is_empty(self) -> bool:
        kind, body = self._messages[0]
        return kind == HandshakeType.CERTIFICATE and not Certificate.parse(body).entries

    def _certificate(self, config: Config) -> Certificate:
        kind, body = self._messages[0]
        if kind == HandshakeType.CERTIFICATE:
            return Certificate.parse(body)
        message = CompressedCertificate.parse(body)
        return expand(message, config.certificate_compression, config.max_handshake_message)

    async def verify(
        self,
        config: Config,
        established: Established,
        transcript: Transcript,
        requests: dict[bytes, CertificateRequest],
    ) -> auth.Peer | None:
        """The client, or None where it showed nothing. Raises ProtocolError."""
        certificate = self._certificate(config)
        request = requests.pop(certificate.context, None)
        if request is None:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client answers a CertificateRequest that was not sent",
            )
        transcript = transcript.copy()
        transcript.add(request.encode())
        kind, body = self._messages[0]
        transcript.add(bytes([kind]) + len(body).to_bytes(3, "big") + body)
        peer = None
        if certificate.entries:
            chain = auth.read_chain(certificate, request.extensions)
            raw = established.client_shows_raw_key
            claim = await auth.examine(config, chain, None, raw=raw)
            proof = CertificateVerify.parse(self._messages[1][1])
            auth.check_scheme(config, proof.scheme)
            signed = auth.CLIENT_CONTEXT + transcript.digest()
            signatures.verify(
                claim.key, proof.scheme, proof.signature, signed, pss_only=claim.pss_only
            )
            transcript.add(proof.encode())
            peer = claim.peer(established.server_name, proof.scheme)
        expected = finished(established.suite, self.secret, transcript.digest())
        auth.check_finished(Finished.parse(self._messages[-1][1]), expected)
        if peer is not None:
            await auth.ask_application(config, peer)
        elif isinstance(config, ServerConfig) and config.client_auth is ClientAuth.REQUIRED:
            raise ProtocolError(
                Alert.CERTIFICATE_REQUIRED,
                "the client showed no certificate, and this server requires one",
                reason="PEER_DID_NOT_RETURN_A_CERTIFICATE",
            )
        return peer
