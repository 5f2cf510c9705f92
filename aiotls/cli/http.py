"""A small HTTP/1.1 server for a directory: GET and HEAD, and nothing that could be abused.

RFC 9110 and 9112. Request heads are bounded in size and time; every path is resolved before it is
opened and has to lie in the directory; names that begin with a dot are not served.
"""

from __future__ import annotations

import asyncio
import email.utils
import html
import mimetypes
import os
import re
import stat
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from ..errors import TLSError

NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # Windows has none, and no FIFOs in directories
MAX_HEAD = 1 << 14
MAX_HEADERS = 100
MAX_BODY = 1 << 20
"""A request's body is of no use here; one of up to this size is read and forgotten."""
IDLE = 30.0
"""Seconds that a connection may wait for the next request, and a request for its end."""
CHUNK = 1 << 18

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
"""One range, of sizes that a file can have."""

Log = Callable[[str], None]


class Refused(Exception):
    """A request that is answered with an error; the connection is closed after it."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The path of the target, as it was sent (RFC 9112, section 3.2)."""
        return path_of(self.target)

    @property
    def keep_alive(self) -> bool:
        """Whether another request may follow (RFC 9112, section 9.3)."""
        options = {o.strip().lower() for o in self.headers.get("connection", "").split(",")}
        if self.version == "HTTP/1.0":
            return "keep-alive" in options
        return "close" not in options


@dataclass(slots=True)
class Response:
    """An answer; the body is bytes or an open file of a known length."""

    status: HTTPStatus
    content: bytes | BinaryIO = b""
    length: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def head(self, keep_alive: bool) -> bytes:
        """The status line and the header."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Date: {email.utils.formatdate(usegmt=True)}",
            "Server: aiotls",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if self.status is not HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {self.length}")
        lines.append(f"Connection: {'keep-alive' if keep_alive else 'close'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def parse_head(head: bytes) -> Request:
    """A request line and header fields (RFC 9112, sections 3 and 5). Raises Refused."""
    try:
        lines = head.decode("latin-1").split("\r\n")
    except ValueError as error:  # cannot happen: latin-1 decodes everything
        raise Refused(HTTPStatus.BAD_REQUEST) from error
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[0] or not set(parts[0]) <= TOKEN or not parts[1]:
        raise Refused(HTTPStatus.BAD_REQUEST, "the request line is not one")
    method, target, version = parts
    if not (target.isascii() and target.isprintable()):  # RFC 3986, section 2: it is escaped
        raise Refused(HTTPStatus.BAD_REQUEST, "the target has characters that are not escaped")
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    headers: dict[str, str] = {}
    fields = [line for line in lines[1:] if line]
    if len(fields) > MAX_HEADERS:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    for line in fields:
        name, colon, value = line.partition(":")
        # 5.1: no whitespace before the colon; 5.2: no folded lines
        if not colon or not name or not set(name) <= TOKEN or "\n" in line or "\0" in value:
            raise Refused(HTTPStatus.BAD_REQUEST, "a header field is malformed")
        name = name.lower()
        if name in ("content-length", "transfer-encoding", "host") and name in headers:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} stands twice")
        headers[name] = value.strip(" \t")
    if version == "HTTP/1.1" and "host" not in headers:
        raise Refused(HTTPStatus.BAD_REQUEST, "Host is missing")
    return Request(method, target, version, headers)


def path_of(target: str) -> str:
    """A request target without its origin, its query and its fragment."""
    if target.startswith(("http://", "https://")):  # 3.2.2: the absolute form has to be taken
        target = "/" + target.split("/", 3)[3] if target.count("/") >= 3 else "/"
    return target.split("?", 1)[0].split("#", 1)[0]


def locate(root: Path, target: str) -> Path:
    """The file or directory that *target* names, inside *root*. Raises Refused.

    *root* is resolved already. What leads out of it, by ``..`` or by a symbolic link, does not
    exist as far as a client can tell.
    """
    path = path_of(target)
    if not path.startswith("/"):
        raise Refused(HTTPStatus.BAD_REQUEST, "the path does not begin with a slash")
    # Names of files are bytes, and not all of them UTF-8.
    decoded = urllib.parse.unquote(path, errors="surrogateescape")
    parts = [part for part in decoded.split("/") if part]
    for part in parts:
        if part.startswith(".") or "\0" in part or "\\" in part or (os.altsep and ":" in part):
            raise Refused(HTTPStatus.NOT_FOUND)
    return _resolve(root, root.joinpath(*parts))


def _resolve(root: Path, path: Path) -> Path:
    """Where *path* leads, if that is in *root* and has no hidden part. Raises Refused."""
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        raise Refused(HTTPStatus.NOT_FOUND) from error
    if found != root and root not in found.parents:
        raise Refused(HTTPStatus.NOT_FOUND)
    if any(part.startswith(".") for part in found.relative_to(root).parts):
        raise Refused(HTTPStatus.NOT_FOUND)
    return found


def respond(root: Path, request: Request) -> Response:
    """The answer to *request*; an open file in it is for the caller to close. Raises Refused."""
    if request.method not in ("GET", "HEAD"):
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    found, path = locate(root, request.target), request.path
    if found.is_dir():
        if not path.endswith("/"):
            # One slash: two would make the next part a host.
            location = "/" + path.strip("/") + "/"
            return _error(HTTPStatus.MOVED_PERMANENTLY, {"Location": location})
        index = found / "index.html"
        if not index.is_file():
            return _listing(root, found)
        found = _resolve(root, index)
    elif path.endswith("/"):
        raise Refused(HTTPStatus.NOT_FOUND)
    return _file(found, request)


def _file(path: Path, request: Request) -> Response:
    try:
        # Nobody may ever write to a FIFO, and to open one would wait for that.
        file = open(os.open(path, os.O_RDONLY | NONBLOCK), "rb")
    except OSError as error:
        status = (
            HTTPStatus.FORBIDDEN if isinstance(error, PermissionError) else HTTPStatus.NOT_FOUND
        )
        raise Refused(status) from error
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        file.close()
        raise Refused(HTTPStatus.NOT_FOUND)
    kind, encoding = mimetypes.guess_type(path.name)
    if encoding is not None or kind is None:
        kind = "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    modified = int(about.st_mtime)
    headers = {
        "Content-Type": kind,
        "Last-Modified": email.utils.formatdate(modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    since = request.headers.get("if-modified-since")
    if since is not None and _timestamp(since) >= modified:
        file.close()
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    size = about.st_size
    try:
        wanted = wanted_range(request, size, headers["Last-Modified"])
    except Refused as error:
        file.close()
        return _error(error.status, {"Content-Range": f"bytes */{size}"})
    if wanted is None:
        return Response(HTTPStatus.OK, file, size, headers)
    file.seek(wanted.start)
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return Response(HTTPStatus.PARTIAL_CONTENT, file, len(wanted), headers)


def wanted_range(request: Request, size: int, modified: str) -> range | None:
    """The bytes that are asked for; None for all of them (RFC 9110, section 14.2).

    Several ranges at once are answered with all, which the RFC leaves to the server. Raises
    Refused where there are no such bytes.
    """
    asked = request.headers.get("range", "")
    if request.method != "GET" or request.headers.get("if-range", modified) != modified:
        return None
    found = RANGE.fullmatch(asked)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many
        length = min(int(found[2]), size)
        wanted = range(size - length, size)
    else:
        if found[2] and int(found[2]) < int(found[1]):
            return None  # 14.1.1: not valid, so as if it were not there
        wanted = range(int(found[1]), min(int(found[2]) + 1, size) if found[2] else size)
    if not wanted:
        raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
    return wanted


def _timestamp(text: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return -1.0


def _listing(root: Path, directory: Path) -> Response:
    """What is in a directory, as far as it is served."""
    names = []
    for entry in sorted(directory.iterdir(), key=lambda path: path.name):
        if entry.name.startswith("."):
            continue
        try:
            found = _resolve(root, entry)
        except Refused:
            continue
        if found.is_dir():
            names.append(entry.name + "/")
        elif found.is_file():
            names.append(entry.name)
    if directory != root:
        names.insert(0, "../")
    items = "\n".join(
        f'<li><a href="{_reference(name)}">{html.escape(_shown(name))}</a></li>' for name in names
    )
    where = html.escape("/" + _shown(directory.relative_to(root).as_posix()).removeprefix("."))
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Index of {where}</title>\n<style>{STYLE}</style>\n"
        f"<h1>Index of {where}</h1>\n<ul>\n{items}\n</ul>\n</html>\n"
    ).encode()
    return Response(HTTPStatus.OK, page, len(page), {"Content-Type": "text/html; charset=utf-8"})


STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
ul { list-style: none; padding: 0; }
a { overflow-wrap: anywhere; text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
"""


def _reference(name: str) -> str:
    return name if name == "../" else "./" + urllib.parse.quote(name, errors="surrogateescape")


def _shown(name: str) -> str:
    """A name for people: what is not UTF-8 in it, or would break the line, is a question mark."""
    text = name.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)


def _error(status: HTTPStatus, headers: dict[str, str] | None = None, text: str = "") -> Response:
    page = f"{status.value} {status.phrase}{': ' + text if text else ''}\n".encode()
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    return Response(status, page, len(page), kind | (headers or {}))


async def serve_client(
    root: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Log
) -> None:
    """Answers one client's requests until it has no more, or breaks a rule.

    *log* gets a line for each request. *reader* needs a limit of :data:`MAX_HEAD` at least.
    """
    while True:
        start = time.perf_counter()
        try:
            async with asyncio.timeout(IDLE):
                head = await reader.readuntil(b"\r\n\r\n")
                head = head.removeprefix(b"\r\n")  # RFC 9112, section 2.2: after a body, perhaps
                start = time.perf_counter()
                if len(head) > MAX_HEAD:
                    raise asyncio.LimitOverrunError("", 0)
                request = parse_head(head[:-4])
                await _discard_body(request, reader)
        except (asyncio.IncompleteReadError, TimeoutError, TLSError, ConnectionError):
            return  # it has no more requests
        except (Refused, asyncio.LimitOverrunError) as error:
            status, text = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, ""
            if isinstance(error, Refused):
                status, text = error.status, str(error)
            log(f"(malformed request) {status.value} {text or status.phrase}")
            await _send(writer, _error(status, text=text), keep_alive=False, body=True)
            return
        if not await _answer(root, request, writer, log, start):
            return


async def _answer(
    root: Path, request: Request, writer: asyncio.StreamWriter, log: Log, start: float
) -> bool:
    """Answers one request; says whether another may follow."""
    try:
        response = await asyncio.to_thread(respond, root, request)
    except Refused as error:
        response = _error(error.status)
    except OSError:
        response = _error(HTTPStatus.INTERNAL_SERVER_ERROR)
    keep_alive = request.keep_alive
    complete = await _send(writer, response, keep_alive, body=request.method != "HEAD")
    elapsed = (time.perf_counter() - start) * 1000
    outcome = "" if complete else " (cut off)"
    log(
        f"{request.method} {request.target} {response.status.value} {response.length} B "
        f"{elapsed:.1f} ms{outcome}"
    )
    return keep_alive and complete


async def _discard_body(request: Request, reader: asyncio.StreamReader) -> None:
    if "transfer-encoding" in request.headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED)
    length = request.headers.get("content-length", "0")
    # 6.3: digits and nothing else; int() would also take signs and spaces
    if not (length.isascii() and length.isdigit()):
        raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
    if len(length) > 7 or int(length) > MAX_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    rest = int(length)
    if rest and request.headers.get("expect", "").lower() == "100-continue":
        raise Refused(HTTPStatus.EXPECTATION_FAILED)
    while rest:
        data = await reader.read(min(rest, CHUNK))
        if not data:
            raise asyncio.IncompleteReadError(b"", rest)
        rest -= len(data)


async def _send(
    writer: asyncio.StreamWriter, response: Response, keep_alive: bool, body: bool
) -> bool:
    """Sends a response; says whether all of it left."""
    content = response.content
    try:
        writer.write(response.head(keep_alive))
        if isinstance(content, bytes):
            if body:
                writer.write(content)
            await writer.drain()
            return True
        rest = response.length if body else 0
        while rest:
            # A file may grow or shrink while it is sent; Content-Length was promised.
            data = await asyncio.to_thread(content.read, min(rest, CHUNK))
            if not data:
                return False
            rest -= len(data)
            writer.write(data)
            async with asyncio.timeout(IDLE):
                await writer.drain()
        return True
    except (ConnectionError, TLSError, TimeoutError):
        return False
    finally:
        if not isinstance(content, bytes):
            content.close()
