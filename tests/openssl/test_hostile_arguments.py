"""Any call with any arguments, at any time: a return code, or TypeError or ReferenceError.

Those two stand for what is undefined in C, an object of the wrong type or one that was freed.
Nothing else may come out of the API.
"""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable
from typing import Any

import pytest

from aiotls import openssl as o
from tests import certificates

from .test_suspension import Link, contexts

PREFIXES = ("SSL", "BIO", "ERR", "X50", "PEM", "d2i", "i2d", "EVP", "HMA", "OSS", "RAN", "OPE")
DESCRIPTORS = ("BIO_set_fd", "BIO_new_socket", "SSL_set_fd", "SSL_set_rfd", "SSL_set_wfd")
"""They would take the descriptors of the tests themselves."""

NUMBERS = (0, 1, 2, -1, 5, 16, 32, 33, 80, 255, 0x303, 0x304, 1 << 20, (1 << 31) - 1, 1 << 31)
HUGE = (-(1 << 31), (1 << 63), -(1 << 63), 1 << 64)
TEXTS = ("", "localhost", "\0", "é", "x" * 300, "@SECLEVEL=9", ":::", "/nonexistent", "%s%n")
LISTS = ("ECDHE+AESGCM:!aNULL", "TLS_AES_128_GCM_SHA256", "P-256:X25519", "127.0.0.1", "a." * 200)
DATA = (b"", b"abc", bytes(100), b"\x02h2\x08http/1.1", bytes(range(256)))


def calls() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for name in dir(o):
        value = getattr(o, name)
        if name.startswith(PREFIXES) and inspect.isfunction(value) and name not in DESCRIPTORS:
            found[name] = value
    del found["SSL_CTX_set_default_verify_paths"]  # reads hundreds of files
    return found


CALLS = calls()


class World:
    """A connection at some stage, and arguments that may or may not belong to it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.client, self.server = contexts()
        self.link = Link(self.client, self.server)
        stage = chance.randrange(4)
        if stage in (1, 2):
            o.SSL_do_handshake(self.link.client)
        if stage == 2:
            o.SSL_do_handshake(self.link.server)
        if stage == 3:
            self.link.drive()
            o.SSL_read(self.link.client, bytearray(1), 0)

    def ssl(self) -> Any:
        return self.chance.choice((self.link.client, self.link.server))

    def bio(self) -> Any:
        methods = (o.BIO_s_mem(), o.BIO_s_bio(), o.BIO_s_socket(), o.BIO_s_null())
        fresh = o.BIO_new(self.chance.choice(methods))
        return self.chance.choice((fresh, o.BIO_new_bio_pair(5, 5)[1], self.link.client.rbio))

    def answer(self, *arguments: Any) -> Any:
        return self.chance.choice((0, 1, -1, 2, None, "x", (0, b"h2"), (1, 2, 3), b""))

    def fail(self, *arguments: Any) -> Any:
        raise RuntimeError("a mistake of the application's")

    def argument(self, kind: str) -> Any:
        """Something for a parameter of a type."""
        issued = certificates.leaf("localhost")
        found: list[Any] = []
        for word, values in {
            "SSL_SESSION": (o.SSL_SESSION_new(), self.link.client.session),
            "SSL_CTX": (self.client, self.server),
            "Holder": (self.client, self.ssl()),
            "BIO_METHOD": (o.BIO_s_mem(), o.BIO_s_bio()),
            "SSL_METHOD": (o.TLS_method(),),
            "SSL_CIPHER": (o.SSL_CTX_get_ciphers(contexts()[0])[0],),
            "X509_STORE": (self.client.cert_store,),
            "Certificate": (issued.certificate, b"junk"),
            "int": (*NUMBERS, *NUMBERS, *HUGE),
            "Readable": DATA,
            "bytes": DATA,
            "Writable": (bytearray(), bytearray(100), memoryview(bytearray(33))),
            "bytearray": (bytearray(), bytearray(300), b"bytes"),
            "str": (*TEXTS, *LISTS),
            "Call": (None, self.answer, self.fail),
            "EVP_CIPHER": (o.EVP_CIPHER_CTX(), o.EVP_aes_128_cbc()),
            "MAC": (o.EVP_MAC_CTX(), o.HMAC_CTX()),
            "EVP_MD": (o.EVP_sha256(),),
            "Iterable": ([], [o.OSSL_PARAM("key", b"")], [o.OSSL_PARAM("digest", "\0")]),
            "Any": (None, 1, "x", issued.key, b""),
            "object": (None, 1),
            "None": (None,),
        }.items():
            if word in kind:
                found += values
        parts = kind.split(" | ")
        if "SSL" in parts:
            found += (self.ssl(), self.ssl())
        if "BIO" in parts:
            found += (self.bio(), self.bio())
        if not found or self.chance.random() < 0.03:
            found = [None, 1, b"x", "x", object()]
        return self.chance.choice(found)

    def call(self) -> tuple[str, list[Any]]:
        """One call; raises what must not come out of it."""
        name = self.chance.choice(sorted(CALLS))
        arguments = [
            self.argument(str(parameter.annotation))
            for parameter in inspect.signature(CALLS[name]).parameters.values()
        ]
        with contextlib.suppress(TypeError, ReferenceError):
            CALLS[name](*arguments)
        return name, arguments

    def finish(self) -> None:
        """Both sides are used as if nothing had happened."""
        for ssl in (self.link.client, self.link.server):
            for call in (
                o.SSL_do_handshake,
                lambda each: o.SSL_read(each, bytearray(10), 10),
                lambda each: o.SSL_write(each, b"x", 1),
                o.SSL_shutdown,
            ):
                try:
                    ret = call(ssl)
                    o.SSL_get_error(ssl, ret)
                except ReferenceError:
                    break  # one of the calls has freed it


def check(seed: int) -> None:
    """A few calls that do not belong together."""
    chance = random.Random(seed)
    world = World(chance)
    done: list[Any] = []
    try:
        for _ in range(chance.randrange(1, 12)):
            done.append(world.call())
        world.finish()
    except Exception as error:
        raise AssertionError(f"check({seed}), after {[name for name, _ in done]}") from error
    finally:
        o.ERR_clear_error()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions of callbacks are reported where no one can catch them: here to no one."""
    monkeypatch.setattr("sys.unraisablehook", lambda report: None)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_only_return_codes_come_out(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed)


def test_every_call_is_among_them() -> None:
    assert len(CALLS) > 350
    for name in ("SSL_do_handshake", "SSL_write_early_data", "BIO_read", "d2i_SSL_SESSION"):
        assert name in CALLS
