"""The server's side of a TLS 1.2 handshake: RFC 5246, section 7.3.

ECDHE with AEADs, and nothing older (RFC 8422, RFC 5288, RFC 7905). Sessions are resumed by
ticket (RFC 5077), and only with the extended master secret (RFC 7627).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config import ClientAuth, ServerConfig
from ..crypto import schedule12, signatures
from ..crypto.groups import TLS12_GROUPS
from ..crypto.suites import SUITES, Suite
from ..enums import (
    Alert,
    CipherSuite,
    EarlyData,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from ..errors import ProtocolError
from ..sessions import MAX_CHAIN_IN_TICKET, Session
from ..wire import extensions as ext
from ..wire.extensions import Extensions, Rows
from ..wire.messages import (
    CertificateRequest12,
    CertificateStatus,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    Finished,
    NewSessionTicket12,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from . import auth
from .certificate_type import answer_types, answer_types_again, takes_raw
from .established import Established
from .offer import DOWNGRADE_TLS12
from .psk import admit_client, open_ticket
from .record_size import answer_limit
from .selection import (
    Credential,
    candidates_for,
    choose_protocol,
    no_shared_cipher,
    no_shared_group,
    with_fresh_staple,
)
from .tickets import seal_session, store_session

if TYPE_CHECKING:
    from ..identity import Identity
    from .channel import Channel


async def server12(
    channel: Channel, config: ServerConfig, hello: ClientHello, chosen: Identity | None
) -> Established:
    """Carries the handshake from the ClientHello to the last Finished."""
    check_hello12(config, hello)
    alpn = choose_protocol(config, hello)
    session = await find_session(config, hello)
    if session is not None:
        return await resume12(channel, config, hello, session, alpn, chosen)
    transcript = channel.transcript
    group = choose_group12(config, hello)
    suite, credential = choose_credential12(config, hello, chosen)
    credential = await with_fresh_staple(config, hello, credential)
    identity, scheme = credential.identity, credential.scheme
    channel.choose_suite(suite)

    # ServerHello  Certificate  ServerKeyExchange  [CertificateRequest]  ServerHelloDone
    extended = ExtensionType.EXTENDED_MASTER_SECRET in hello.extensions
    tickets = gives_ticket(config, hello, extended)
    number = fresh_number(config, hello, extended)
    answer = server_hello(channel, config, hello, suite, alpn, tickets=tickets, session_id=number)
    wants_raw = takes_raw(config, hello.extensions)
    answer = with_rows(answer, credential_rows(config, hello, credential, wants_raw))
    channel.send(answer)
    channel.send(auth.show12(identity, raw=credential.raw))
    if identity.staple is not None and ExtensionType.STATUS_REQUEST in answer.extensions:
        channel.send(CertificateStatus(identity.staple))
    own = config.primitives.generate(group)
    params = ServerKeyExchange(group, own.share, scheme, b"").params
    signature = await auth.sign(
        channel.config, identity, scheme, hello.random + answer.random + params
    )
    channel.send(ServerKeyExchange(group, own.share, scheme, signature))
    ask = config.client_auth is not ClientAuth.NONE
    if ask:
        # certificate types: ecdsa_sign, which RFC 8422 has stand for EdDSA too, and rsa_sign
        schemes = tuple(config.signature_schemes)
        channel.send(CertificateRequest12(b"\x40\x01", schemes, config.authorities))
    channel.send(ServerHelloDone())
    channel.check_aligned()
    await channel.flush()

    # [Certificate]  ClientKeyExchange  [CertificateVerify]
    claim = await receive_claim(channel, config, wants_raw) if ask else None
    public = (await channel.recv(ClientKeyExchange)).public
    shared_secret = own.agree(public)
    if extended:
        master = schedule12.extended_master_secret(suite, shared_secret, transcript.digest())
    else:
        master = schedule12.master_secret(suite, shared_secret, hello.random, answer.random)
    channel.log_secret("CLIENT_RANDOM", master)
    keys = schedule12.key_block(suite, master, hello.random, answer.random)
    server_name = hello.extensions.get(ext.SERVER_NAME)
    peer = None
    if claim is not None:
        signed = transcript.messages()
        proof = await channel.recv(CertificateVerify)
        auth.check_scheme12(config, None, proof.scheme)
        signatures.verify12(
            claim.key, proof.scheme, proof.signature, signed, pss_only=claim.pss_only
        )
        peer = claim.peer(server_name, proof.scheme)
        await auth.ask_application(config, peer)
    transcript.forget()

    # change_cipher_spec  {Finished}
    await channel.recv_ccs(keys.client)
    first = schedule12.finished(suite, master, "client", transcript.digest())
    auth.check_finished(await channel.recv(Finished), first)
    channel.check_aligned()

    # [NewSessionTicket]  change_cipher_spec  {Finished}
    if tickets or number:
        session = Session(
            version=ProtocolVersion.TLSv1_2,
            suite=suite.code,
            secret=master,
            created=config.clock(),
            lifetime=config.ticket_lifetime,
            alpn=alpn,
            server_name=server_name,
            chain=peer.chain if peer is not None else (),
            raw_public_key=peer.raw_public_key if peer is not None else None,
        )
        await keep12(channel, config, session, number)
    channel.install_write12(keys.server)
    channel.send(Finished(schedule12.finished(suite, master, "server", transcript.digest())))
    await channel.flush()
    return Established(
        version=ProtocolVersion.TLSv1_2,
        suite=suite,
        group=group,
        alpn=alpn,
        server_name=server_name,
        peer=peer,
        identity=identity,
        scheme=scheme,
        exporter_secret=master,
        randoms=(hello.random, answer.random),
        extended_master_secret=extended,
        first_finished=first,
        early_data_status=unavailable(config),
    )


async def resume12(
    channel: Channel,
    config: ServerConfig,
    hello: ClientHello,
    session: Session,
    alpn: bytes | None,
    chosen: Identity | None,
) -> Established:
    """The abbreviated handshake: RFC 5246, section 7.3, figure 2; RFC 5077, section 3.1."""
    suite, transcript = SUITES[session.suite], channel.transcript
    channel.choose_suite(suite)
    transcript.forget()

    # ServerHello  [NewSessionTicket]  change_cipher_spec  {Finished}
    tickets = gives_ticket(config, hello, True)
    answer = server_hello(
        channel,
        config,
        hello,
        suite,
        alpn,
        tickets=tickets,
        session_id=hello.session_id,
        resumed=True,
    )
    channel.send(with_rows(answer, answer_types_again(config, chosen, hello.extensions)))
    master = session.secret
    channel.log_secret("CLIENT_RANDOM", master)
    keys = schedule12.key_block(suite, master, hello.random, answer.random)
    if tickets or ExtensionType.SESSION_TICKET not in hello.extensions:
        await keep12(channel, config, session, b"" if tickets else hello.session_id)
    channel.install_write12(keys.server)
    first = schedule12.finished(suite, master, "server", transcript.digest())
    channel.send(Finished(first))
    await channel.flush()

    # change_cipher_spec  {Finished}
    await channel.recv_ccs(keys.client)
    expected = schedule12.finished(suite, master, "client", transcript.digest())
    auth.check_finished(await channel.recv(Finished), expected)
    channel.check_aligned()
    return Established(
        version=ProtocolVersion.TLSv1_2,
        suite=suite,
        group=None,
        alpn=alpn,
        server_name=session.server_name,
        peer=session.peer,
        identity=None,
        scheme=None,
        exporter_secret=master,
        randoms=(hello.random, answer.random),
        first_finished=first,
        early_data_status=unavailable(config),
        resumed=True,
    )


def unavailable(config: ServerConfig) -> EarlyData:
    """Why there is no 0-RTT data in TLS 1.2."""
    return EarlyData.PROTOCOL_VERSION if config.max_early_data else EarlyData.DISABLED


def check_hello12(config: ServerConfig, hello: ClientHello) -> None:
    """What a TLS 1.2 ClientHello must and must not say."""
    if hello.extensions.get(ext.RENEGOTIATION_INFO):  # RFC 5746, section 3.6
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the client's renegotiation_info is not empty",
            reason="RENEGOTIATION_MISMATCH",
        )
    formats = hello.extensions.get(ext.EC_POINT_FORMATS)
    if formats is not None and 0 not in formats:  # RFC 8422, section 5.1.2
        raise ProtocolError(Alert.ILLEGAL_PARAMETER, "the client does not take uncompressed points")
    newest = config.versions[0]
    if CipherSuite.TLS_FALLBACK_SCSV in hello.cipher_suites and newest > ProtocolVersion.TLSv1_2:
        raise ProtocolError(  # RFC 7507, section 3
            Alert.INAPPROPRIATE_FALLBACK,
            "the client fell back to an older version although this server speaks a newer one",
            reason="INAPPROPRIATE_FALLBACK",
        )


def server_hello(
    channel: Channel,
    config: ServerConfig,
    hello: ClientHello,
    suite: Suite,
    alpn: bytes | None,
    *,
    tickets: bool,
    session_id: bytes,
    resumed: bool = False,
) -> ServerHello:
    """RFC 5246, section 7.4.1.3, with the sentinel of RFC 8446, section 4.1.3."""
    random = config.random(32)
    if config.versions[0] > ProtocolVersion.TLSv1_2:
        random = random[:24] + DOWNGRADE_TLS12
    rows: Rows = []
    offered = hello.extensions
    scsv = CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites
    if scsv or ExtensionType.RENEGOTIATION_INFO in offered:
        rows.append((ext.RENEGOTIATION_INFO, b""))
    if ExtensionType.EXTENDED_MASTER_SECRET in offered:
        rows.append((ext.EXTENDED_MASTER_SECRET, True))
    if ExtensionType.EC_POINT_FORMATS in offered:
        rows.append((ext.EC_POINT_FORMATS, (0,)))
    if ExtensionType.SERVER_NAME in offered and not resumed:  # RFC 6066, section 3
        rows.append((ext.SERVER_NAME_ACK, True))
    if alpn is not None:
        rows.append((ext.ALPN_SELECTED, alpn))
    if tickets:
        rows.append((ext.SESSION_TICKET, b""))
    rows += answer_limit(channel, config, offered, 0)
    return ServerHello(
        random=random,
        session_id=session_id,
        cipher_suite=suite.code,
        extensions=Extensions.build(rows),
    )


def credential_rows(
    config: ServerConfig, hello: ClientHello, credential: Credential, wants_raw: bool
) -> Rows:
    """What the ServerHello says of the certificate: its type, its staple, its timestamps."""
    identity, offered = credential.identity, hello.extensions
    rows = answer_types(config, offered, credential.raw, wants_raw)
    if credential.raw:
        return rows
    if identity.staple is not None and ExtensionType.STATUS_REQUEST in offered:
        rows.append((ext.STATUS_REQUEST_EMPTY, True))
    if identity.scts and ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP in offered:
        rows.append((ext.SIGNED_CERTIFICATE_TIMESTAMPS, identity.scts))
    return rows


def with_rows(answer: ServerHello, rows: Rows) -> ServerHello:
    """The ServerHello with more extensions."""
    return replace(answer, extensions=Extensions.build([*answer.extensions.items, *rows]))


def choose_group12(config: ServerConfig, hello: ClientHello) -> NamedGroup:
    """RFC 8422, section 5.1.1; a client that names no groups is taken to know P-256 (section 4)."""
    offered = hello.extensions.get(ext.SUPPORTED_GROUPS) or (NamedGroup.SECP256R1,)
    for group in config.groups:
        if group in offered and group in TLS12_GROUPS:
            return group
    raise no_shared_group(config, offered, TLS12_GROUPS)


def choose_credential12(
    config: ServerConfig, hello: ClientHello, chosen: Identity | None
) -> tuple[Suite, Credential]:
    """The first suite for which there is a certificate and a scheme that the client knows."""
    schemes = hello.extensions.get(ext.SIGNATURE_ALGORITHMS)
    if schemes is None:  # RFC 5246, section 7.4.1.4.1 means SHA-1 then, which is not spoken here
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the client sent no signature_algorithms, which means SHA-1",
            reason="NO_COMMON_SIGNATURE_ALGORITHMS",
        )
    candidates = candidates_for(config, hello.extensions, chosen)
    groups = hello.extensions.get(ext.SUPPORTED_GROUPS)
    if groups is not None:  # RFC 8422, section 5.3
        candidates = [pair for pair in candidates if has_curve(pair[0], groups)]
    shared = False
    for code in config.suites:
        suite = SUITES[code]
        if suite.version != ProtocolVersion.TLSv1_2 or code not in hello.cipher_suites:
            continue
        shared = True
        for identity, raw in candidates:
            for scheme in identity.schemes12:
                if scheme in schemes and signatures.fits_suite(scheme, suite):
                    return suite, Credential(identity, scheme, raw)
    if not shared:
        raise no_shared_cipher(config, hello, ProtocolVersion.TLSv1_2)
    remedy = (
        "A second certificate with a key of another kind, ServerConfig(identities=[...]), serves "
        "both."
    )
    if not any(scheme in signatures.DEFAULT_SCHEMES for scheme in schemes):
        remedy = "The client needs one with SHA-256 or better: SHA-1 is not spoken here."
    raise ProtocolError(
        Alert.HANDSHAKE_FAILURE,
        "no shared cipher: no certificate of this server fits a cipher suite and a signature "
        "algorithm of the client's",
        reason="NO_SHARED_CIPHER",
        hint=f"The client offers {CipherSuite.listing(hello.cipher_suites)}, with the signature "
        f"algorithms {SignatureScheme.listing(schemes)}. {remedy}",
    )


def has_curve(identity: Identity, groups: Sequence[int]) -> bool:
    """Whether the client can use the identity's key."""
    curve = signatures.curve_of(identity.public_key)
    return curve is None or curve in groups


async def receive_claim(channel: Channel, config: ServerConfig, raw: bool) -> auth.Claim | None:
    """Who the client says it is; None where it shows nothing and need not."""
    chain = await auth.receive_chain12(channel, raw=raw)
    if chain:
        return await auth.examine(config, auth.check_chain(chain), None, raw=raw)
    if config.client_auth is ClientAuth.REQUIRED:
        raise ProtocolError(
            Alert.HANDSHAKE_FAILURE,
            "the client showed no certificate, and this server requires one",
            reason="PEER_DID_NOT_RETURN_A_CERTIFICATE",
            hint="Its owner has to give it one by an authority that this server trusts.",
        )
    return None


async def find_session(config: ServerConfig, hello: ClientHello) -> Session | None:
    """The client's session, by ticket or by number, if it may be resumed (RFC 7627, 5.3)."""
    ticket = hello.extensions.get(ext.SESSION_TICKET)
    if not config.tickets and config.session_store is not None:
        ticket = None
    if ticket:
        session = await open_ticket(config, ticket)
    elif ticket is None and hello.session_id and config.session_store is not None:
        session = await open_ticket(config, hello.session_id)
    else:
        return None
    if (
        session is None
        or session.version != ProtocolVersion.TLSv1_2
        or session.suite not in hello.cipher_suites
        or session.suite not in config.suites
        or session.expired(config.clock())
        or not session.extended_master_secret
        or session.server_name != hello.extensions.get(ext.SERVER_NAME)
    ):
        return None
    if ExtensionType.EXTENDED_MASTER_SECRET not in hello.extensions:
        raise ProtocolError(  # RFC 7627, section 5.3: the server MUST abort
            Alert.HANDSHAKE_FAILURE,
            "the client resumes a session without the extended master secret that it had",
            reason="RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION",
        )
    return await admit_client(config, session)


def fresh_number(config: ServerConfig, hello: ClientHello, extended: bool) -> bytes:
    """The session id for a client that takes no tickets, where the server keeps the state."""
    if (
        not extended
        or config.session_store is None
        or (config.tickets and ExtensionType.SESSION_TICKET in hello.extensions)
    ):
        return b""
    return config.random(32)


def gives_ticket(config: ServerConfig, hello: ClientHello, extended: bool) -> bool:
    """Whether the client gets a ticket."""
    return (
        extended
        and config.tickets > 0
        and ExtensionType.SESSION_TICKET in hello.extensions
        and (config.ticket_keys is not None or config.session_store is not None)
    )


async def keep12(channel: Channel, config: ServerConfig, session: Session, number: bytes) -> None:
    """Keeps the session under its *number*, or else sends a NewSessionTicket (RFC 5077, 3.3).

    The ticket is empty where the session cannot be kept. A session that was resumed does not
    live longer for that.
    """
    if number:
        await store_session(config, number, session, channel.kin)
        return
    ticket = b""
    if sum(map(len, session.chain)) <= MAX_CHAIN_IN_TICKET:
        ticket = await seal_session(config, session, channel.kin)
    left = math.ceil(session.ends - config.clock())
    channel.send(NewSessionTicket12(max(1, left), ticket))
