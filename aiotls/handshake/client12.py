"""The client's side of a TLS 1.2 handshake: RFC 5246, section 7.3, from ServerHello on.

ECDHE with AEADs, and nothing older (RFC 8422, RFC 5288, RFC 7905). The extended master
secret (RFC 7627) is always offered; renegotiation is never done (RFC 5746 only shows that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import CertificateQuery, Config
from ..crypto import schedule12, signatures
from ..crypto.groups import TLS12_GROUPS
from ..crypto.suites import SUITES
from ..enums import Alert, EarlyData, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme
from ..errors import ProtocolError
from ..sessions import MAX_LIFETIME, Session
from ..wire import extensions as ext
from ..wire.messages import (
    CertificateRequest12,
    CertificateStatus,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    NewSessionTicket12,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from . import auth
from .certificate_type import check_types
from .channel import Channel
from .client13 import selected_protocol
from .established import Established
from .offer import Offer, check_server_hello
from .psk import keep_session
from .record_size import accept_limit
from .tickets import MAX_TICKET

if TYPE_CHECKING:
    from ..config import ClientConfig
    from ..identity import Identity


async def client12(channel: Channel, offer: Offer, hello: ServerHello) -> Established:
    """Carries the handshake from the ServerHello to the last Finished."""
    check_server_hello(offer, hello)
    check_hello12(offer.config, hello)
    channel.refuse_ccs()
    suite = SUITES[hello.cipher_suite]
    channel.choose_suite(suite)
    alpn = selected_protocol(offer, hello.extensions.get(ext.ALPN_SELECTED))
    accept_limit(channel, offer.config, hello.extensions, 0)
    session = resumed_session(offer, hello)
    if session is not None:
        return await resume12(channel, offer, hello, session, alpn)
    transcript = channel.transcript

    # Certificate  [CertificateStatus]  ServerKeyExchange
    takes_raw, shows_raw = check_types(offer.config, hello.extensions)
    chain = auth.check_chain(await auth.receive_chain12(channel, raw=takes_raw))
    claim = await auth.examine(channel.config, chain, offer.server_name, raw=takes_raw)
    check_curve(channel.config, claim.key)
    staple, exchange = await receive_exchange(channel, hello)
    auth.check_scheme12(channel.config, suite, exchange.scheme)
    signed = offer.hello.random + hello.random + exchange.params
    signatures.verify12(
        claim.key, exchange.scheme, exchange.signature, signed, pss_only=claim.pss_only
    )
    scts = hello.extensions.get(ext.SIGNED_CERTIFICATE_TIMESTAMPS) or ()
    peer = claim.peer(offer.server_name, exchange.scheme, staple, scts)
    auth.check_status(channel.config, peer)
    await auth.ask_application(channel.config, peer)

    # [CertificateRequest]  ServerHelloDone
    identity, scheme = None, None
    request = await channel.recv(CertificateRequest12, ServerHelloDone)
    if isinstance(request, CertificateRequest12):
        identity, scheme = await choose_identity(offer, request, shows_raw)
        await channel.recv(ServerHelloDone)
    channel.check_aligned()

    # [Certificate]  ClientKeyExchange
    if isinstance(request, CertificateRequest12):
        channel.send(auth.show12(identity, raw=shows_raw))
    public, shared_secret = agree(channel, offer, exchange)
    channel.send(ClientKeyExchange(public))
    extended = ExtensionType.EXTENDED_MASTER_SECRET in hello.extensions
    if extended:
        master = schedule12.extended_master_secret(suite, shared_secret, transcript.digest())
    else:
        master = schedule12.master_secret(suite, shared_secret, offer.hello.random, hello.random)
    channel.log_secret("CLIENT_RANDOM", master)
    keys = schedule12.key_block(suite, master, offer.hello.random, hello.random)

    # [CertificateVerify]  change_cipher_spec  {Finished}
    if identity is not None and scheme is not None:
        data = transcript.messages()
        channel.send(
            CertificateVerify(scheme, await auth.sign(channel.config, identity, scheme, data))
        )
    transcript.forget()
    channel.install_write12(keys.client)
    first = schedule12.finished(suite, master, "client", transcript.digest())
    channel.send(Finished(first))
    await channel.flush()

    # [NewSessionTicket]  change_cipher_spec  {Finished}
    ticket = await receive_ticket12(channel, hello)
    await channel.recv_ccs(keys.server)
    expected = schedule12.finished(suite, master, "server", transcript.digest())
    auth.check_finished(await channel.recv(Finished), expected)
    channel.check_aligned()
    established = Established(
        version=ProtocolVersion.TLSv1_2,
        suite=suite,
        group=exchange.group,
        alpn=alpn,
        server_name=offer.server_name,
        peer=peer,
        identity=identity,
        scheme=scheme,
        exporter_secret=master,
        randoms=(offer.hello.random, hello.random),
        extended_master_secret=extended,
        first_finished=first,
        early_data_status=offer.unsent or EarlyData.PROTOCOL_VERSION,
    )
    await remember(channel, offer, hello, established, ticket)
    return established


async def resume12(
    channel: Channel, offer: Offer, hello: ServerHello, session: Session, alpn: bytes | None
) -> Established:
    """The abbreviated handshake: RFC 5246, section 7.3, figure 2; RFC 5077, section 3.1."""
    transcript, suite = channel.transcript, channel.suite
    transcript.forget()
    channel.log_secret("CLIENT_RANDOM", session.secret)
    keys = schedule12.key_block(suite, session.secret, offer.hello.random, hello.random)

    # [NewSessionTicket]  change_cipher_spec  {Finished}
    ticket = await receive_ticket12(channel, hello)
    await channel.recv_ccs(keys.server)
    first = schedule12.finished(suite, session.secret, "server", transcript.digest())
    auth.check_finished(await channel.recv(Finished), first)
    channel.check_aligned()

    # change_cipher_spec  {Finished}
    channel.install_write12(keys.client)
    channel.send(
        Finished(schedule12.finished(suite, session.secret, "client", transcript.digest()))
    )
    await channel.flush()
    established = Established(
        version=ProtocolVersion.TLSv1_2,
        suite=suite,
        group=None,
        alpn=alpn,
        server_name=offer.server_name,
        peer=session.peer,
        identity=None,
        scheme=None,
        exporter_secret=session.secret,
        randoms=(offer.hello.random, hello.random),
        first_finished=first,
        early_data_status=offer.unsent or EarlyData.PROTOCOL_VERSION,
        resumed=True,
    )
    await remember(channel, offer, hello, established, ticket, session)
    return established


def check_curve(config: Config, key: signatures.PublicKey) -> None:
    """RFC 8422, section 5.3: an ECDSA key lies on a curve that was offered."""
    curve = signatures.curve_of(key)
    if curve is not None and curve not in config.groups:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server's certificate has a key on {curve.name}, which was not offered",
            reason="BAD_ECC_CERT",
        )


async def receive_exchange(
    channel: Channel, hello: ServerHello
) -> tuple[bytes | None, ServerKeyExchange]:
    """The ServerKeyExchange, and the OCSP response that may come before it.

    RFC 6066, section 8: a server that has announced one may still not send it.
    """
    if ExtensionType.STATUS_REQUEST not in hello.extensions:
        return None, await channel.recv(ServerKeyExchange)
    message = await channel.recv(CertificateStatus, ServerKeyExchange)
    if isinstance(message, CertificateStatus):
        return message.response, await channel.recv(ServerKeyExchange)
    return None, message


def check_hello12(config: ClientConfig, hello: ServerHello) -> None:
    """What a TLS 1.2 ServerHello must and must not say."""
    renegotiation = hello.extensions.get(ext.RENEGOTIATION_INFO)
    if renegotiation is None and not config.dangerous_allow_legacy_servers:
        # RFC 5746, section 4.1: to the server this handshake may be a renegotiation on a
        # connection that an attacker has begun; a client that never renegotiates does not see it.
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "unsafe legacy renegotiation disabled: the server does not support RFC 5746",
            reason="UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
            hint="The server's TLS is older than 2010 and needs an update. Until then only "
            "ClientConfig(dangerous_allow_legacy_servers=True) can talk to it.",
        )
    if renegotiation:  # RFC 5746, section 3.4: empty in an initial handshake
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the server's renegotiation_info is not empty",
            reason="RENEGOTIATION_MISMATCH",
        )
    formats = hello.extensions.get(ext.EC_POINT_FORMATS)
    if formats is not None and 0 not in formats:  # RFC 8422, section 5.2
        raise ProtocolError(Alert.ILLEGAL_PARAMETER, "the server does not take uncompressed points")


def resumed_session(offer: Offer, hello: ServerHello) -> Session | None:
    """The session that the server resumes: it says so by the session id (RFC 5077, section 3.4)."""
    session = offer.session12
    if session is None or hello.session_id != offer.hello.session_id:
        if hello.session_id and hello.session_id == offer.hello.session_id:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the server resumes a session that this client did not offer",
                reason="SERVER_ECHOED_INVALID_SESSION_ID",
            )
        return None
    if hello.cipher_suite != session.suite:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server resumed a session with another cipher suite",
            reason="OLD_SESSION_CIPHER_NOT_RETURNED",
        )
    if ExtensionType.EXTENDED_MASTER_SECRET not in hello.extensions:  # RFC 7627, section 5.3
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the server resumed a session without the extended master secret that it had",
            reason="RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION",
        )
    return session


def agree(channel: Channel, offer: Offer, exchange: ServerKeyExchange) -> tuple[bytes, bytes]:
    """The client's public key and the shared secret (RFC 8422, sections 5.4 and 5.7)."""
    if exchange.group not in offer.config.groups or exchange.group not in TLS12_GROUPS:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected the group {NamedGroup.label(exchange.group)}, which was not "
            "offered",
            reason="WRONG_CURVE",
        )
    own = channel.config.primitives.generate(exchange.group)
    return own.share, own.agree(exchange.public)


async def choose_identity(
    offer: Offer, request: CertificateRequest12, raw: bool
) -> tuple[Identity | None, SignatureScheme | None]:
    """What to show the server, which asks for it; nothing where there is nothing that fits."""
    query = CertificateQuery(
        offer.server_name,
        request.schemes,
        request.authorities,
        tuple(request.types),
        raw_public_key=raw,
    )
    return await auth.choose_identity(offer.config, query)


async def receive_ticket12(channel: Channel, hello: ServerHello) -> NewSessionTicket12 | None:
    """RFC 5077, section 3.3: announced in the ServerHello, sent before change_cipher_spec."""
    if ExtensionType.SESSION_TICKET not in hello.extensions:
        return None
    return await channel.recv(NewSessionTicket12)


async def remember(
    channel: Channel,
    offer: Offer,
    hello: ServerHello,
    established: Established,
    ticket: NewSessionTicket12 | None,
    session: Session | None = None,
) -> None:
    """Keeps what can be resumed; without the extended master secret, nothing (RFC 7627, 5.3)."""
    if not established.extended_master_secret:
        return
    blob = ticket.ticket if ticket is not None else session.ticket if session is not None else b""
    if len(blob) > MAX_TICKET or not (blob or hello.session_id):
        return
    lifetime = ticket.lifetime if ticket is not None and ticket.lifetime else 7200
    await keep_session(
        offer.config,
        offer.server_name,
        Session(
            version=established.version,
            suite=established.suite.code,
            secret=established.exporter_secret,
            created=channel.config.clock(),
            began=session.origin if session is not None else None,
            lifetime=min(lifetime, MAX_LIFETIME),
            alpn=established.alpn,
            server_name=established.server_name,
            ticket=blob,
            session_id=b"" if blob else hello.session_id,
            peer=established.peer,
            kin=channel.kin,
        ),
    )
