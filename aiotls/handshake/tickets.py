"""NewSessionTicket: RFC 8446, section 4.6.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import ServerConfig
from ..crypto.schedule13 import resumption_psk
from ..enums import Alert, PskKeyExchangeMode
from ..errors import ProtocolError
from ..sessions import MAX_CHAIN_IN_TICKET, MAX_LIFETIME, Kin, Session
from ..wire import extensions as ext
from ..wire.extensions import Extensions
from ..wire.messages import ClientHello, NewSessionTicket
from .channel import Channel, resolve
from .key_update import send_messages

if TYPE_CHECKING:
    from ..crypto.schedule13 import MasterSecret
    from .established import Established

MAX_TICKET = 20_000
"""Bytes of a ticket that a client keeps: it has to fit into a ClientHello, whose extensions have
65,535 bytes in all, and with ECH twice, as the outer one carries another of its length."""


async def send_tickets(
    channel: Channel,
    config: ServerConfig,
    hello: ClientHello,
    established: Established,
    master: MasterSecret,
) -> None:
    """Gives the client its tickets; they leave with whatever the server writes first.

    The transcript ends with the client's Finished. The secret that they are made from is not kept:
    no other ticket will be.
    """
    modes = hello.extensions.get(ext.PSK_KEY_EXCHANGE_MODES) or ()
    if PskKeyExchangeMode.PSK_DHE_KE not in modes:
        return  # 4.2.9: the client could not use them
    if config.ticket_keys is None and config.session_store is None:
        return
    if channel.write_ended:
        return  # 6.1: nothing is sent after close_notify
    peer, now = established.peer, config.clock()
    chain = peer.chain if peer is not None else ()
    lifetime = remaining_lifetime(config, established, now)
    if sum(map(len, chain)) > MAX_CHAIN_IN_TICKET or lifetime <= 0:
        return
    resumption_secret = master.resumption(channel.transcript.digest())
    messages = bytearray()
    # Who resumes has used one up, and gets another for it.
    for number in range(min(1, config.tickets) if established.resumed else config.tickets):
        nonce = number.to_bytes(1, "big")
        session = Session(
            version=established.version,
            suite=established.suite.code,
            secret=resumption_psk(established.suite, resumption_secret, nonce),
            created=now,
            began=established.began,
            lifetime=lifetime,
            age_add=int.from_bytes(config.random(4), "big"),
            max_early_data=config.max_early_data,
            alpn=established.alpn,
            server_name=established.server_name,
            chain=chain,
            raw_public_key=peer.raw_public_key if peer is not None else None,
        )
        ticket = await seal_session(config, session, channel.kin)
        if not ticket:
            break  # RFC 8446, section 4.6.1: a ticket has at least one byte
        message = NewSessionTicket(
            lifetime=session.lifetime,
            age_add=session.age_add,
            nonce=nonce,
            ticket=ticket,
            extensions=ticket_extensions(config),
        )
        messages += message.encode()
    if messages:
        send_messages(channel.writer, messages, config.observer)


def remaining_lifetime(config: ServerConfig, established: Established, now: float) -> int:
    """Seconds that a ticket may live, so that a chain of resumed sessions ends seven days after the
    full handshake that it began with (RFC 8446, section 4.6.1).
    """
    if established.began is None:
        return config.ticket_lifetime
    return min(config.ticket_lifetime, int(established.began + MAX_LIFETIME - now))


def ticket_extensions(config: ServerConfig) -> Extensions:
    """RFC 8446, section 4.2.10: how much early data the ticket is good for."""
    if not config.max_early_data:
        return Extensions()
    return Extensions.build([(ext.EARLY_DATA_LIMIT, config.max_early_data)])


async def seal_session(config: ServerConfig, session: Session, kin: Kin) -> bytes:
    """The ticket for a session: its state sealed, or its number in the store."""
    if config.session_store is not None:
        number = config.random(32)
        await store_session(config, number, session, kin)
        return number
    try:
        if config.ticket_keys is not None:
            ticket: object = await resolve(config.ticket_keys.seal(session.encode()))
            if not isinstance(ticket, bytes) or len(ticket) > 0xFFFF:
                raise TypeError("seal() gives bytes, at most 65535 of them")
            return ticket
    except ProtocolError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the session could not be kept: {error!r}"
        ) from error
    return b""


async def store_session(config: ServerConfig, number: bytes, session: Session, kin: Kin) -> None:
    """Puts a session into the server's store, if it has one."""
    if config.session_store is None:
        return
    try:
        await resolve(config.session_store.put(number, session.encode(), session.lifetime))
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the session could not be kept: {error!r}"
        ) from error
    kin.numbers += (number,)


def receive_ticket(
    established: Established, message: NewSessionTicket, now: float, kin: Kin
) -> Session | None:
    """The session that a ticket stands for; None for one that is not to be used."""
    if message.lifetime > MAX_LIFETIME:  # 4.6.1
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server sent a ticket with a lifetime of {message.lifetime} seconds",
            reason="BAD_TICKET_LIFETIME",
        )
    if not message.lifetime or len(message.ticket) > MAX_TICKET:
        return None  # 4.6.1: to be discarded at once
    return Session(
        version=established.version,
        suite=established.suite.code,
        secret=resumption_psk(established.suite, established.resumption_secret, message.nonce),
        created=now,
        began=established.began,
        lifetime=message.lifetime,
        age_add=message.age_add,
        max_early_data=message.extensions.get(ext.EARLY_DATA_LIMIT) or 0,
        alpn=established.alpn,
        server_name=established.server_name,
        ticket=message.ticket,
        peer=established.peer,
        kin=kin,
    )
