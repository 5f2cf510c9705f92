"""The client's side: one ClientHello, and then the version that the server chose."""

from __future__ import annotations

from ..config import ClientConfig
from ..crypto.aead import PlainSealer
from ..enums import Alert, ProtocolVersion
from ..errors import ProtocolError
from ..wire.messages import ServerHello
from . import ech_client as ech
from .channel import Channel
from .client12 import client12
from .client13 import client13
from .early import send_early_data
from .established import Established
from .offer import check_version, make_offer
from .psk import take_session


async def handshake(channel: Channel, server_name: str | None) -> Established:
    """The client's whole handshake, of whichever version the server chooses."""
    config = channel.config
    if not isinstance(config, ClientConfig):
        raise TypeError(f"a client needs a ClientConfig, not {type(config).__name__}")
    session = await take_session(config, server_name)
    offer = make_offer(channel, ech.inner_config(config), server_name, session)
    offer = ech.enclose(channel, config, offer)
    channel.client_random = offer.hello.random
    # 5.1: the first record alone says 0x0301, for servers that are easily startled
    channel.writer.sealer = PlainSealer(0x0301)
    offer = ech.send(channel, offer)
    await channel.flush()
    channel.writer.sealer = PlainSealer()
    await send_early_data(channel, offer)
    channel.accept_ccs = True

    hello = await channel.recv(ServerHello)
    offer = ech.settle(channel, offer, hello)
    check_version(offer, hello)
    if hello.version == ProtocolVersion.TLSv1_3:
        return ech.conclude(offer, await client13(channel, offer, hello))
    if offer.early_data:  # RFC 8446, appendix D.3: a server of the session's would speak TLS 1.3
        raise ProtocolError(
            Alert.PROTOCOL_VERSION,
            "the server that gave a TLS 1.3 session now speaks TLS 1.2, after early data was sent",
            reason="WRONG_VERSION_ON_EARLY_DATA",
        )
    return ech.conclude(offer, await client12(channel, offer, hello))
