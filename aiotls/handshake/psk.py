"""Pre-shared keys: sessions resumed and keys agreed on elsewhere (RFC 8446, section 4.2.11).

The client's half puts its keys into a ClientHello and binds them to it; the server's half
chooses one and checks the binding. Both go with (EC)DHE: psk_dhe_ke, and no other mode.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import hmac
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..config import ClientAuth, ClientConfig, ServerConfig
from ..crypto.schedule13 import EarlySecret, finished
from ..crypto.suites import SUITES, TLS13_SUITES, Suite
from ..enums import Alert, ProtocolVersion, PskKeyExchangeMode
from ..errors import CertificateError, DecodeError, ProtocolError, TLSError
from ..sessions import Session
from ..wire import extensions as ext
from ..wire.extensions import OfferedPsks, PskIdentity
from ..wire.messages import ClientHello
from .auth import Peer, ask_application, check_status, examine
from .certificate_type import RAW, X509, accepted_types
from .channel import resolve

if TYPE_CHECKING:
    from .channel import Channel

MAX_IDENTITIES = 8
"""How many of a client's identities a server looks at; each may cost a look-up."""


@dataclass(eq=False)
class PreSharedKey:
    """One key that both sides have: of a session, or external."""

    identity: bytes
    secret: bytes = field(repr=False)
    hash_name: str
    session: Session | None = None
    """None for an external key."""

    imported: bool = False
    """Whether an external key was made by RFC 9258's importer."""

    @property
    def began(self) -> float | None:
        """When the full handshake was that the session goes back to."""
        return self.session.origin if self.session is not None else None

    @property
    def external_identity(self) -> bytes | None:
        """The identity of a key agreed on elsewhere; None for a session's."""
        return self.identity if self.session is None else None

    @functools.cached_property
    def early_secret(self) -> EarlySecret:
        """The first stage of the key schedule with this key (section 7.1)."""
        return EarlySecret(self.suite, self.secret)

    @property
    def suite(self) -> Suite:
        """A suite with this key's hash; for the binder only the hash matters."""
        if self.session is not None:
            return SUITES[self.session.suite]
        return next(suite for suite in TLS13_SUITES if suite.hash_name == self.hash_name)

    def binder(self, transcript_hash: bytes) -> bytes:
        """RFC 8446, section 4.2.11.2: proof of the key, over the ClientHello that offers it."""
        secret = self.early_secret.binder_key(external=self.session is None, imported=self.imported)
        return finished(self.suite, secret, transcript_hash)


def resumed_peer(key: PreSharedKey | None) -> Peer | None:
    """The other side, as it was verified: by a client when the session began, by a server now."""
    return key.session.peer if key is not None and key.session is not None else None


# -- the client's half -----------------------------------------------------------------------------


def cache_key(config: ClientConfig, server_name: str | None) -> bytes:
    """Under which a client's sessions are kept: server, trust, and whatever else decides on it."""
    return hashlib.sha256(config.session_scope + (server_name or "").encode()).digest()


async def take_session(config: ClientConfig, server_name: str | None) -> Session | None:
    """A session to try with this server, if the cache has one that is still good."""
    if config.session_cache is None:
        return None
    session = await resolve(config.session_cache.take(cache_key(config, server_name)))
    now = config.clock()
    if session is None or session.expired(now) or session.suite not in config.suites:
        return None
    if session.version not in config.versions or not still_valid(session, now):
        return None
    if not session.extended_master_secret:  # from a cache of elsewhere: RFC 7627, section 5.3
        return None
    return await verify_again(config, session) if config.verify_on_resumption else session


async def keep_session(config: ClientConfig, server_name: str | None, session: Session) -> None:
    """Puts the session of a handshake into the cache."""
    if config.session_cache is not None:
        await resolve(config.session_cache.put(cache_key(config, server_name), session))


def keep_ticket(
    config: ClientConfig, server_name: str | None, session: Session
) -> Awaitable[None] | None:
    """Puts the session of a ticket into the cache, after the handshake: one that fails costs the
    session and not the connection, so it is whoever awaits this that is told.
    """
    if config.session_cache is None:
        return None
    try:
        return config.session_cache.put(cache_key(config, server_name), session)
    except Exception as error:
        return Failed(error)


class Failed:
    """What has failed already, for those who await it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __await__(self) -> Generator[None, None, None]:
        yield from ()
        raise self.error


def still_valid(session: Session, now: float) -> bool:
    """Whether all the certificates that the session stands on are within their dates."""
    path = session.peer.verified_chain if session.peer is not None else ()
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return all(today < certificate.not_valid_after_utc for certificate in path)


async def verify_again(config: ClientConfig, session: Session) -> Session | None:
    """The session with its server, judged anew; None where it would be refused today.

    Before anything is sent: 0-RTT data must not go to a server that is not believed any more.
    """
    peer = session.peer
    if peer is None:
        return session
    raw = peer.raw_public_key is not None
    chain = peer.chain if peer.raw_public_key is None else (peer.raw_public_key,)
    try:
        claim = await examine(config, chain, peer.server_name, raw=raw)
        peer = claim.peer(peer.server_name, peer.scheme, peer.staple, peer.scts)
        check_status(config, peer)
        await ask_application(config, peer)
    except CertificateError:
        return None
    return replace(session, peer=peer)


def offered_keys(config: ClientConfig, session: Session | None) -> tuple[PreSharedKey, ...]:
    """The keys to offer, the session's first."""
    keys = []
    if session is not None and session.version == ProtocolVersion.TLSv1_3:
        hash_name = SUITES[session.suite].hash_name
        keys.append(PreSharedKey(session.ticket, session.secret, hash_name, session))
    keys += [PreSharedKey(k.identity, k.secret, k.hash_name, None, k.imported) for k in config.psks]
    return tuple(keys)


def bind(
    channel: Channel, hello: ClientHello, keys: Sequence[PreSharedKey], now: float
) -> ClientHello:
    """The hello with *keys* offered and bound to it; pre_shared_key comes last (4.2.11)."""
    if not keys:
        return hello
    identities = tuple(PskIdentity(key.identity, obfuscated_age(key, now)) for key in keys)
    blank = tuple(bytes(key.suite.hash_length) for key in keys)
    draft = OfferedPsks(identities, blank)
    unbound = hello.with_extensions(hello.extensions.ending(ext.PRE_SHARED_KEY, draft))
    partial = unbound.encode()[: -draft.binders_length]
    binders = tuple(key.binder(channel.transcript.hash_of(key.hash_name, partial)) for key in keys)
    offered = OfferedPsks(identities, binders)
    return hello.with_extensions(hello.extensions.ending(ext.PRE_SHARED_KEY, offered))


def obfuscated_age(key: PreSharedKey, now: float) -> int:
    """Milliseconds since the ticket came, hidden by its age_add (section 4.2.11.1)."""
    if key.session is None:
        return 0
    age = max(0, int((now - key.session.created) * 1000))
    return (age + key.session.age_add) & 0xFFFFFFFF


def selected_key(
    keys: Sequence[PreSharedKey], index: int | None, suite: Suite
) -> PreSharedKey | None:
    """The key that the server selected (section 4.2.11); None: a full handshake."""
    if index is None:
        return None
    if index >= len(keys):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected pre-shared key {index} of {len(keys)}",
            reason="PSK_IDENTITY_NOT_FOUND",
        )
    key = keys[index]
    if key.hash_name != suite.hash_name:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server selected a cipher suite whose hash is not the pre-shared key's",
            reason="OLD_SESSION_PRF_HASH_MISMATCH",
        )
    return key


# -- the server's half -----------------------------------------------------------------------------


async def choose_key(
    channel: Channel, config: ServerConfig, hello: ClientHello, suite: Suite
) -> tuple[int, PreSharedKey] | None:
    """The first of the client's keys that this server knows, its binder checked; or None."""
    offered = hello.extensions.get(ext.PRE_SHARED_KEY)
    if offered is None:
        return None
    modes = hello.extensions.get(ext.PSK_KEY_EXCHANGE_MODES)
    if modes is None:  # 4.2.9
        raise ProtocolError(
            Alert.MISSING_EXTENSION,
            "the client offers pre-shared keys without psk_key_exchange_modes",
        )
    if PskKeyExchangeMode.PSK_DHE_KE not in modes:
        return None
    for index, identity in enumerate(offered.identities[:MAX_IDENTITIES]):
        key = await find_key(config, hello, identity, suite)
        if key is not None:
            check_binder(channel, key, offered, index)
            return index, key
    return None


async def find_key(
    config: ServerConfig, hello: ClientHello, identity: PskIdentity, suite: Suite
) -> PreSharedKey | None:
    """The key of an identity: a ticket's session, or an external key; None where unknown."""
    session = await open_ticket(config, identity.identity)
    if session is not None:
        usable = (
            session.version == ProtocolVersion.TLSv1_3
            and session.suite in SUITES
            and SUITES[session.suite].hash_name == suite.hash_name
            and not session.expired(config.clock())
            and session.server_name == hello.extensions.get(ext.SERVER_NAME)
        )
        session = await admit_client(config, session) if usable else None
        if session is None:
            return None
        return PreSharedKey(identity.identity, session.secret, suite.hash_name, session)
    if config.psk is None:
        return None
    try:
        external = await resolve(config.psk(identity.identity))
    except TLSError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the look-up of a pre-shared key failed: {error!r}"
        ) from error
    if external is None or external.hash_name != suite.hash_name:
        return None
    return PreSharedKey(
        identity.identity, external.secret, external.hash_name, None, external.imported
    )


async def admit_client(config: ServerConfig, session: Session) -> Session | None:
    """The session with its client, judged anew; None where it would not be let in today."""
    if config.client_auth is ClientAuth.NONE:
        return session
    raw = session.raw_public_key is not None
    chain = session.chain if session.raw_public_key is None else (session.raw_public_key,)
    if not chain:
        return session if config.client_auth is ClientAuth.OPTIONAL else None
    if (RAW if raw else X509) not in accepted_types(config):
        return None
    try:
        claim = await examine(config, chain, None, raw=raw)
        if claim.refusal is not None:
            return None
        peer = claim.peer(session.server_name, None)
        await ask_application(config, peer)
    except TLSError:
        return None
    return replace(session, peer=peer)


async def open_ticket(config: ServerConfig, ticket: bytes) -> Session | None:
    """The session in a ticket, or under a number in the store; None for anything else."""
    try:
        if config.session_store is not None:
            state = await resolve(config.session_store.take(ticket))
        elif config.ticket_keys is not None:
            state = await resolve(config.ticket_keys.open(ticket))
        else:
            return None
        if state is not None and not isinstance(state, (bytes, bytearray, memoryview)):
            # bytes(state) of a number would be as many zeros, and no session: hidden, not refused
            raise TypeError(f"bytes or None are expected, not {type(state).__name__}")
    except ProtocolError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the look-up of a session failed: {error!r}"
        ) from error
    if state is None:
        return None
    try:
        return Session.decode(bytes(state))
    except DecodeError:
        return None  # sealed by another version of this package, or by another program


def check_binder(channel: Channel, key: PreSharedKey, offered: OfferedPsks, index: int) -> None:
    """RFC 8446, section 4.2.11.2: a binder that does not verify ends the handshake."""
    length = 2 + sum(1 + len(binder) for binder in offered.binders)
    expected = key.binder(channel.transcript.hash_without(key.hash_name, length))
    if not hmac.compare_digest(offered.binders[index], expected):
        raise ProtocolError(
            Alert.DECRYPT_ERROR,
            "the client's pre-shared key binder does not verify",
            reason="DIGEST_CHECK_FAILED",
        )
