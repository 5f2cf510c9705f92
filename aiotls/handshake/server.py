"""The server's side: one ClientHello, and then the version that is chosen from it."""

from __future__ import annotations

from ..enums import ProtocolVersion
from ..wire.messages import ClientHello
from . import ech_server as ech
from .channel import Channel
from .established import Established
from .selection import check_hello, choose_config, choose_version
from .server12 import server12
from .server13 import server13


async def handshake(channel: Channel) -> Established:
    """The server's whole handshake, of whichever version is chosen."""
    hello, opened = ech.open_hello(channel, await channel.recv(ClientHello))
    channel.client_random = hello.random
    config, identity = await choose_config(channel, hello)
    channel.take_client(config)
    check_hello(hello)
    if choose_version(config, hello) == ProtocolVersion.TLSv1_3:
        return await server13(channel, config, hello, identity, opened)
    return await server12(channel, config, hello, identity)
