"""Names of servers in every form that programs give them: as with the standard library's ssl, or
refused loudly. What the server is told has no dot at its end, and is no address (RFC 6066, 3).
"""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from aiotls import ServerConfig, TLSConnection
from aiotls.config import ClientHelloInfo
from tests import certificates

from .engines import CONTROL, OURS, Files, client_context

HOSTS: list[Any] = [
    "localhost",
    "LocalHost",
    b"localhost",
    b"LOCALHOST",
    bytearray(b"localhost"),
    "bücher.example",
    "Bücher.Example",
    "straße.example",  # IDNA 2003 says strasse; 2008 has to be asked for in bytes
    b"xn--strae-oqa.example",
    "XN--BCHER-KVA.example",
    "例え.テスト",
    "example\u3002com",
    "ＥＸＡＭＰＬＥ.com",
    "a\u00adb.example",
    "localhost.",
    "a.b.",
    "x" * 63 + ".example",
]
ADDRESSES = ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
ADDRESSES_NOT_THERE = ["fe80::1%eth0", "fe80::1%1"]
"""With a scope, which OpenSSL takes for a host name."""
LIKE_ADDRESSES = ["[::1]", "127.1", "127.0.0.1.", "1", "1.2.3", "2130706433"]
ODD = [
    "_dmarc.example",
    "a_b.example",
    "-a.example",
    "a-.example",
    "xn--",
    "localhost:443",
    "*.example",
    "http://x",
    "x@y",
    ("x" * 49 + ".") * 5 + "abcd",
    ("x" * 49 + ".") * 5 + "abcde",
]
BLANK = ["a b", " localhost", "localhost ", "localhost\n"]
NONE_AT_ALL: list[Any] = [
    "",
    b"",
    ".",
    ".x",
    b".x",
    "..",
    "a..b",
    "localhost..",
    "x" * 64 + ".example",
    "\ud800.example",
    "a\0b",
    b"a\0b",
    b"\xff.example",
    5,
    1.5,
]
TOO_LONG = ("x" * 49 + ".") * 5 + "abcdef"


def ask(engine: str, name: Any, files: Files, verified: bool) -> tuple[Any, Any, Any]:
    """What the SSLObject says its name is, what the server is told, and how the handshake ends.

    The server is the engine of this package, which takes every name; its certificate is for
    localhost and for 127.0.0.1.
    """
    context = client_context(engine, files)
    if not verified:
        context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context.wrap_bio(incoming, outgoing, server_hostname=name)
    told: list[str | None] = []
    names = certificates.leaf("localhost", "127.0.0.1", purposes=(certificates.SERVER,))

    def select(info: ClientHelloInfo) -> None:
        told.append(info.server_name)

    server = TLSConnection(ServerConfig(identity=names.identity, select=select))
    outcome: Any = "waits"
    for _ in range(4):
        try:
            end.do_handshake()
            outcome = "done"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            outcome = error.verify_code
        if outcome != "waits":
            break
        server.receive_data(outgoing.read())
        incoming.write(server.data_to_send())
    return end.server_hostname, told[0], outcome


def both(name: Any, files: Files, verified: bool) -> list[tuple[Any, Any, Any]]:
    return [ask(engine, name, files, verified) for engine in (CONTROL, OURS)]


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", HOSTS, ids=repr)
def test_host_names(name: Any, verified: bool, files: Files) -> None:
    theirs, ours = both(name, files, verified)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1].lower().removesuffix(".")
    if name == "localhost." and verified:
        assert (theirs[2], ours[2]) == (62, "done")  # RFC 1034, section 3.1: the same name
    else:
        assert ours[2] == theirs[2]


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses(name: str, verified: bool, files: Files) -> None:
    theirs, ours = both(name, files, verified)
    assert ours == theirs
    assert ours[1] is None


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", ADDRESSES_NOT_THERE)
def test_addresses_with_a_scope(name: str, verified: bool, files: Files) -> None:
    """It is an interface's of this machine, and no certificate's business (RFC 4007, 11)."""
    theirs, ours = both(name, files, verified)
    assert ours[:2] == (name, None)
    assert (theirs[2], ours[2]) == ((62, 64) if verified else ("done", "done"))


@pytest.mark.parametrize("name", [*LIKE_ADDRESSES, *ODD])
def test_what_no_certificate_can_name_is_refused(name: str, files: Files) -> None:
    """OpenSSL goes on to find that the certificate is for another name."""
    assert ask(CONTROL, name, files, True)[2] == 62
    with pytest.raises(ValueError, match="is not a server name"):
        ask(OURS, name, files, True)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_that_are_not_verified(name: str, files: Files) -> None:
    """The server is told all the same: containers and such have underscores in their names."""
    theirs, ours = both(name, files, False)
    assert ours == theirs
    assert ours[1] == name


@pytest.mark.parametrize("name", LIKE_ADDRESSES)
def test_what_is_like_an_address_is_not_told(name: str, files: Files) -> None:
    assert ask(OURS, name, files, False) == (name, None, "done")


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", BLANK, ids=repr)
def test_blanks_are_in_no_name(name: str, verified: bool, files: Files) -> None:
    """OpenSSL sends them, and servers that look at names give up."""
    with pytest.raises(ValueError, match="is not a server name"):
        ask(OURS, name, files, verified)


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("name", NONE_AT_ALL, ids=repr)
def test_what_is_no_name(name: Any, verified: bool, files: Files) -> None:
    """The same exceptions, when the object is made."""
    found = []
    for engine in (CONTROL, OURS):
        with pytest.raises((ValueError, TypeError, AttributeError)) as caught:
            ask(engine, name, files, verified)
        found.append(caught.type)
    assert found[0] is found[1]


@pytest.mark.parametrize("verified", [True, False])
def test_a_name_that_is_too_long(verified: bool, files: Files) -> None:
    for engine in (CONTROL, OURS):
        with pytest.raises(ssl.SSLError) as caught:
            ask(engine, TOO_LONG, files, verified)
        assert caught.value.reason == "SSL3_EXT_INVALID_SERVERNAME"
