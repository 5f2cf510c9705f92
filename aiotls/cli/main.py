"""The commands, what ends them, and the exit codes.

Whatever goes wrong ends in one line on standard error, with a hint where there is one, and in
an exit code that scripts can use; never in a traceback, unless AIOTLS_DEBUG is set.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import shutil
import socket
import sys
import textwrap
from collections.abc import Callable, Coroutine, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from ..errors import AlertReceived, CertificateError, ProtocolError, TLSError, Truncated, UsageError
from ..trace.text import clean
from .terminal import HANG, MIN_WIDTH, Terminal, fold

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

OK, FAILED, USAGE, UNVERIFIED = 0, 1, 2, 3
INTERRUPTED = 130
"""128 and SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""128 and SIGPIPE."""

DESCRIPTION = "TLS for asyncio: see it work, talk to a server, serve."

EXIT_CODES = """\
exit codes:
  0  all went well, and the peer was verified
  1  the connection failed
  2  wrong arguments or unreadable files
  3  the peer was not verified: its certificate was refused, or --insecure
"""

HINTS = {
    "WRONG_VERSION_NUMBER": "Is this a TLS port? A service that starts in plaintext needs "
    "--starttls.",
    "HTTP_REQUEST": "The other side speaks plain HTTP to a TLS port.",
    "UNEXPECTED_EOF_WHILE_READING": "Usual causes: not a TLS port, a server that wants another "
    "name (--servername), or a middlebox that drops what it does not know.",
    "ALERT_HANDSHAKE_FAILURE": "The two sides have no cipher suite, group or signature scheme in "
    "common, or the server wants a client certificate (--cert, --key).",
    "ALERT_PROTOCOL_VERSION": "The server speaks none of the versions that were offered.",
    "ALERT_UNRECOGNIZED_NAME": "The server does not know this name; try --servername.",
    "ALERT_CERTIFICATE_REQUIRED": "The server wants a client certificate: --cert and --key.",
    "ALERT_UNKNOWN_CA": "The other side does not trust the authority of the certificate that it "
    "was shown.",
    "ALERT_NO_APPLICATION_PROTOCOL": "The server speaks none of the protocols given with --alpn.",
}


class Failure(Exception):
    """What ends a command: one line, perhaps a hint, and the exit code."""

    def __init__(self, message: str, *, hint: str | None = None, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class Misuse(Failure):
    """Arguments that cannot be understood; *advice* says where to read about them."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message, hint=advice, code=USAGE)


class Parser(argparse.ArgumentParser):
    """argparse, with errors in the form of all the others, and help that fits the terminal."""

    def format_usage(self) -> str:
        """The usage alone."""
        return _fit_usage(super().format_usage())

    def format_help(self) -> str:
        """All of the help: the usage ends at its first empty line."""
        usage, gap, rest = super().format_help().partition("\n\n")
        return _fit_usage(usage) + gap + rest

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Writes help or an error. argparse's own keeps to itself that the disk is full."""
        try:
            (file or sys.stderr).write(message)
        except OSError:
            if file is sys.stdout:
                raise  # of standard error that cannot be written to, there is nowhere to tell

    def error(self, message: str) -> NoReturn:
        """One line, and where to read more."""
        raise Misuse(message, f"try: {self.prog} --help")


def help_width() -> int:
    """The columns that help may take; argparse leaves as many free."""
    return max(MIN_WIDTH, shutil.get_terminal_size().columns) - 2


USAGE_PART = re.compile(r"\(.*?\)+(?=\s|$)|\[.*?\]+(?=\s|$)|\S+")
"""What must not be broken over two lines: ``[--cafile FILE]``."""


def _fit_usage(text: str) -> str:
    """Usage lines in the width of the terminal.

    argparse puts every line of them under the first option, which leaves no room for long options
    where the terminal is narrow.
    """
    width = help_width()
    if all(len(line) <= width for line in text.splitlines()):
        return text
    lines = [""]
    for part in USAGE_PART.findall(text):
        if lines[-1] and len(lines[-1]) + 1 + len(part) > width:
            lines.append(" " * HANG + part)
        else:
            lines[-1] += (" " if lines[-1] else "") + part
    return "\n".join(lines) + text[len(text.rstrip("\n")) :]


def load() -> tuple[ModuleType, ...]:
    """The modules of the commands, which are not loaded before there is one to be run."""
    from . import bench, cert, check, connect, demo, doctor, explain, serve, tracing

    return demo, connect, serve, tracing, cert, check, explain, bench, doctor


def parser() -> Parser:
    """The arguments of every command."""
    top = Parser(
        prog="aiotls",
        description=textwrap.fill(DESCRIPTION, help_width()),
        epilog=_folded(EXIT_CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for module in load():
        module.register(commands)
    return top


def _folded(text: str) -> str:
    width = help_width()
    return "\n".join(part for line in text.splitlines() for part in fold(line, width))


def _version() -> str:
    from .. import __version__

    return f"aiotls {__version__}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    _open_standard_files()
    options = argparse.Namespace()
    try:
        code = _run(arguments, options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone: nothing to say, and no one to say it to.
        return BROKEN_PIPE
    except Exception as error:
        if os.environ.get("AIOTLS_DEBUG"):
            raise
        failure = explain(error)
        given = sys.argv[1:] if arguments is None else arguments
        with contextlib.suppress(OSError):  # the exit code is left to say it
            _report(failure, as_json=getattr(options, "json", False) or "--json" in given)
        return failure.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            _empty(stream)


def _run(arguments: Sequence[str] | None, options: argparse.Namespace) -> int:
    """Fills *options*, and does what they say."""
    top = parser()
    try:
        _, unknown = top.parse_known_args(arguments, options)
        if unknown:
            _refuse(options, unknown)
    except SystemExit as stop:  # argparse has helped
        return stop.code if isinstance(stop.code, int) else USAGE
    if options.command is None:
        top.print_help()
        return USAGE
    code: int = options.run(options)
    return code


def _refuse(options: argparse.Namespace, unknown: Sequence[str]) -> NoReturn:
    """What argparse would say, but with the help of the command that it was meant for."""
    words = ("aiotls", options.command, getattr(options, "action", None))
    prog = " ".join(word for word in words if word)
    Parser(prog=prog).error(f"unrecognized arguments: {' '.join(unknown)}")


def _report(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        try:
            told = {"ok": False, "error": failure.message, "hint": failure.hint}
            print(json.dumps(told), flush=True)
            return
        except OSError:
            pass  # standard output is what has failed: the line below says so
    terminal = Terminal.of(sys.stderr)
    word = terminal.paint("aiotls:", "red", "bold")
    terminal.line(f"{word} {clean(failure.message)}")
    if failure.hint:
        word = "" if isinstance(failure, Misuse) else "hint: "
        terminal.line(f"  {word}{clean(failure.hint, 1000)}")
    terminal.flush()


def _open_standard_files() -> None:
    """A standard file that the parent closed would be reused for a socket; so it is replaced."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    for name, mode in (("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # It lives as long as the process does.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _empty(stream: TextIO) -> None:
    """Writes what is left in the buffer. Where that fails it goes nowhere: Python would write it
    once more at its end, complain, and put an exit code of its own in the place of ours.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(ValueError):  # closed, or no file at all
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stream.fileno())
            os.close(devnull)


def run_async(coroutine: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a command's coroutine on asyncio's own loop."""
    import asyncio

    return asyncio.run(coroutine())


# -- what went wrong, in words ---------------------------------------------------------------------


def explain(error: BaseException) -> Failure:
    """An exception as one line for people, what to do about it, and the exit code."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, TLSError):
        return _explain_tls(error)
    if isinstance(error, socket.gaierror):
        return Failure(
            f"the host cannot be found: {error.strerror}",
            hint="Check the name, and whether this machine has a network.",
        )
    if isinstance(error, TimeoutError):
        return Failure(
            str(error) or "time is up: no answer", hint="A firewall may drop what is sent there."
        )
    if isinstance(error, OSError):
        return _explain_os(error)
    return Failure(
        f"internal error: {type(error).__name__}: {error}",
        hint="AIOTLS_DEBUG=1 shows where. Please report it.",
    )


def _explain_tls(error: TLSError) -> Failure:
    code = FAILED
    message = error.message
    if error.reason == "INTERNAL_ERROR" and isinstance(error.__cause__, OSError):
        return _explain_os(error.__cause__)  # such as a key log on a full disk
    if isinstance(error, UsageError):
        code = USAGE
    elif isinstance(error, CertificateError):
        code = UNVERIFIED
        message = f"NOT VERIFIED: {message}"
    elif isinstance(error, AlertReceived):
        message = f"the handshake failed: {message}"
    elif isinstance(error, ProtocolError):
        message = f"the connection was ended: {message} (alert {error.alert.name.lower()})"
    if isinstance(error, (AlertReceived, Truncated)):  # of both the command's options are known
        hint = HINTS.get(error.reason) or error.hint
    else:
        hint = error.hint or HINTS.get(error.reason)
    return Failure(message, hint=None if hint is None else in_options(hint), code=code)


IN_OPTIONS = (
    (r'TrustStore\.from_files\(\.\.\., profile="private-pki"\)', "--cafile"),
    (r'TrustStore\.from_files\(("server\.pem"), profile="private-pki"\)', "--cafile server.pem"),
    (r'ClientConfig\(trust=TrustStore\.from_files\(("ca\.pem")\)\)', "--cafile ca.pem"),
    (r'server_hostname="([^"]*)"', r"--servername \1"),
    (r"server_hostname=(?!\w)", "--servername"),
    (r'ClientConfig\(identity=Identity\.from_files\("[^)]*"\)\)', "--cert and --key"),
    (r"ClientConfig\(alpn_protocols=\[\.\.\.\]\)", "--alpn"),
)


def in_options(hint: str) -> str:
    """A hint that tells a programmer what to write, as whoever types commands would write it."""
    for code, option in IN_OPTIONS:
        hint = re.sub(code, option, hint)
    return hint


def _explain_os(error: OSError) -> Failure:
    number = error.errno
    if number is None:
        # asyncio joins the failures of several addresses into one text.
        found = re.search(r"\[Errno (\d+)\]", str(error))
        number = int(found[1]) if found else None
    if number in (errno.ECONNREFUSED, errno.EADDRINUSE, errno.EACCES) or error.filename:
        return _explain_place(error, number)
    cause = error.__cause__
    if isinstance(cause, TLSError):
        return _explain_tls(cause)
    if isinstance(error, ConnectionResetError):
        return Failure(
            str(error.strerror or error) or "the other side reset the connection",
            hint=HINTS["UNEXPECTED_EOF_WHILE_READING"],
        )
    text = os.strerror(number) if number is not None else str(error) or type(error).__name__
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Failure(f"the output cannot be written: {text}")
    return Failure(f"the connection failed: {text}")


def _explain_place(error: OSError, number: int | None) -> Failure:
    if error.filename is not None:
        text = error.strerror or type(error).__name__
        return Failure(f"{error.filename}: {text}", code=USAGE)
    if number == errno.ECONNREFUSED:
        return Failure("connection refused: nothing listens there", hint="Check host and port.")
    if number == errno.EADDRINUSE:
        return Failure("the port is in use", hint="Another --port, or 0 for any.", code=USAGE)
    return Failure("not permitted", hint="Ports below 1024 are the system's.", code=USAGE)
