"""The NSS key log format, with which Wireshark and others decrypt a recorded connection.

RFC 9850. One line for each secret: a label, the client's random and the secret, the last two in
hexadecimal. Whoever reads the log reads the connections, so the file is created for its owner's
eyes only, and nothing is logged that was not asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from .errors import UsageError

KeyLog = Callable[[str], None]
"""Takes one line, without its end."""


def line(label: str, client_random: bytes, secret: bytes) -> str:
    """One line of a key log: *label* is a name of RFC 9850, section 2, *client_random* has 32
    bytes.
    """
    return f"{label} {client_random.hex()} {secret.hex()}"


class KeyLogFile:
    """A key log that is appended to a file, which may be shared with other processes.

    The file is created with mode 0600 where it does not exist. Raises UsageError, with *hint*
    and the errno of the system's, where it cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        hint: str = "It has to be a file that can be appended to, or made.",
    ) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            refused = UsageError(
                f"the key log {os.fspath(path)!r} cannot be written: {error.strerror}",
                hint=hint,
            )
            refused.errno, refused.filename = error.errno, os.fspath(path)
            raise refused from error
        self.path = path

    def __call__(self, entry: str) -> None:
        """Appends one line, in one write: lines of several processes do not mix."""
        os.write(self._descriptor, f"{entry}\n".encode("ascii"))

    def close(self) -> None:
        """Closes the file; the log cannot be used any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_files: dict[str, KeyLogFile] = {}


def from_environment() -> KeyLog | None:
    """The log that the environment's SSLKEYLOGFILE names, or None when it names none.

    The interpreter's ``-E`` and ``-I`` switch it off, as they do for the standard library. One
    file is opened once, however many configurations log to it.
    """
    path = os.environ.get("SSLKEYLOGFILE")
    if not path or sys.flags.ignore_environment:
        return None
    path = os.path.abspath(path)
    log = _files.get(path)
    if log is None:
        hint = "SSLKEYLOGFILE names a file to append to; unset it to keep no log."
        log = _files.setdefault(path, KeyLogFile(path, hint=hint))
    return log
