"""``aiotls cert``: make certificates for development, look at others, and mind their end.

``ca`` makes an authority once, ``new`` has it issue certificates, ``show`` tells what is in a
file or what a server shows, ``check`` follows the chain of a server and marks the link that fails.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import CertificateError, TLSError
from ..handshake.auth import Peer
from ..trace.text import clean
from ..trust import TrustStore, check_staple, parse_certificate
from ..trust.distinguished import issuer_of, subject_of
from ..trust.refusal import Question, find_path
from . import report
from .authority import Authority, alternative_names
from .connect import add_target, close, make_config, open_link, parse_target, read_trust
from .main import OK, UNVERIFIED, USAGE, Failure, in_options, run_async
from .terminal import Terminal

CA_DAYS, LEAF_DAYS = 3650.0, 90.0


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "cert",
        help="make certificates for development; show and check others",
        description=__doc__.partition("\n\n")[2],
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)

    ca = actions.add_parser("ca", help="make a development authority, once")
    _add_directory(ca)
    ca.add_argument("--name", default="aiotls development CA", help="(default: %(default)s)")
    ca.add_argument("--days", type=float, default=CA_DAYS, help="(default: %(default)g)")
    ca.add_argument("--json", action="store_true", help="as JSON")
    ca.set_defaults(run=run_ca)

    new = actions.add_parser("new", help="a certificate from the development authority")
    new.add_argument("names", nargs="+", metavar="NAME", help="host names, addresses, *.names")
    _add_directory(new)
    new.add_argument("--out", metavar="DIR", default=".", help="where to write (default: here)")
    new.add_argument("--days", type=float, default=LEAF_DAYS, help="(default: %(default)g)")
    new.add_argument("--client", action="store_true", help="for the client's side of mutual TLS")
    new.add_argument("--json", action="store_true", help="as JSON")
    new.set_defaults(run=run_new)

    show = actions.add_parser("show", help="what is in a PEM file, or what a server shows")
    add_target(show, what="FILE|HOST[:PORT]")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(run=run_show)

    check = actions.add_parser("check", help="follow a server's chain and mark what fails")
    add_target(check)
    check.add_argument(
        "--days-left",
        type=int,
        default=0,
        metavar="N",
        help="fail if fewer days than this are left (exit code 3)",
    )
    check.add_argument("--json", action="store_true", help="as JSON")
    check.set_defaults(run=run_check)


def _add_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ca",
        metavar="DIR",
        default=None,
        help="where the development authority is kept (default: in the user's data directory)",
    )


# -- the development authority ---------------------------------------------------------------------


def data_directory() -> Path:
    """Where the development authority is kept, unless --ca says otherwise."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "aiotls"


def load_authority(directory: Path) -> Authority | None:
    """The authority that is kept in *directory*; None where there is none."""
    certificate, key = directory / "ca.pem", directory / "ca-key.pem"
    if not certificate.exists() and not key.exists():
        return None
    authority = Authority.from_pem(certificate.read_bytes(), key.read_bytes())
    if report.days_left(authority.certificate, time.time()) < 0:
        raise Failure(
            f"the authority in {directory} has expired",
            hint=f"Remove {certificate} and {key}, then: aiotls cert ca",
            code=USAGE,
        )
    return authority


def make_authority(directory: Path, name: str, days: float) -> Authority:
    """A new authority, kept in *directory*."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority.create(name, days)
    write_private(directory / "ca-key.pem", authority.key_pem)
    write_new(directory / "ca.pem", authority.certificate_pem)
    return authority


def the_authority(directory: Path | None = None) -> tuple[Authority, Path, bool]:
    """The development authority, where it is kept, and whether it was made just now."""
    place = directory or data_directory()
    authority = load_authority(place)
    if authority is not None:
        return authority, place, False
    return make_authority(place, "aiotls development CA", CA_DAYS), place, True


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a file that must not exist yet."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise Failure(
            f"{path} exists already", hint="Remove it, or write elsewhere.", code=USAGE
        ) from error
    with open(descriptor, "wb") as file:
        file.write(data)


def write_private(path: Path, data: bytes) -> None:
    """Writes a key, for its owner's eyes only."""
    write_new(path, data, 0o600)


def trust_lines(certificate: Path) -> list[str]:
    """How to have programs trust the authority."""
    return [
        f"to trust it in one program:  SSL_CERT_FILE={certificate}  or  curl --cacert",
        f"on all of Debian:  sudo cp {certificate} /usr/local/share/ca-certificates/aiotls.crt",
        "                   sudo update-ca-certificates",
        "Whoever has its key can pass for any site to those who trust it: on this machine only.",
    ]


def run_ca(options: argparse.Namespace) -> int:
    """``cert ca``."""
    _check_days(options.days)
    if not options.name:
        raise Failure("a name is empty", code=USAGE)
    directory = Path(options.ca) if options.ca else data_directory()
    if load_authority(directory) is not None:
        raise Failure(
            f"there is an authority in {directory} already",
            hint="aiotls cert new NAME uses it; --ca keeps another elsewhere.",
            code=USAGE,
        )
    make_authority(directory, options.name, options.days)
    if options.json:
        told = {"certificate": str(directory / "ca.pem"), "key": str(directory / "ca-key.pem")}
        print(json.dumps(told, indent=2))
        return OK
    terminal = Terminal.of(sys.stdout)
    terminal.line(f"{directory / 'ca.pem'}: the certificate, for those who are to trust it")
    terminal.line(f"{directory / 'ca-key.pem'}: its key, for nobody else")
    for line in trust_lines(directory / "ca.pem"):
        terminal.line("  " + line)
    return OK


def run_new(options: argparse.Namespace) -> int:
    """``cert new``."""
    _check_days(options.days)
    alternative_names(options.names, options.client)  # before anything is made
    directory = Path(options.ca) if options.ca else None
    if directory is not None and load_authority(directory) is None:
        raise Failure(
            f"there is no authority in {directory}",
            hint=f"aiotls cert ca --ca {directory}",
            code=USAGE,
        )
    authority, place, made = the_authority(directory)
    issued = authority.issue(*options.names, days=options.days, client=options.client)
    stem = "".join(c if c.isalnum() or c in "-." else "_" for c in options.names[0])
    out = Path(options.out)
    certificate, key = out / f"{stem}.pem", out / f"{stem}-key.pem"
    write_private(key, issued.key_pem)
    try:
        write_new(certificate, issued.chain_pem)
    except Failure:
        key.unlink()
        raise
    if options.json:
        files = {"certificate": str(certificate), "key": str(key), "names": options.names}
        print(json.dumps({**files, "authority": str(place / "ca.pem"), "made": made}, indent=2))
        return OK
    terminal = Terminal.of(sys.stdout)
    if made:
        terminal.line(f"made a development authority in {place}")
    terminal.line(f"{certificate}: for {', '.join(options.names)}, {options.days:g} days")
    terminal.line(f"{key}: its key")
    if not options.client:
        terminal.line(f"  aiotls serve DIR --cert {certificate} --key {key}")
    terminal.line(f"  clients have to trust {place / 'ca.pem'}")
    return OK


def _check_days(days: float) -> None:
    if not 0 < days <= 36_500:
        raise Failure("--days is a positive number, at most 36500", code=USAGE)


# -- looking at certificates -----------------------------------------------------------------------


def run_show(options: argparse.Namespace) -> int:
    """``cert show``."""
    if os.path.exists(options.target):
        chain = _from_file(options.target)
    elif os.sep in options.target or options.target.endswith((".pem", ".der", ".crt", ".cer")):
        raise Failure(f"{options.target}: No such file or directory", code=USAGE)
    else:
        chain = fetch_chain(options)
    now = time.time()
    told = [report.certificate_facts(parse_certificate(der), now) for der in chain]
    if options.json:
        print(json.dumps(told, indent=2))
        return OK
    terminal = Terminal.of(sys.stdout)
    for number, facts in enumerate(told):
        if number:
            terminal.line()
        names = ", ".join(facts["names"]) or "none"
        left = report.in_days(facts["days_left"])
        until = f"{facts['not_before'][:10]} to {facts['not_after'][:10]}, {left}"
        terminal.line(terminal.paint(facts["subject"], "bold"))
        for label, value in (
            ("issued by", facts["issuer"]),
            ("names", names),
            ("key", facts["key"]),
            ("valid", terminal.paint(until, *_urgency(facts["days_left"]))),
            ("serial", facts["serial"]),
            ("sha256", facts["sha256"]),
        ):
            terminal.line(f"  {label:10} {value}")
    return OK


def _urgency(days: int) -> tuple[str, ...]:
    return ("red",) if days < 0 else ("yellow",) if days < report.SOON else ()


def _from_file(path: str) -> list[bytes]:
    data = Path(path).read_bytes()
    try:
        if b"-----BEGIN" in data:
            certificates = x509.load_pem_x509_certificates(data)
        else:
            certificates = [x509.load_der_x509_certificate(data)]
    except (ValueError, x509.InvalidVersion) as error:
        raise Failure(f"{path} holds no certificate, in PEM or in DER", code=USAGE) from error
    return [c.public_bytes(Encoding.DER) for c in certificates]


def fetch_chain(options: argparse.Namespace) -> list[bytes]:
    """The certificates that a server shows, whether they hold or not."""
    return list(_look(options).chain)


@dataclass(slots=True)
class Shown:
    """What a server shows to anyone who asks."""

    chain: tuple[bytes, ...] = ()
    staple: bytes | None = None

    def take(self, peer: Peer) -> None:
        """A hook for :attr:`.ClientConfig.verify` that believes everything."""
        self.chain, self.staple = tuple(peer.chain), peer.staple


def _look(options: argparse.Namespace) -> Shown:
    target = parse_target(options)
    shown = Shown()
    config = make_config(options).replace(dangerous_disable_verification=True, verify=shown.take)

    async def fetch() -> int:
        try:
            link = await open_link(target, config)
        except (TLSError, ConnectionError):
            if not shown.chain:
                raise
            return OK  # who wants the client's certificate has shown its own by then
        await close(link)
        return OK

    run_async(fetch)
    return shown


def run_check(options: argparse.Namespace) -> int:
    """``cert check``."""
    if options.days_left < 0:
        raise Failure("--days-left is a number of days, 0 or more", code=USAGE)
    target = parse_target(options)
    trust = read_trust(options.cafile) if options.cafile else TrustStore.system()
    shown = _look(options)
    if not shown.chain:
        raise Failure("the server showed no certificate", code=UNVERIFIED)
    judged = judge(shown, trust, target.name, datetime.datetime.now(datetime.UTC))
    late = judged.failure is None and judged.days_left < options.days_left
    ok = judged.failure is None and not late
    failure, hint = judged.failure, judged.hint
    if options.json:
        told = {
            "ok": ok,
            "host": target.host,
            "name": target.name,
            "days_left": judged.days_left,
            "error": str(failure) if failure else None,
            "hint": hint,
            "failing": judged.mark,
            "chain": [report.certificate_facts(c, judged.now) for c in judged.path],
            "unused": [report.certificate_facts(c, judged.now) for c in judged.unused],
        }
        print(json.dumps(told, indent=2))
        return OK if ok else UNVERIFIED
    terminal = Terminal.of(sys.stdout)
    left = report.in_days(judged.days_left)
    if failure is not None:
        word = terminal.paint("NOT VERIFIED", "red", "bold")
        terminal.line(f"{word}  {target.label}: {failure}")
    elif late:
        word = terminal.paint("TOO LATE", "red", "bold")
        terminal.line(f"{word}  {target.label}: {left}, not {options.days_left}")
    else:
        word = terminal.paint("OK", "green", "bold")
        terminal.line(f"{word}  {target.label} is verified; {left}")
    for line in draw_chain(terminal, judged):
        terminal.line(line)
    if hint is not None:
        terminal.line("hint: " + clean(hint, 1000))
    return OK if ok else UNVERIFIED


@dataclass(frozen=True, slots=True)
class Judged:
    """A chain, put in order, and what was found to be wrong with it."""

    path: list[x509.Certificate]
    """From the server's certificate upwards, as far as issuers were found."""

    unused: list[x509.Certificate]
    """What was sent as well, and has no place in the path."""

    trusted: bool
    """Whether the last of the path is an anchor."""

    failure: CertificateError | None
    mark: int | None
    """Which of the path has failed; ``len(path)`` is the issuer that is missing behind the last."""

    now: float

    @property
    def days_left(self) -> int:
        """Days until the first of the path expires."""
        return min(report.days_left(certificate, self.now) for certificate in self.path)

    @property
    def hint(self) -> str | None:
        """What to do, in terms of the command line."""
        if self.failure is None or self.failure.hint is None:
            return None
        return in_options(self.failure.hint)


_NO_ISSUER = (2, 20, 21)
"""OpenSSL's codes for an issuer that was not found."""


def judge(shown: Shown, trust: TrustStore, name: str, now: datetime.datetime) -> Judged:
    """What :func:`run_check` has to say of a chain: as in a connection, and in which link."""
    sent = [parse_certificate(der) for der in shown.chain]
    failure: CertificateError | None = None
    try:
        path = trust.verify_server(shown.chain, name, now=now)
        trusted = True
        check_staple(shown.staple, path, now)
    except CertificateError as error:
        failure = error
        found = find_path(Question(trust, sent, name, now, client=False))
        path, trusted = found.certificates, found.anchored
    mark = None
    if failure is not None:
        mark = failure.verify_depth + (failure.verify_code in _NO_ISSUER)
    unused = [certificate for certificate in sent if certificate not in path]
    return Judged(path, unused, trusted, failure, mark, now.timestamp())


def draw_chain(terminal: Terminal, judged: Judged) -> list[str]:
    """The chain, leaf first, each issuer below what it has signed; the failing link is marked."""
    branch = "\u2514\u2500 " if terminal.unicode else "`- "
    here = terminal.paint("  <-- here", "red", "bold")
    path = judged.path
    lines = []
    for number, certificate in enumerate(path):
        anchor = "  (trusted)" if judged.trusted and number == len(path) - 1 else ""
        mark = here if number == judged.mark else ""
        indent = "  " + "   " * (number - 1) + branch if number else "  "
        lines.append(indent + _draw(terminal, certificate, judged.now) + anchor + mark)
    if judged.mark is not None and judged.mark >= len(path):
        issuer = report.short_name(issuer_of(path[-1]))
        missing = terminal.paint("not found", "red", "bold")
        lines.append("  " + "   " * (len(path) - 1) + branch + f"{issuer}: {missing}{here}")
    if judged.unused and judged.failure is not None:
        lines.append("  sent as well, and no part of it:")
        lines += ["  " + _draw(terminal, one, judged.now) for one in judged.unused]
    return lines


def _draw(terminal: Terminal, certificate: x509.Certificate, now: float) -> str:
    days = report.days_left(certificate, now)
    left = terminal.paint(report.in_days(days), *_urgency(days))
    return f"{report.short_name(subject_of(certificate))}: {report.key_of(certificate)}, {left}"
