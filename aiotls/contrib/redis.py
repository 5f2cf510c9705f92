"""Sessions that many processes on many machines take up again, kept in Redis.

Install ``aiotls[redis]``. Each class here takes a ``redis.asyncio`` client, and stands where
:class:`aiotls.ServerConfig` takes one of the in-memory forms:

    client = redis.asyncio.Redis(host=..., ssl=True)
    ServerConfig(
        identity=...,
        ticket_keys=RedisTicketKeys(client),
        replay_guard=RedisReplayGuard(client), max_early_data=16384,
    )

Whoever can read the database can read the ticket keys, and with them the traffic of resumed
sessions that he has recorded before (RFC 8446, section 8.1 and appendix F.1): protect it as you
protect private keys.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, UsageError
from ..sessions import DAY, TicketKey, TicketKeyRing, covering
from ..wire.codec import Reader, Writer

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisTicketKeys:
    """A ring of ticket keys that all who share the database share.

    Every *rotation* seconds one of them puts a new key in front; it seals as soon as *spread*
    seconds have passed, and old ones open until *overlap* seconds after their turn: None is a day,
    or as long as the tickets of the configurations that use this ring live. What is known here is
    at most *spread* seconds old; a ticket under an unknown key has it looked up at once.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "aiotls:tickets",
        rotation: float = 43_200,
        overlap: float | None = None,
        spread: float = 60,
    ) -> None:
        if not 0 < spread < rotation:
            raise UsageError("spread is a number of seconds above 0 and below rotation")
        self._client = check_client(client)
        self._prefix = prefix
        self._rotation = rotation
        self._given = overlap
        self._overlap = DAY if overlap is None else overlap
        self._spread = spread
        self._ring: TicketKeyRing | None = None
        self._fetched = 0.0
        self._lock = asyncio.Lock()

    def cover(self, lifetime: float) -> None:
        """As :meth:`.TicketKeyRing.cover`."""
        self._overlap = covering(self._given, self._overlap, lifetime)

    async def seal(self, state: bytes) -> bytes:
        """A ticket under the newest key that everyone knows."""
        ring = await self._current()
        return ring.seal(state)

    async def open(self, ticket: bytes) -> bytes | None:
        """The state in a ticket; None where no key opens it."""
        ring = await self._current()
        state = ring.open(ticket)
        if state is None and all(key.name != ticket[:16] for key in ring.keys):
            if time.monotonic() - self._fetched >= 1:  # a stranger's ticket is no reason to hurry
                state = (await self._refresh()).open(ticket)
        return state

    async def _current(self) -> TicketKeyRing:
        if self._ring is None or time.monotonic() - self._fetched >= self._spread:
            return await self._refresh()
        return self._ring

    async def _refresh(self) -> TicketKeyRing:
        async with self._lock:
            if self._ring is not None and time.monotonic() - self._fetched < 0.5:
                return self._ring  # another task was faster
            keys = await self._load()
            now = time.time()
            if not keys or now - keys[0].created >= self._rotation:
                keys = await self._rotate(keys, now)
            self._ring = TicketKeyRing(self._in_use(keys, now), rotation=None)
            self._fetched = time.monotonic()
            return self._ring

    def _in_use(self, keys: list[TicketKey], now: float) -> tuple[TicketKey, ...]:
        """The keys with the one in front that everyone has had the time to learn of."""
        known = [key for key in keys if now - key.created >= self._spread]
        fresh = [key for key in keys if now - key.created < self._spread]
        return (*known, *fresh) if known else tuple(reversed(fresh))

    async def _load(self) -> list[TicketKey]:
        """All keys, newest first."""
        keys = []
        values: list[Any] = await self._client.lrange(f"{self._prefix}:ring", 0, -1)
        for value in values:
            try:
                keys.append(decode_key(value))
            except DecodeError:
                continue  # another version of this package is at work as well
        return sorted(keys, key=lambda key: key.created, reverse=True)

    async def _rotate(self, keys: list[TicketKey], now: float) -> list[TicketKey]:
        """Adds a key, if no one else is doing it, and drops those that no live ticket needs."""
        token = f"{self._prefix}:lock"
        if not await self._client.set(token, b"1", nx=True, px=10_000):
            for _ in range(50):
                await asyncio.sleep(0.05)
                found = await self._load()
                if found and found[:1] != keys[:1]:
                    return found
            if keys:
                return keys
        try:
            fresh = TicketKeyRing(rotation=None).keys[0]
            fresh = TicketKey(fresh.name, fresh.key, now)
            kept = [k for k in keys if now - k.created < self._rotation + self._overlap]
            ring = f"{self._prefix}:ring"
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(ring)
                pipe.rpush(ring, *[encode_key(key) for key in (fresh, *kept)])
                pipe.expire(ring, int(self._rotation + self._overlap) + 1)
                await pipe.execute()
            return [fresh, *kept]
        finally:
            await self._client.delete(token)


class RedisSessionStore:
    """Keeps the state of sessions in Redis; a number is good for one connection."""

    def __init__(self, client: Redis, *, prefix: str = "aiotls:session:") -> None:
        self._client = check_client(client)
        self._prefix = prefix.encode()

    async def put(self, number: bytes, state: bytes, lifetime: int) -> None:
        """Keeps *state* for *lifetime* seconds."""
        await self._client.set(self._prefix + number, state, ex=lifetime)

    async def take(self, number: bytes) -> bytes | None:
        """The state, which is removed in the same step: only one of all servers gets it."""
        state = await self._client.getdel(self._prefix + number)
        return state if isinstance(state, bytes) else None


class RedisReplayGuard:
    """Remembers ClientHellos for all who share the database (RFC 8446, section 8.2)."""

    def __init__(self, client: Redis, *, prefix: str = "aiotls:hello:") -> None:
        self._client = check_client(client)
        self._prefix = prefix.encode()

    async def first_time(self, token: bytes, lifetime: float) -> bool:
        """Whether no server has seen *token* within *lifetime* seconds."""
        key = self._prefix + token
        return bool(await self._client.set(key, b"1", nx=True, px=max(1, int(lifetime * 1000))))


def check_client(client: Redis) -> Redis:
    """The client, if it returns what it was given: bytes."""
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise UsageError("the Redis client must not decode responses: what is kept is bytes")
    return client


def encode_key(key: TicketKey) -> bytes:
    """A ticket key as bytes."""
    writer = Writer()
    writer.u8(1)
    writer.put(key.name + key.key)
    writer.put(int(key.created * 1000).to_bytes(8, "big"))
    return bytes(writer.data)


def decode_key(data: bytes) -> TicketKey:
    """The inverse of :func:`encode_key`; raises DecodeError."""
    reader = Reader(data)
    if reader.u8() != 1:
        raise DecodeError("a ticket key of an unknown layout")
    name, key = reader.take(16), reader.take(32)
    created = int.from_bytes(reader.take(8), "big") / 1000
    reader.finish()
    return TicketKey(name, key, created)
