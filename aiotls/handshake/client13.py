"""The client's side of a TLS 1.3 handshake: RFC 8446, section 2, figure 1, from ServerHello on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import CertificateQuery
from ..crypto.schedule13 import EarlySecret, HandshakeSecret, finished
from ..crypto.suites import SUITES
from ..enums import Alert, EarlyData, NamedGroup, ProtocolVersion, SignatureScheme
from ..errors import ProtocolError
from ..wire import extensions as ext
from ..wire.messages import (
    Certificate,
    CertificateRequest,
    CompressedCertificate,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    ServerHello,
)
from . import auth
from . import ech_client as ech
from .certificate_type import check_types
from .channel import Channel
from .early import check_acceptance, sendable, withdraw
from .established import Established
from .offer import (
    Offer,
    check_server_hello,
    check_unsolicited,
    check_version,
    retry_offer,
)
from .psk import PreSharedKey, resumed_peer, selected_key
from .record_size import accept_limit
from .traffic13 import application_traffic, handshake_traffic

if TYPE_CHECKING:
    from ..identity import Identity


async def client13(channel: Channel, offer: Offer, hello: ServerHello) -> Established:
    """Carries the handshake from the first ServerHello to the client's Finished."""
    if hello.is_retry:
        offer, hello = await answer_retry(channel, offer, hello)
    else:
        check_server_hello(offer, hello)
        channel.choose_suite(SUITES[hello.cipher_suite])
    suite, transcript = channel.suite, channel.transcript

    # ServerHello: both sides now have the handshake secrets
    key = selected_key(offer.keys, hello.extensions.get(ext.PRE_SHARED_KEY_SELECTED), suite)
    group, secrets = agree(channel, offer, hello, key)
    traffic = handshake_traffic(channel, secrets)
    channel.install_read(traffic.server)
    channel.owe_ccs()
    if not offer.early_data:
        channel.install_write(traffic.client)  # 6.2: an alert is protected from here on

    # {EncryptedExtensions}
    extensions = (await channel.recv(EncryptedExtensions)).extensions
    check_unsolicited(offer, extensions)
    alpn = selected_protocol(offer, extensions.get(ext.ALPN_SELECTED))
    retry_configs = ech.read_retry_configs(offer, extensions)
    accept_limit(channel, offer.config, extensions, 1)
    takes_raw, shows_raw = check_types(offer.config, extensions, resumed=key is not None)
    early = check_acceptance(offer, extensions, key, suite, alpn)

    # {CertificateRequest*}  {Certificate}  {CertificateVerify}
    request, peer = None, resumed_peer(key)
    if key is None:
        request, certificate = await receive_certificate(channel)
        peer = await verify_server(channel, offer, certificate, takes_raw)
    identity, scheme = None, None
    if request is not None:
        identity, scheme = await choose_identity(offer, request, shows_raw)

    # {Finished}
    expected = finished(suite, traffic.server, transcript.digest())
    auth.check_finished(await channel.recv(Finished), expected)
    channel.check_aligned()
    master = secrets.master()
    application, exporter_secret = application_traffic(channel, master)

    # (EndOfEarlyData*)  {Certificate*}  {CertificateVerify*}  {Finished}
    if channel.end_early_data is not None:
        await channel.end_early_data()
        channel.early_room = 0
    if early is EarlyData.ACCEPTED:
        channel.send(EndOfEarlyData())
    if offer.early_data:
        channel.install_write(traffic.client)
    if request is not None:
        await prove_identity(channel, request, identity, scheme, shows_raw)
    channel.send(Finished(finished(suite, traffic.client, transcript.digest())))

    # [Application Data]
    channel.install_read(application.server)
    channel.install_write(application.client)
    await channel.flush()
    return Established(
        version=ProtocolVersion.TLSv1_3,
        suite=suite,
        group=group,
        alpn=alpn,
        server_name=offer.server_name,
        peer=peer,
        identity=identity,
        scheme=scheme,
        exporter_secret=exporter_secret,
        resumption_secret=master.resumption(transcript.digest()),
        retried=offer.retried,
        resumed=key is not None and key.session is not None,
        began=key.began if key is not None else None,
        client_shows_raw_key=shows_raw,
        transcript=transcript if offer.config.post_handshake_auth else None,
        psk_identity=key.external_identity if key is not None else None,
        early_data_status=early,
        early_data_sent=len(sendable(offer, channel.early_output)),
        retry_configs=retry_configs,
    )


async def answer_retry(
    channel: Channel, offer: Offer, retry: ServerHello
) -> tuple[Offer, ServerHello]:
    """Sends the second ClientHello and receives the real ServerHello (RFC 8446, section 4.1.4)."""
    check_server_hello(offer, retry)
    suite = SUITES[retry.cipher_suite]
    channel.transcript.condense(suite.hash_name)
    channel.choose_suite(suite)
    channel.check_aligned()
    offer = ech.enclose_again(retry_offer(channel, offer, retry))
    withdraw(channel)
    channel.send_ccs()
    offer = ech.send(channel, offer)
    await channel.flush()

    hello = await channel.recv(ServerHello)
    if hello.is_retry:
        raise ProtocolError(
            Alert.UNEXPECTED_MESSAGE, "the server sent two HelloRetryRequest messages"
        )
    offer = ech.settle(channel, offer, hello)
    check_version(offer, hello)
    check_server_hello(offer, hello)
    if hello.version != ProtocolVersion.TLSv1_3:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server changed the version after its HelloRetryRequest",
            reason="SECOND_SERVERHELLO_VERSION_MISMATCH",
        )
    if hello.cipher_suite != retry.cipher_suite:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server changed the cipher suite after its HelloRetryRequest",
            reason="WRONG_CIPHER_RETURNED",
        )
    asked = retry.extensions.get(ext.KEY_SHARE_RETRY)
    share = hello.extensions.get(ext.KEY_SHARE_SERVER)
    if asked is not None and share is not None and share.group != asked:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server changed the group after its HelloRetryRequest",
            reason="WRONG_CURVE",
        )
    return offer, hello


def agree(
    channel: Channel, offer: Offer, hello: ServerHello, key: PreSharedKey | None
) -> tuple[int, HandshakeSecret]:
    """The key exchange: RFC 8446, sections 4.2.8 and 7.1."""
    share = hello.extensions.get(ext.KEY_SHARE_SERVER)
    if share is None:
        raise ProtocolError(Alert.MISSING_EXTENSION, "the server sent no key share")
    exchange = offer.key_exchanges.get(share.group)
    if exchange is None:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server sent a key share of {NamedGroup.label(share.group)}, for which this "
            "client sent none",
            reason="WRONG_CURVE",
        )
    secret = exchange.agree(share.key_exchange)
    early = EarlySecret(channel.suite) if key is None else key.early_secret
    return share.group, early.handshake(secret)


def selected_protocol(offer: Offer, selected: bytes | None) -> bytes | None:
    """RFC 7301, section 3.1: one of the protocols that were offered."""
    if selected is not None and selected not in offer.config.alpn:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected the application protocol {selected!r}, which was not offered",
            reason="INVALID_ALPN_PROTOCOL",
        )
    return selected


async def receive_certificate(
    channel: Channel,
) -> tuple[CertificateRequest | None, Certificate]:
    """The server's Certificate, and the CertificateRequest that may come before it."""
    message = await channel.recv(CertificateRequest, Certificate, CompressedCertificate)
    if isinstance(message, CertificateRequest):
        return check_request(message), await auth.receive_certificate(channel)
    return None, auth.unpack(channel, message)


async def verify_server(
    channel: Channel, offer: Offer, certificate: Certificate, raw: bool
) -> auth.Peer:
    """RFC 8446, section 4.4.2.4: the server's certificate is never empty."""
    if certificate.context:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the server's Certificate carries a request context"
        )
    if not certificate.entries:
        raise ProtocolError(
            Alert.DECODE_ERROR,
            "the server sent an empty certificate chain",
            reason="PEER_DID_NOT_RETURN_A_CERTIFICATE",
        )
    return await auth.verify_peer(
        channel,
        certificate,
        auth.SERVER_CONTEXT,
        offer.server_name,
        offer.hello.extensions,
        raw=raw,
    )


def check_request(request: CertificateRequest) -> CertificateRequest:
    """RFC 8446, section 4.3.2: no context in the handshake, and signature_algorithms."""
    if request.context:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the CertificateRequest in the handshake carries a context"
        )
    if request.extensions.get(ext.SIGNATURE_ALGORITHMS) is None:
        raise ProtocolError(
            Alert.MISSING_EXTENSION, "the CertificateRequest lacks signature_algorithms"
        )
    return request


async def choose_identity(
    offer: Offer, request: CertificateRequest, raw: bool
) -> tuple[Identity | None, SignatureScheme | None]:
    """What to answer a CertificateRequest with; nothing where there is nothing that fits.

    The application is asked as soon as it is known who asks, not only when the server is done.
    """
    schemes = request.extensions.get(ext.SIGNATURE_ALGORITHMS) or ()
    authorities = request.extensions.get(ext.CERTIFICATE_AUTHORITIES) or ()
    query = CertificateQuery(offer.server_name, schemes, authorities, raw_public_key=raw)
    return await auth.choose_identity(offer.config, query)


async def prove_identity(
    channel: Channel,
    request: CertificateRequest,
    identity: Identity | None,
    scheme: SignatureScheme | None,
    raw: bool,
) -> None:
    """Answers a CertificateRequest, with an empty Certificate where there is nothing to show."""
    if identity is None or scheme is None:
        channel.send(Certificate(request.context, ()))
        return
    await auth.prove(
        channel, identity, scheme, auth.CLIENT_CONTEXT, request.extensions, request.context, raw=raw
    )
