"""Encrypted Client Hello, what is configured of it: RFC 9849, section 4.

A server publishes an ECHConfigList, mostly in DNS (RFC 9848), and keeps the private keys in
:class:`ECHKeys`; a client is given the list. What is done with both in a handshake is in
``handshake/ech_client.py`` and ``ech_server.py``.

    keys = ECHKeys.generate(public_name="front.example.com")
    server = ServerConfig(identity=identity, ech_keys=keys)      # publish keys.config_list
    client = ClientConfig(ech=keys.config_list)
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .crypto import hpke
from .crypto.hpke import Aead, HpkeError, HpkeSuite, Kdf, Kem, PrivateKey
from .errors import DecodeError, UsageError
from .wire.codec import Reader, Writer

VERSION = 0xFE0D
"""The only version of an ECHConfig that there is: the extension's code point."""

DEFAULT_SUITES = (
    (Kdf.HKDF_SHA256, Aead.AES_128_GCM),
    (Kdf.HKDF_SHA256, Aead.CHACHA20_POLY1305),
)

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_LIKE_A_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ECHConfig:
    """One public key of a server's, and how to use it (section 4)."""

    encoded: bytes = field(repr=False)
    """The structure as it was published, which goes into the encryption."""

    config_id: int
    """0 to 255: by which the server finds the key."""

    kem: int
    public_key: bytes
    suites: tuple[HpkeSuite, ...]
    """In the server's order of preference."""

    maximum_name_length: int
    """Up to which length names are padded to be alike; 0: not known."""

    public_name: str
    """The name that stands in the clear, and that a server which cannot decrypt proves."""

    extensions: tuple[tuple[int, bytes], ...] = ()
    """Types and their data. None is known; types from 0x8000 on are mandatory."""

    @classmethod
    def parse(cls, data: bytes) -> ECHConfig:
        """A single ECHConfig. Raises DecodeError for any other, of other versions too."""
        reader = Reader(data)
        config = cls._read(reader)
        reader.finish()
        if config is None:
            raise DecodeError("the ECHConfig is of an unknown version")
        return config

    @classmethod
    def _read(cls, reader: Reader) -> ECHConfig | None:
        version, body = reader.u16(), reader.vector(2)
        if version != VERSION:  # MUST be ignored
            return None
        contents = Reader(body)
        config_id, kem = contents.u8(), contents.u16()
        public_key = contents.vector(2, 1)
        pairs = contents.block(2, 4)
        suites = []
        while pairs.remaining:
            suites.append(HpkeSuite(kem, pairs.u16(), pairs.u16()))
        maximum_name_length = contents.u8()
        public_name = contents.vector(1, 1).decode("latin-1")
        block = contents.block(2)
        extensions = []
        while block.remaining:
            extensions.append((block.u16(), block.vector(2)))
        contents.finish()
        return cls(
            version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body,
            config_id,
            kem,
            public_key,
            tuple(suites),
            maximum_name_length,
            public_name,
            tuple(extensions),
        )

    @classmethod
    def build(
        cls,
        config_id: int,
        kem: int,
        public_key: bytes,
        suites: Iterable[tuple[int, int]],
        public_name: str,
        maximum_name_length: int,
        extensions: Iterable[tuple[int, bytes]] = (),
    ) -> ECHConfig:
        """The structure with these values; UsageError for a name that no client would take."""
        if not is_public_name(public_name):
            raise UsageError(f"the public name {public_name!r} is no host name in ASCII")
        if not 0 <= maximum_name_length <= 255:
            raise UsageError(f"maximum_name_length={maximum_name_length} is not within 0 to 255")
        writer = Writer()
        writer.u16(VERSION)
        with writer.block(2):
            writer.u8(config_id)
            writer.u16(kem)
            writer.vector(2, public_key)
            writer.u16_list(2, [number for pair in suites for number in pair])
            writer.u8(maximum_name_length)
            writer.vector(1, public_name.encode())
            with writer.block(2):
                for kind, data in extensions:
                    writer.u16(kind)
                    writer.vector(2, data)
        return cls.parse(bytes(writer.data))

    @property
    def suite(self) -> HpkeSuite | None:
        """The first of the suites that is implemented."""
        return next((suite for suite in self.suites if suite.supported), None)

    @property
    def usable(self) -> bool:
        """Whether a client may offer it (sections 4.2, 6.1 and 6.1.7)."""
        types = [kind for kind, _ in self.extensions]
        suite = self.suite
        if suite is None or not is_public_name(self.public_name):
            return False
        if len(set(types)) != len(types) or any(kind & 0x8000 for kind in types):
            return False
        try:
            hpke.setup_sender(suite, self.public_key, b"")
        except HpkeError:
            return False
        return True


def is_public_name(name: str) -> bool:
    """RFC 9849, section 6.1.7: a name of LDH labels that no one takes for an address."""
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    return _LIKE_A_NUMBER.fullmatch(labels[-1]) is None


def parse_config_list(data: bytes) -> tuple[ECHConfig, ...]:
    """The configs of an ECHConfigList that are of the known version; DecodeError otherwise."""
    reader = Reader(data)
    block = reader.block(2, 4)
    reader.finish()
    configs = []
    while block.remaining:
        config = ECHConfig._read(block)
        if config is not None:
            configs.append(config)
    return tuple(configs)


def choose_config(data: bytes) -> ECHConfig | None:
    """The first config of a list that a client can use, if there is one (section 6.1)."""
    return next((config for config in parse_config_list(data) if config.usable), None)


# -- a server's ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ECHKey:
    """A private key and the config that it belongs to. UsageError where they do not match."""

    config: ECHConfig
    private_key: PrivateKey = field(repr=False)
    published: bool = True
    """Whether clients are still to be told of it; else it only decrypts."""

    def __post_init__(self) -> None:
        if self.config.suite is None:
            raise UsageError("none of the ECHConfig's cipher suites is implemented")
        if hpke.public_bytes(self.private_key) != self.config.public_key:
            raise UsageError("the private key does not belong to the ECHConfig")

    @classmethod
    def load(cls, config: bytes, private_key: bytes, *, published: bool = True) -> ECHKey:
        """From an ECHConfig and the key in the form of RFC 9180, section 7.1.2."""
        try:
            parsed = ECHConfig.parse(config)
            return cls(parsed, hpke.load_private_key(parsed.kem, private_key), published)
        except DecodeError as error:
            raise UsageError(f"the ECHConfig is malformed: {error}") from error
        except (HpkeError, KeyError) as error:
            raise UsageError(f"the private key of an ECHConfig is unusable: {error}") from error


class ECHKeys:
    """The keys that a server decrypts ClientHellos with; the published ones are for new clients.

    DNS keeps old configs alive: after :meth:`rotate` the old keys go on decrypting, while clients
    that come with none of them are told of the new one (section 6.1.6). The keys may change while
    the server runs, and may be shared by any number of configurations and threads.
    """

    def __init__(
        self, keys: Sequence[ECHKey], *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._random = random
        self._state: tuple[tuple[ECHKey, ...], bytes] = ((), b"")
        self.replace(keys)

    @classmethod
    def generate(
        cls,
        public_name: str,
        *,
        maximum_name_length: int = 64,
        kem: int = Kem.DHKEM_X25519_HKDF_SHA256,
        suites: Sequence[tuple[int, int]] = DEFAULT_SUITES,
        random: Callable[[int], bytes] = os.urandom,
    ) -> ECHKeys:
        """One fresh key.

        *public_name* is a name of this server that need not be hidden: it stands in the clear,
        and the server needs a certificate for it. *maximum_name_length* is the length of the
        longest name to be hidden, or more.
        """
        key = _fresh(kem, suites, public_name, maximum_name_length, (), random)
        return cls([key], random=random)

    @property
    def keys(self) -> tuple[ECHKey, ...]:
        """All keys, the newest first."""
        return self._state[0]

    @property
    def config_list(self) -> bytes:
        """The ECHConfigList to publish: ``ech`` in an HTTPS or SVCB record, there in base64."""
        return self._state[1]

    def replace(self, keys: Sequence[ECHKey]) -> None:
        """Takes other keys, at once for every connection that begins from now on."""
        keys = tuple(keys)
        published = b"".join(key.config.encoded for key in keys if key.published)
        if not published:
            raise UsageError("at least one ECH key has to be published")
        if len(published) > 0xFFFF:
            raise UsageError("there are more ECH keys than fit into an ECHConfigList")
        self._state = keys, len(published).to_bytes(2, "big") + published  # both at once

    def rotate(self, keep: int = 2) -> None:
        """Puts a fresh key like the first one in its place; *keep* old ones go on decrypting.

        *keep* is 0 to 255, as there are 256 identifiers in all; else UsageError.
        """
        if not 0 <= keep <= 255:
            raise UsageError(f"keep={keep} is not within 0 to 255")
        old = self.keys
        config = old[0].config
        key = _fresh(
            config.kem,
            [(suite.kdf, suite.aead) for suite in config.suites],
            config.public_name,
            config.maximum_name_length,
            [key.config.config_id for key in old[:keep]],
            self._random,
        )
        self.replace((key, *(replace(other, published=False) for other in old[:keep])))

    def candidates(self, config_id: int) -> list[ECHKey]:
        """The keys that a ClientHello may be for (section 7.1, the first method)."""
        return [key for key in self.keys if key.config.config_id == config_id]

    def to_pem(self) -> bytes:
        """All keys, each before its config, in the PEM form that OpenSSL reads as well."""
        blocks = []
        for key in self.keys:
            blocks.append(
                key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            encoded = key.config.encoded
            text = base64.encodebytes(len(encoded).to_bytes(2, "big") + encoded)
            blocks.append(b"-----BEGIN ECHCONFIG-----\n%b-----END ECHCONFIG-----\n" % text)
        return b"".join(blocks)

    @classmethod
    def from_pem(cls, data: bytes | str) -> ECHKeys:
        """What :meth:`to_pem` wrote: keys, each before its ECHConfigList, the first published."""
        text = data.decode("ascii", "replace") if isinstance(data, bytes) else data
        keys: list[ECHKey] = []
        private_key: PrivateKey | None = None
        pattern = r"-----BEGIN (PRIVATE KEY|ECHCONFIG)-----(.*?)-----END \1-----"
        for block in re.finditer(pattern, text, re.DOTALL):
            try:
                if block[1] == "PRIVATE KEY":
                    loaded = load_pem_private_key(block[0].encode(), None)
                    if not isinstance(
                        loaded, (x25519.X25519PrivateKey, ec.EllipticCurvePrivateKey)
                    ):
                        raise UsageError("an ECH key is one of X25519 or a NIST curve")
                    private_key = loaded
                    continue
                configs = parse_config_list(base64.b64decode(block[2]))
            except UsageError:
                raise
            except Exception as error:  # also the library's own internal errors
                raise UsageError(f"the PEM block {block[1]} is malformed: {error}") from error
            if private_key is None:
                raise UsageError("the private key has to stand before its ECHCONFIG")
            keys += [ECHKey(config, private_key, published=not keys) for config in configs]
        if not keys:
            raise UsageError("there is no PRIVATE KEY with an ECHCONFIG in the PEM data")
        return cls(keys)


def _fresh(
    kem: int,
    suites: Sequence[tuple[int, int]],
    public_name: str,
    maximum_name_length: int,
    taken: Sequence[int],
    random: Callable[[int], bytes],
) -> ECHKey:
    """A new key, its identifier none of those that are *taken* (section 4.1)."""
    if not any(HpkeSuite(kem, *pair).supported for pair in suites):
        raise UsageError("none of these HPKE suites is implemented")
    private_key = hpke.generate_key_pair(kem, random)
    free = [number for number in range(256) if number not in taken]
    config = ECHConfig.build(
        free[random(1)[0] % len(free)],
        kem,
        hpke.public_bytes(private_key),
        suites,
        public_name,
        maximum_name_length,
    )
    return ECHKey(config, private_key)
