"""The small HTTP/1.1 server: what it hands out, and all that it does not."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiotls
from aiotls.cli import http
from aiotls.cli.authority import Authority
from aiotls.cli.http import Refused, locate, parse_head

AUTHORITY = Authority.create()
CLIENT = aiotls.ClientConfig(trust=AUTHORITY.trust())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    public = tmp_path / "public"
    (public / "sub").mkdir(parents=True)
    (public / "index.html").write_text("home")
    (public / "sub" / "a file & more.txt").write_text("text")
    (public / ".secret").write_text("hidden")
    (tmp_path / "outside.txt").write_text("outside")
    (public / "link.txt").symlink_to(tmp_path / "outside.txt")
    (public / "alias.txt").symlink_to(public / "sub" / "a file & more.txt")
    (public / "loop").symlink_to(public / "loop")
    (public / "to-secret").symlink_to(public / ".secret")
    return public.resolve()


def request(target: str, method: str = "GET", **headers: str) -> http.Request:
    return http.Request(method, target, "HTTP/1.1", {"host": "x"} | headers)


@pytest.mark.parametrize(
    "target",
    [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/sub/../../outside.txt",
        "/..\\outside.txt",
        "/..%5coutside.txt",
        "/.secret",
        "/%2esecret",
        "/sub/./x",
        "/link.txt",
        "/loop",
        "/to-secret",
        "/nothing",
        "/index.html/x",
        "/%00",
        "/index.html%00.txt",
        "http://x/../outside.txt",
        "/" + "a" * 5000,
    ],
)
def test_what_is_not_in_the_directory_does_not_exist(root: Path, target: str) -> None:
    with pytest.raises(Refused) as caught:
        locate(root, target)
    assert caught.value.status.value == 404


@pytest.mark.parametrize("target", ["", "*", "index.html", "C:/x"])
def test_malformed_paths(root: Path, target: str) -> None:
    with pytest.raises(Refused) as caught:
        locate(root, target)
    assert caught.value.status.value == 400


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/", "."),
        ("/index.html?x=/../y", "index.html"),
        ("/sub/a%20file%20&%20more.txt", "sub/a file & more.txt"),
        ("/alias.txt", "sub/a file & more.txt"),
        ("//sub", "sub"),
        ("https://localhost/sub", "sub"),
        ("https://localhost", "."),
    ],
)
def test_what_is_in_the_directory(root: Path, target: str, name: str) -> None:
    assert locate(root, target) == root / name


@given(st.text(max_size=60))
def test_no_path_leads_out(target: str) -> None:
    root = Path(__file__).resolve().parent
    try:
        found = locate(root, "/" + target)
    except Refused:
        return
    assert found == root or root in found.parents


@given(st.binary(max_size=300))
def test_no_head_raises_anything_but_refused(head: bytes) -> None:
    try:
        parse_head(head)
    except Refused:
        pass


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"G\x01T / HTTP/1.1", 400),
        (b"GET /\xe9 HTTP/1.1\r\nHost: x", 400),
        (b"GET /\x07 HTTP/1.1\r\nHost: x", 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost : x", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded", 400),
        (b"GET / HTTP/1.1\r\nHost: x\nEvil: y", 400),
        (b"GET / HTTP/1.1\r\nHost: x" + b"\r\na: b" * 200, 431),
    ],
)
def test_malformed_heads(head: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        parse_head(head)
    assert caught.value.status.value == status


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_fifo_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with pytest.raises(http.Refused) as refused:
        http.respond(root, request("/fifo"))
    assert refused.value.status == 404


def test_a_directory_without_an_index_is_listed(root: Path) -> None:
    answer = http.respond(root, request("/sub/"))
    assert isinstance(answer.content, bytes)
    assert b'href="./a%20file%20%26%20more.txt"' in answer.content
    assert b"a file &amp; more.txt" in answer.content
    assert b".secret" not in answer.content


def test_a_directory_without_its_slash_is_redirected_on_the_same_host(root: Path) -> None:
    assert http.respond(root, request("/sub")).headers["Location"] == "/sub/"
    assert http.respond(root, request("//sub")).headers["Location"] == "/sub/"


def test_a_redirect_leaves_the_origin_out_and_what_it_names_is_escaped(root: Path) -> None:
    (root / "\u00e9").mkdir()
    assert http.respond(root, request("https://x/sub")).headers["Location"] == "/sub/"
    assert http.respond(root, request("/%C3%A9")).headers["Location"] == "/%C3%A9/"
    answer = http.respond(root, request("https://x"))
    assert answer.status.value == 200
    assert not isinstance(answer.content, bytes)
    answer.content.close()


def test_a_file_is_no_directory(root: Path) -> None:
    with pytest.raises(Refused) as caught:
        http.respond(root, request("/index.html/"))
    assert caught.value.status.value == 404


def test_what_is_listed_is_served(root: Path, tmp_path: Path) -> None:
    """Whatever the names: the links of a list lead to files, and to all that there are."""
    odd = ["a b", "q?x#y%41", "a:b", "<i>&amp;", '"', "\u00fc", "new\nline", "x" * 200]
    if os.name == "posix":
        odd.append(os.fsdecode(b"not utf-8 \xff"))
    place = root / "odd"
    place.mkdir()
    for name in odd:
        (place / name).write_text(name, errors="surrogateescape")
    (place / "out").symlink_to(tmp_path / "outside.txt")
    (place / "circle").symlink_to(place / "circle")
    (place / "nowhere").symlink_to(place / "nothing")
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "fifo")
    page = http.respond(root, request("/odd/")).content
    assert isinstance(page, bytes)
    links = re.findall(r'href="\./([^"]*)"', page.decode("ascii", "replace"))
    heard = set()
    for link in links:
        answer = http.respond(root, request("/odd/" + link))
        assert not isinstance(answer.content, bytes)
        with answer.content as file:
            heard.add(file.read().decode(errors="surrogateescape"))
    assert heard == set(odd)
    assert b"<i>" not in page


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=0-0", 206, b"h", "bytes 0-0/4"),
        ("bytes=1-", 206, b"ome", "bytes 1-3/4"),
        ("bytes=2-99", 206, b"me", "bytes 2-3/4"),
        ("bytes=-3", 206, b"ome", "bytes 1-3/4"),
        ("bytes=-99", 206, b"home", "bytes 0-3/4"),
        ("bytes=4-", 416, None, "bytes */4"),
        ("bytes=-0", 416, None, "bytes */4"),
        ("bytes=3-1", 200, b"home", None),
        ("bytes=0-1,3-3", 200, b"home", None),
        ("bytes=-", 200, b"home", None),
        ("bytes=x-", 200, b"home", None),
        ("lines=1-2", 200, b"home", None),
        ("bytes=0-" + "9" * 400, 200, b"home", None),
    ],
)
def test_a_range(root: Path, asked: str, status: int, body: bytes | None, told: str | None) -> None:
    """RFC 9110, section 14."""
    answer = http.respond(root, request("/index.html", range=asked))
    assert (answer.status.value, answer.headers.get("Content-Range")) == (status, told)
    if body is not None:
        assert not isinstance(answer.content, bytes)
        with answer.content as file:
            assert file.read(answer.length) == body
            assert answer.length == len(body)


def test_a_range_of_what_has_changed_or_of_a_head_is_all_of_it(root: Path) -> None:
    headers = {"range": "bytes=1-", "if-range": "Thu, 01 Jan 1970 00:00:00 GMT"}
    for asked in (
        request("/index.html", **headers),
        request("/index.html", method="HEAD", range="bytes=1-"),
    ):
        answer = http.respond(root, asked)
        assert (answer.status.value, answer.length) == (200, 4)
        assert not isinstance(answer.content, bytes)
        answer.content.close()


def test_not_modified(root: Path) -> None:
    answer = http.respond(root, request("/index.html"))
    assert not isinstance(answer.content, bytes)
    answer.content.close()
    since = answer.headers["Last-Modified"]
    answer = http.respond(root, request("/", **{"if-modified-since": since}))
    assert answer.status.value == 304
    answer = http.respond(root, request("/", **{"if-modified-since": "yesterday"}))
    assert not isinstance(answer.content, bytes)
    answer.content.close()


def test_only_get_and_head(root: Path) -> None:
    answer = http.respond(root, request("/", method="DELETE"))
    assert answer.status.value == 405
    assert answer.headers["Allow"] == "GET, HEAD"


async def converse(root: Path, *parts: bytes) -> tuple[bytes, list[str]]:
    """What the server answers to the bytes in *parts*, and its log."""
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http.serve_client(root, reader, writer, lines.append)
        writer.close()

    config = aiotls.ServerConfig(identity=AUTHORITY.identity("localhost"))
    server = await aiotls.start_server(serve, "127.0.0.1", 0, limit=http.MAX_HEAD, ssl=config)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await aiotls.open_connection(
            "127.0.0.1", port, ssl=CLIENT, server_hostname="localhost"
        )
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer, lines


@pytest.mark.asyncio
async def test_requests_on_one_connection(root: Path) -> None:
    answer, lines = await converse(
        root,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHo",
        b"st: x\r\nContent-Length: 4\r\n\r\nbodyGET /no HTTP/1.1\r\nHost: x\r\n",
        b"Connection: close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"home") == 1
    assert answer.count(b"HTTP/1.1 404") == 1
    assert len(lines) == 3


@pytest.mark.asyncio
async def test_a_target_that_is_not_escaped_is_refused_in_words(root: Path) -> None:
    (root / "\u00e9").mkdir()
    answer, lines = await converse(root, b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert lines == ["(malformed request) 400 the target has characters that are not escaped"]


@pytest.mark.asyncio
async def test_an_empty_line_before_a_request_is_passed_over(root: Path) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer, _ = await converse(root, head + b"\r\n" + head)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.asyncio
async def test_a_range_on_the_wire(root: Path) -> None:
    answer, _ = await converse(
        root, b"GET /index.html HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 206 Partial Content\r\n")
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\nom")


@pytest.mark.asyncio
async def test_old_clients_get_one_answer(root: Path) -> None:
    answer, _ = await converse(root, b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    assert answer.count(b"200 OK") == 1
    assert answer.endswith(b"home")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000, b"431"),
    ],
)
async def test_refusals_close_the_connection(root: Path, sent: bytes, status: bytes) -> None:
    answer, lines = await converse(root, sent, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer
    assert len(lines) == 1
