"""0-RTT: application data before the handshake is done (RFC 8446, sections 2.3, 4.2.10 and 8).

What arrives this way may have been recorded and sent again by someone else. So a server has to
name a guard against that, and both sides have to ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import ClientConfig, ServerConfig
from ..crypto.aead import PlainSealer, Sealer13
from ..enums import Alert, ContentType, EarlyData, ExtensionType, ProtocolVersion
from ..errors import ProtocolError
from ..wire import extensions as ext
from ..wire.extensions import Extensions
from ..wire.messages import ClientHello, EndOfEarlyData
from .channel import resolve

if TYPE_CHECKING:
    from ..crypto.suites import Suite
    from ..sessions import ReplayGuard, Session
    from .channel import Channel
    from .offer import Offer
    from .psk import PreSharedKey

AGE_TOLERANCE = 10.0
"""Seconds by which a ticket's age may be off, and that a guard has to remember (section 8.3)."""

SKIPPED = 1 << 15
"""Bytes of refused early data that a server drops at the least, before it takes them for noise."""

# -- the client's half -----------------------------------------------------------------------------


def unsendable(config: ClientConfig, session: Session | None, wanted: bool) -> EarlyData | None:
    """Why early data is not announced; None where it is."""
    if not wanted:
        return EarlyData.DISABLED
    if ProtocolVersion.TLSv1_3 not in config.versions:
        return EarlyData.PROTOCOL_VERSION
    if session is None:
        return EarlyData.NO_SESSION_OFFERED
    if not session.max_early_data:
        return EarlyData.UNSUPPORTED_FOR_SESSION
    if session.alpn is not None and session.alpn not in config.alpn:
        return EarlyData.ALPN_MISMATCH
    return None


def sendable(offer: Offer, data: bytes) -> bytes:
    """The part of *data* that may go ahead of the handshake; empty if none may."""
    session = offer.keys[0].session if offer.keys else None
    if session is None or ExtensionType.EARLY_DATA not in offer.hello.extensions:
        return b""
    return data[: session.max_early_data]


async def send_early_data(channel: Channel, offer: Offer) -> None:
    """Sends what the application has for the server, under the key of the session alone."""
    key = offer.keys[0] if offer.keys else None
    if key is None or key.session is None or not offer.early_data:
        return
    data = sendable(offer, channel.early_output)
    if channel.end_early_data is not None:
        channel.early_room = key.session.max_early_data - len(data)
    digest = channel.transcript.hash_of(key.hash_name, b"")
    secret = key.early_secret.client_early_traffic(digest)
    channel.log_secret("CLIENT_EARLY_TRAFFIC_SECRET", secret)
    channel.send_ccs()
    channel.writer.sealer = Sealer13(key.suite, secret, channel.config.record_padding)
    if data:
        channel.writer.write(ContentType.APPLICATION_DATA, data)
    await channel.flush()


def withdraw(channel: Channel) -> None:
    """A HelloRetryRequest refuses early data: the second ClientHello goes in the clear."""
    channel.early_room = 0
    channel.writer.sealer = PlainSealer()


def check_acceptance(
    offer: Offer, extensions: Extensions, key: PreSharedKey | None, suite: Suite, alpn: bytes | None
) -> EarlyData:
    """What became of the early data; the server may only take it on the terms of the session."""
    session = key.session if key is not None else None
    if ExtensionType.EARLY_DATA not in extensions:
        if offer.unsent is not None:
            return offer.unsent
        offered = offer.keys[0].session if offer.keys else None
        if offered is not None and offered.alpn != alpn:
            return EarlyData.ALPN_MISMATCH
        if offer.retried:
            return EarlyData.HELLO_RETRY_REQUEST
        return EarlyData.SESSION_NOT_RESUMED if session is None else EarlyData.PEER_DECLINED
    if session is None or key is not offer.keys[0] or session.suite != suite.code:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server accepted early data without the session that it belongs to",
            reason="UNEXPECTED_EXTENSION",
        )
    if session.alpn != alpn:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server accepted early data for another application protocol",
            reason="ALPN_MISMATCH_ON_EARLY_DATA",
        )
    return EarlyData.ACCEPTED


# -- the server's half -----------------------------------------------------------------------------


async def judge_early_data(
    config: ServerConfig,
    hello: ClientHello,
    selected: tuple[int, PreSharedKey] | None,
    suite: Suite,
    alpn: bytes | None,
    retried: bool,
) -> EarlyData:
    """Whether to take the client's early data (section 4.2.10, and section 8 for the replays).

    *hello* is the client's first, also where it was *retried*.
    """
    if not config.max_early_data or config.replay_guard is None:
        return EarlyData.DISABLED
    offered = hello.extensions.get(ext.PRE_SHARED_KEY)
    if offered is None:
        return EarlyData.NO_SESSION_OFFERED
    if selected is None or selected[0] != 0:  # it is always the first key that it goes with
        return EarlyData.SESSION_NOT_RESUMED
    session = selected[1].session
    if session is None or session.suite != suite.code:
        return EarlyData.UNSUPPORTED_FOR_SESSION
    if not 0 < session.max_early_data <= config.max_early_data:
        return EarlyData.UNSUPPORTED_FOR_SESSION  # it may have promised more than is taken by now
    if ExtensionType.EARLY_DATA not in hello.extensions:
        return EarlyData.PEER_DECLINED
    if session.alpn != alpn:
        return EarlyData.ALPN_MISMATCH
    now = config.clock()
    claimed = ((offered.identities[0].obfuscated_ticket_age - session.age_add) & 0xFFFFFFFF) / 1000
    if abs(now - session.created - claimed) > AGE_TOLERANCE:
        return EarlyData.TICKET_AGE_SKEW
    if retried:
        return EarlyData.HELLO_RETRY_REQUEST
    first = await is_first(config.replay_guard, offered.binders[0])
    return EarlyData.ACCEPTED if first else EarlyData.REPLAYED


async def is_first(guard: ReplayGuard, token: bytes) -> bool:
    """Whether the guard sees *token* for the first time (section 8.2)."""
    try:
        new = await resolve(guard.first_time(token, 2 * AGE_TOLERANCE))
        if not isinstance(new, bool):  # what is merely true may be anything: a mistake, a mock
            raise TypeError(f"first_time() gives a bool, not {type(new).__name__}")
        return new
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the guard against replays failed: {error!r}"
        ) from error


async def receive_early_data(channel: Channel, limit: int) -> None:
    """Hands early data to the sink until EndOfEarlyData (section 4.5)."""
    received = 0
    deliver = channel.early_sink

    def take(data: bytes) -> None:
        nonlocal received
        received += len(data)
        if received > limit:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the client sent more than the {limit} bytes of early data that it may",
                reason="TOO_MUCH_READ_EARLY_DATA",
            )
        deliver(data)

    channel.early_data = take
    await channel.recv(EndOfEarlyData)
    channel.early_data = None


def refuse(channel: Channel, config: ServerConfig, hello: ClientHello) -> None:
    """Lets the channel drop the early data that is already under way (section 4.2.10)."""
    if ExtensionType.EARLY_DATA in hello.extensions:
        channel.skip_early_data = max(2 * config.max_early_data, SKIPPED)
