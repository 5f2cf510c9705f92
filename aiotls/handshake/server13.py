"""The server's side of a TLS 1.3 handshake: RFC 8446, section 2, figure 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import ClientAuth, ServerConfig
from ..crypto.schedule13 import EarlySecret, finished
from ..enums import Alert, CertificateType, EarlyData, NamedGroup, ProtocolVersion
from ..errors import ProtocolError
from ..wire import extensions as ext
from ..wire.extensions import Context, Extensions, Rows
from ..wire.messages import (
    HELLO_RETRY_REQUEST_RANDOM,
    CertificateRequest,
    ClientHello,
    EncryptedExtensions,
    Finished,
    ServerHello,
)
from . import auth
from . import ech_server as ech
from .certificate_type import answer_types, answer_types_again, takes_raw, takes_raw_later
from .early import judge_early_data, receive_early_data, refuse
from .established import Established
from .psk import choose_key, resumed_peer
from .record_size import answer_limit
from .selection import (
    Credential,
    check_second_hello,
    choose_credential,
    choose_group,
    choose_protocol,
    choose_suite,
    with_fresh_staple,
)
from .tickets import send_tickets
from .traffic13 import application_traffic, handshake_traffic

if TYPE_CHECKING:
    from ..crypto.suites import Suite
    from ..identity import Identity
    from .channel import Channel


async def server13(
    channel: Channel,
    config: ServerConfig,
    hello: ClientHello,
    chosen: Identity | None,
    opened: ech.Opened | None,
) -> Established:
    """Carries the handshake from the ClientHello to the client's Finished."""
    transcript = channel.transcript
    suite = choose_suite(config, hello, ProtocolVersion.TLSv1_3)
    group, share = choose_group(config, hello)
    alpn = choose_protocol(config, hello)
    channel.accept_ccs = True

    # HelloRetryRequest*
    retried, first = share is None or config.retry_cookie, hello
    if retried:
        refuse(channel, config, hello)
        hello, share = await ask_again(channel, hello, suite, group, share, opened)
    selected = await choose_key(channel, config, hello, suite)
    index, key = selected if selected is not None else (None, None)
    credential = choose_credential(config, hello, chosen) if key is None else None
    channel.choose_suite(suite)
    status = await judge_early_data(config, first, selected, suite, alpn, retried)
    early_data = status is EarlyData.ACCEPTED
    hello_digest = transcript.digest()

    # ServerHello
    answer, shared_secret = config.primitives.respond(group, share or b"")
    server_hello = ServerHello(
        random=config.random(32),
        session_id=hello.session_id,
        cipher_suite=suite.code,
        extensions=hello_extensions(ext.KeyShareEntry(group, answer), index),
    )
    channel.send(ech.confirm(channel, opened, server_hello))
    if not retried:
        channel.send_ccs()
    early = EarlySecret(suite) if key is None else key.early_secret
    secrets = early.handshake(shared_secret)
    traffic = handshake_traffic(channel, secrets)
    channel.install_write(traffic.server)
    if early_data:
        early_traffic = early.client_early_traffic(hello_digest)
        channel.log_secret("CLIENT_EARLY_TRAFFIC_SECRET", early_traffic)
        channel.install_read(early_traffic, plain_alerts=True)  # it may give up before using them
    else:
        refuse(channel, config, hello)
        channel.install_read(traffic.client, plain_alerts=True)

    # {EncryptedExtensions}  {CertificateRequest*}  {Certificate}  {CertificateVerify}  {Finished}
    rows = answer_extensions(hello, alpn, credential is None, early_data)
    rows += answer_limit(channel, config, hello.extensions, 1)
    rows += ech.answer(opened, hello)
    request, wants_raw = None, takes_raw_later(config, hello.extensions)
    if credential is None:
        rows += answer_types_again(config, chosen, hello.extensions)
        if wants_raw:
            rows.append((ext.CLIENT_CERTIFICATE_TYPE_SELECTED, CertificateType.RAW_PUBLIC_KEY))
        channel.send(EncryptedExtensions(Extensions.build(rows)))
    else:
        wants_raw = wants_raw or takes_raw(config, hello.extensions)
        rows += answer_types(config, hello.extensions, credential.raw, wants_raw)
        channel.send(EncryptedExtensions(Extensions.build(rows)))
        if config.client_auth is not ClientAuth.NONE:
            request = certificate_request(config)
            channel.send(request)
        await prove_identity(channel, config, hello, credential)
    channel.send(Finished(finished(suite, traffic.server, transcript.digest())))
    master = secrets.master()
    application, exporter_secret = application_traffic(channel, master)
    channel.install_write(application.server)
    server_name = hello.extensions.get(ext.SERVER_NAME)
    channel.alpn, channel.server_name = alpn, server_name
    channel.may_write = config.half_rtt
    await channel.flush()

    # (EndOfEarlyData*)
    if early_data:
        await receive_early_data(channel, config.max_early_data)
        channel.install_read(traffic.client)

    # {Certificate*}  {CertificateVerify*}
    peer = resumed_peer(key)
    if request is not None:
        peer = await verify_client(channel, config, request, server_name, wants_raw)

    # {Finished}
    expected = finished(suite, traffic.client, transcript.digest())
    auth.check_finished(await channel.recv(Finished), expected)

    # [Application Data]  [NewSessionTicket*]
    channel.install_read(application.client)
    established = Established(
        version=ProtocolVersion.TLSv1_3,
        suite=suite,
        group=group,
        alpn=alpn,
        server_name=server_name,
        peer=peer,
        identity=credential.identity if credential is not None else None,
        scheme=credential.scheme if credential is not None else None,
        exporter_secret=exporter_secret,
        retried=retried,
        resumed=key is not None and key.session is not None,
        began=key.began if key is not None else None,
        client_shows_raw_key=wants_raw,
        transcript=transcript if ext.POST_HANDSHAKE_AUTH.type in hello.extensions else None,
        psk_identity=key.external_identity if key is not None else None,
        early_data_status=status,
        ech=ech.was_opened(opened),
    )
    await send_tickets(channel, config, hello, established, master)
    return established


async def ask_again(
    channel: Channel,
    hello: ClientHello,
    suite: Suite,
    group: NamedGroup,
    share: bytes | None,
    opened: ech.Opened | None,
) -> tuple[ClientHello, bytes]:
    """Sends a HelloRetryRequest and receives the second ClientHello (RFC 8446, section 4.1.4)."""
    config = channel.config
    asked = group if share is None else None
    cookie = None
    rows: Rows = [(ext.SELECTED_VERSION, ProtocolVersion.TLSv1_3)]
    if asked is not None:
        rows.append((ext.KEY_SHARE_RETRY, asked))
    if isinstance(config, ServerConfig) and config.retry_cookie:
        cookie = config.random(32)
        rows.append((ext.COOKIE, cookie))
    retry = ServerHello(
        random=HELLO_RETRY_REQUEST_RANDOM,
        session_id=hello.session_id,
        cipher_suite=suite.code,
        extensions=Extensions.build(rows),
    )
    retry = ech.confirm_retry(channel, suite, opened, retry)
    channel.transcript.condense(suite.hash_name)
    channel.send(retry)
    channel.send_ccs()
    await channel.flush()
    channel.check_aligned()

    second = ech.open_second(channel, opened, await channel.recv(ClientHello))
    second.extensions.check(Context.CLIENT_HELLO)
    check_second_hello(hello, second, asked, cookie)
    # The share of the second hello, even where the first was not objected to: section 4.1.2 has
    # the client keep it then, but Java's JSSE makes a new one after any HelloRetryRequest.
    for entry in second.extensions.get(ext.KEY_SHARE) or ():
        if entry.group == group:
            return second, entry.key_exchange
    raise ProtocolError(
        Alert.ILLEGAL_PARAMETER,
        "the client's second ClientHello has no key share for the group chosen",
        reason="WRONG_CURVE",
    )


def hello_extensions(share: ext.KeyShareEntry, key_index: int | None) -> Extensions:
    """RFC 8446, section 4.1.3: what the key schedule depends on."""
    rows: Rows = [
        (ext.SELECTED_VERSION, ProtocolVersion.TLSv1_3),
        (ext.KEY_SHARE_SERVER, share),
    ]
    if key_index is not None:
        rows.append((ext.PRE_SHARED_KEY_SELECTED, key_index))
    return Extensions.build(rows)


def answer_extensions(
    hello: ClientHello, alpn: bytes | None, resumed: bool, early_data: bool
) -> Rows:
    """RFC 8446, section 4.3.1: answers to the ClientHello that need no key to be found."""
    rows: Rows = []
    # RFC 6066, section 3: not on resumption, where the name has no part in the choice
    if not resumed and hello.extensions.get(ext.SERVER_NAME) is not None:
        rows.append((ext.SERVER_NAME_ACK, True))
    if alpn is not None:
        rows.append((ext.ALPN_SELECTED, alpn))
    if early_data:
        rows.append((ext.EARLY_DATA, True))
    return rows


def certificate_request(config: ServerConfig) -> CertificateRequest:
    """RFC 8446, section 4.3.2."""
    rows: Rows = [(ext.SIGNATURE_ALGORITHMS, config.signature_schemes)]
    if config.certificate_signature_schemes is not None:
        rows.append((ext.SIGNATURE_ALGORITHMS_CERT, config.certificate_signature_schemes))
    if config.certificate_compression:
        rows.append((ext.COMPRESS_CERTIFICATE, config.certificate_compression))
    if config.authorities:
        rows.append((ext.CERTIFICATE_AUTHORITIES, config.authorities))
    return CertificateRequest(b"", Extensions.build(rows))


async def prove_identity(
    channel: Channel, config: ServerConfig, hello: ClientHello, credential: Credential
) -> None:
    """RFC 8446, sections 4.4.2 and 4.4.3: the chain with its staple as it is by now, the proof."""
    fresh = await with_fresh_staple(config, hello, credential)
    await auth.prove(
        channel,
        fresh.identity,
        fresh.scheme,
        auth.SERVER_CONTEXT,
        hello.extensions,
        raw=fresh.raw,
    )


async def verify_client(
    channel: Channel,
    config: ServerConfig,
    request: CertificateRequest,
    server_name: str | None,
    raw: bool,
) -> auth.Peer | None:
    """RFC 8446, section 4.4.2.4: an empty Certificate is a refusal, which may be allowed."""
    certificate = await auth.receive_certificate(channel)
    if certificate.context:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the client's Certificate carries a request context"
        )
    if certificate.entries:
        return await auth.verify_peer(
            channel, certificate, auth.CLIENT_CONTEXT, server_name, request.extensions, raw=raw
        )
    if config.client_auth is ClientAuth.REQUIRED:
        raise ProtocolError(
            Alert.CERTIFICATE_REQUIRED,
            "the client showed no certificate, and this server requires one",
            reason="PEER_DID_NOT_RETURN_A_CERTIFICATE",
            hint="Its owner has to give it one by an authority that this server trusts.",
        )
    return None
