"""Ticket keys that take turns: no ticket dies at a rotation."""

from __future__ import annotations

import pytest

from aiotls import ServerConfig, UsageError
from aiotls.contrib.redis import RedisTicketKeys
from aiotls.sessions import MAX_LIFETIME, MemorySessionStore, TicketKey, TicketKeyRing
from tests import certificates


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("lifetime", [7200, 2 * 86_400, MAX_LIFETIME])
def test_a_ticket_lives_as_long_as_it_says_whatever_turns_the_keys_take(lifetime: int) -> None:
    """It may be the last that a key seals, just before its turn is over."""
    clock = Clock()
    ring = TicketKeyRing(rotation=3600, clock=clock)
    identity = certificates.leaf("localhost").identity
    ServerConfig(identity=identity, ticket_keys=ring, ticket_lifetime=lifetime)
    clock.now += 3599
    ticket = ring.seal(b"state")
    born = clock.now
    while clock.now < born + lifetime:
        assert ring.open(ticket) == b"state"
        ring.seal(b"of others")
        clock.now += min(3600, max(1, born + lifetime - clock.now))
    clock.now = born + 3600 + max(lifetime, 86_400)
    assert ring.open(ticket) is None
    ring.seal(b"of others")
    assert len(ring.keys) <= max(lifetime, 86_400) // 3600 + 2


def test_an_overlap_that_is_too_short_is_the_callers_mistake() -> None:
    identity = certificates.leaf("localhost").identity
    with pytest.raises(UsageError, match="overlap"):
        ServerConfig(identity=identity, ticket_keys=TicketKeyRing(overlap=7199))
    ServerConfig(identity=identity, ticket_keys=TicketKeyRing(overlap=7200))
    ServerConfig(identity=identity, ticket_keys=TicketKeyRing(overlap=60), ticket_lifetime=60)
    ServerConfig(identity=identity, ticket_keys=TicketKeyRing(rotation=None, overlap=1))
    ServerConfig(  # whose tickets are numbers
        identity=identity,
        ticket_keys=TicketKeyRing(overlap=1),
        session_store=MemorySessionStore(),
    )


def test_keys_that_are_shared_know_how_long_tickets_live() -> None:
    redis = pytest.importorskip("redis.asyncio")
    identity = certificates.leaf("localhost").identity
    client = redis.Redis()
    with pytest.raises(UsageError, match="overlap"):
        ServerConfig(identity=identity, ticket_keys=RedisTicketKeys(client, overlap=7199))
    keys = RedisTicketKeys(client)
    ServerConfig(identity=identity, ticket_keys=keys, ticket_lifetime=MAX_LIFETIME)
    assert keys._overlap == MAX_LIFETIME


def test_keys_are_replaced_at_once_or_not_at_all() -> None:
    ring = TicketKeyRing()
    before = ring.keys
    key = TicketKey(bytes(16), bytes(32))
    for wrong in ((), (key, key)):
        with pytest.raises(UsageError):
            ring.replace(wrong)
        assert ring.keys is before
    with pytest.raises(UsageError):
        ring.replace((TicketKey(bytes(15), bytes(32)),))
    assert ring.keys is before
    ring.replace((key, *before))
    assert ring.keys[0] is key
    assert ring.open(ring.seal(b"state")) == b"state"
