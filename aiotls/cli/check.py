"""``aiotls check``: what a server offers, and what is worth changing.

It connects about a dozen times, each time with one thing changed, and tells what it found in
short, with why it matters. It changes nothing on the server and sends no data: of 0-RTT it reads
what tickets allow, of Encrypted Client Hello what the server answers to one that is made up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from ..config import ClientConfig
from ..crypto.signatures import DEFAULT_SCHEMES
from ..crypto.suites import TLS12_SUITES, TLS13_SUITES
from ..ech import parse_config_list
from ..enums import CipherSuite, HandshakeType, NamedGroup, ProtocolVersion, SignatureScheme
from ..errors import CertificateError, DecodeError, ECHRejected, TLSError
from ..sessions import Session
from ..trace.text import clean
from ..wire import extensions as ext
from ..wire.messages import EncryptedExtensions
from . import report
from .connect import Asked, Target, add_target, close, make_config, open_link, parse_target
from .main import FAILED, OK, UNVERIFIED, Failure, in_options, run_async
from .terminal import Terminal

GOOD, NOTE, BAD = "good", "note", "bad"
GROUPS = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.SECP256R1MLKEM768,
    NamedGroup.SECP384R1MLKEM1024,
    NamedGroup.MLKEM768,
    NamedGroup.MLKEM1024,
    NamedGroup.X25519,
    NamedGroup.X448,
    NamedGroup.SECP256R1,
    NamedGroup.SECP384R1,
    NamedGroup.SECP521R1,
)
SCHEMES: dict[str, tuple[SignatureScheme, ...]] = {
    "ECDSA": tuple(s for s in DEFAULT_SCHEMES if s.name.startswith("ecdsa")),
    "RSA": tuple(s for s in DEFAULT_SCHEMES if s.name.startswith("rsa")),
    "EdDSA": tuple(s for s in DEFAULT_SCHEMES if s.name.startswith("ed")),
    "ML-DSA": tuple(s for s in DEFAULT_SCHEMES if s.name.startswith("mldsa")),
}
TICKET_WAIT = 0.5
MOST_TICKETS = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found out."""

    topic: str
    grade: str
    """``good``, ``note`` (could be better) or ``bad``."""
    text: str
    why: str = ""


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "check",
        help="what a server offers, and what is worth changing",
        description=__doc__.partition("\n\n")[2],
    )
    add_target(command)
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command; 0 when nothing bad was found, 3 for an unverified server, else 1."""
    target = parse_target(options)
    config = make_config(options)
    return run_async(lambda: check(target, config, options.json))


async def check(target: Target, config: ClientConfig, as_json: bool) -> int:
    """All that is looked into, in the order in which it is told."""
    out, progress = Terminal.of(sys.stdout), Terminal.of(sys.stderr)
    findings: list[Finding] = []
    async for finding in _Probe(target, config).findings():
        findings.append(finding)
        if not as_json:
            _show(out, finding)
        elif progress.color:
            progress.line(finding.topic)
    bad = [finding for finding in findings if finding.grade == BAD]
    if as_json:
        told = {"ok": not bad, "host": target.host, "findings": [asdict(f) for f in findings]}
        print(json.dumps(told, indent=2))
    if any(finding.topic == "certificate" for finding in bad):
        return UNVERIFIED
    return FAILED if bad else OK


def _show(terminal: Terminal, finding: Finding) -> None:
    word, color = {GOOD: ("ok  ", "green"), NOTE: ("note", "yellow"), BAD: ("BAD ", "red")}[
        finding.grade
    ]
    lines = textwrap.wrap(
        clean(finding.text, 1000), terminal.width - 20, break_on_hyphens=False
    ) or [""]
    terminal.line(f"{terminal.paint(word, color)} {finding.topic:14} {lines[0]}")
    for line in lines[1:]:
        terminal.line(" " * 20 + line)
    if finding.why and finding.grade != GOOD:
        for line in textwrap.wrap(
            clean(finding.why, 1000), terminal.width - 20, break_on_hyphens=False
        ):
            terminal.line(terminal.paint(" " * 20 + line, "dim"))
    terminal.flush()


class _Probe:
    """Connects again and again, with one thing changed at a time."""

    def __init__(self, target: Target, config: ClientConfig) -> None:
        self._target = target
        self._ech = config.ech
        self._config = config = config.replace(ech=None)
        # What a server offers has nothing to do with whether it is to be believed.
        self._blind = config.replace(dangerous_disable_verification=True, session_cache=None)
        self._wants_client = False
        """Whether the server has asked for a client certificate."""
        self._unseen: TLSError | None = None
        """Why the server's certificate could not be looked at."""

    async def _try(self, **changes: Any) -> dict[str, Any] | None:
        """What is agreed on with these changes; None where there is nothing in common.

        Who asks for the client's certificate has agreed to all else, and may then end the
        handshake because there is none: what is told is empty.
        """
        asked = Asked()
        try:
            link = await open_link(self._target, self._blind.replace(observer=asked, **changes))
        except TLSError:
            return {} if asked.for_certificate and self._config.identity is None else None
        except (ConnectionResetError, BrokenPipeError):
            return None  # some servers say no by hanging up
        finally:
            self._wants_client = self._wants_client or asked.for_certificate
        told = report.facts(link.connection)
        await close(link)
        return told

    async def findings(self) -> AsyncIterator[Finding]:
        """One finding after the other, as they are made."""
        async for finding in self._certificate():
            yield finding
        new = await self._try(
            min_version=ProtocolVersion.TLSv1_3, max_version=ProtocolVersion.TLSv1_3
        )
        old = await self._try(
            min_version=ProtocolVersion.TLSv1_2, max_version=ProtocolVersion.TLSv1_2
        )
        if new is None and old is None:
            raise Failure(
                "the server speaks neither TLS 1.3 nor TLS 1.2 as this program does",
                hint="aiotls trace shows where the handshake ends.",
            )
        if self._unseen is not None:
            yield Finding("certificate", BAD, f"could not be verified: {self._unseen}")
        yield _versions(new is not None, old is not None)
        if self._wants_client:
            yield self._client_certificate()
        if new is not None:
            async for finding in self._tls13():
                yield finding
        if old is not None:
            yield await self._suites12()
        yield await self._signatures()
        yield await self._resumption()
        if new is not None:
            yield await self._early_data()
            yield await self._encrypted_hello()

    async def _certificate(self) -> AsyncIterator[Finding]:
        now = self._config.clock()
        why = "Whoever stands in between can show a certificate that does not hold just as well."
        asked = Asked()
        insecure = self._config.dangerous_disable_verification
        try:
            link = await open_link(self._target, self._config.replace(observer=asked))
        except CertificateError as error:
            hint = in_options(error.hint) if error.hint else why
            yield Finding("certificate", BAD, str(error), hint)
            return
        except TLSError as error:
            if not asked.for_certificate or insecure:
                self._unseen = error  # the next attempts say more
                return
            # With TLS 1.2 the client has verified the server's by the time that it is to show one.
            yield Finding("certificate", GOOD, "verified; then the handshake was ended")
            return
        peer = link.connection.peer
        told = report.facts(link.connection)
        await close(link)
        if insecure or not told["certificates"]:
            yield Finding("certificate", BAD, "not verified (--insecure)", why)
            return
        leaf = told["certificates"][0]
        left = report.days_left(peer.certificate, now) if peer is not None else 0
        grade = NOTE if left < report.SOON else GOOD
        yield Finding(
            "certificate",
            grade,
            f"verified by {told['anchor']}: {leaf['key']}, {report.in_days(left)}",
            "Renew it, or see why the renewal did not run.",
        )
        stapled = peer is not None and peer.staple is not None
        yield Finding(
            "staple",
            GOOD,
            "an OCSP response comes along" if stapled else "no OCSP response comes along",
        )

    def _client_certificate(self) -> Finding:
        if self._config.identity is not None:
            return Finding("client", GOOD, "the server asks for a client certificate")
        return Finding(
            "client",
            NOTE,
            "the server asks for a client certificate, and none was given",
            "What it offers to accepted clients only, such as resumption, shows with --cert.",
        )

    async def _tls13(self) -> AsyncIterator[Finding]:
        only = {
            "min_version": ProtocolVersion.TLSv1_3,
            "max_version": ProtocolVersion.TLSv1_3,
        }
        suites = []
        for suite in TLS13_SUITES:
            if await self._try(**only, cipher_suites=[suite.code]) is not None:
                suites.append(CipherSuite.label(suite.code))
        yield Finding("TLS 1.3", GOOD, ", ".join(suites))
        groups = []
        for group in GROUPS:
            if await self._try(**only, groups=[group], key_shares=None) is not None:
                groups.append(group)
        names = ", ".join(NamedGroup.label(group) for group in groups)
        if any(report.is_post_quantum(group) for group in groups):
            yield Finding("key exchange", GOOD, names)
        else:
            yield Finding(
                "key exchange",
                NOTE,
                f"{names}; none is post-quantum",
                "What is recorded today can be decrypted by a quantum computer later. "
                "X25519MLKEM768 prevents it: OpenSSL 3.5, Go 1.24 and others have it.",
            )

    async def _suites12(self) -> Finding:
        only = {
            "min_version": ProtocolVersion.TLSv1_2,
            "max_version": ProtocolVersion.TLSv1_2,
        }
        suites = []
        for suite in TLS12_SUITES:
            if await self._try(**only, cipher_suites=[suite.code]) is not None:
                suites.append(CipherSuite.label(suite.code).removeprefix("TLS_"))
        return Finding("TLS 1.2", GOOD, ", ".join(suites))

    async def _signatures(self) -> Finding:
        kinds = []
        for kind, schemes in SCHEMES.items():
            told = await self._try(
                signature_schemes=schemes, certificate_signature_schemes=DEFAULT_SCHEMES
            )
            if told is not None:
                kinds.append(f"{kind} ({told['peer_signature_scheme']})" if told else kind)
        text = ", ".join(kinds) or "none of those that were tried one by one"
        return Finding("signatures", GOOD, text)

    async def _resumption(self) -> Finding:
        config = self._config.replace(dangerous_disable_verification=True)
        try:
            await self._take_tickets(config)
            link = await open_link(self._target, config)
            resumed = report.facts(link.connection)["resumed"]
            await close(link)
        except (TLSError, OSError):
            return Finding("resumption", NOTE, "could not be found out")
        if not resumed:
            return Finding(
                "resumption",
                NOTE,
                "sessions are not resumed",
                "Every connection costs the full handshake: certificates, signatures, and more "
                "bytes.",
            )
        return Finding("resumption", GOOD, "sessions are resumed")

    async def _take_tickets(self, config: ClientConfig) -> None:
        """One connection, as long as it takes for tickets to arrive."""
        link = await open_link(self._target, config)
        try:
            async with asyncio.timeout(TICKET_WAIT):
                await link.reader.read(1)
        except TimeoutError:
            pass
        finally:
            await close(link)

    async def _early_data(self) -> Finding:
        """RFC 8446, section 4.6.1: a ticket says how much; that it is taken, only sending shows."""
        cache = _Kept()
        config = self._blind.replace(min_version=ProtocolVersion.TLSv1_3, session_cache=cache)
        try:
            await self._take_tickets(config)
        except (TLSError, OSError):
            return Finding("0-RTT", NOTE, "could not be found out")
        if not cache.sessions:
            return Finding("0-RTT", GOOD, "not offered: no ticket came")
        limit = max(session.max_early_data for session in cache.sessions)
        if not limit:
            return Finding("0-RTT", GOOD, "not offered: its tickets allow no early data")
        return Finding(
            "0-RTT",
            NOTE,
            f"its tickets allow {limit} bytes of early data",
            "Whoever records early data can send it again: only requests that may come twice are "
            "safe in it. Whether the server takes it, and takes it once, is not tried here.",
        )

    async def _encrypted_hello(self) -> Finding:
        """RFC 9849, section 7.1: who has keys answers what it cannot decrypt with its configs."""
        if self._ech is not None:
            return await self._given_keys()
        answer = _RetryConfigs()
        config = self._blind.replace(
            min_version=ProtocolVersion.TLSv1_3, grease_ech=True, observer=answer
        )
        try:
            link = await open_link(self._target, config)
        except (TLSError, OSError) as error:
            return Finding(
                "ECH",
                NOTE,
                f"a made-up Encrypted Client Hello ends the handshake: {error}",
                "Browsers send one to every server; servers are to pass over what they do not know "
                "(RFC 9849, section 6.2).",
            )
        await close(link)
        if answer.value is None:
            return Finding(
                "ECH",
                GOOD,
                "no keys for Encrypted Client Hello were shown; a server that keeps them behind "
                "another name, or in DNS alone, looks the same",
            )
        configs = parse_config_list(answer.value)  # what is malformed has ended the handshake
        names = sorted({config.public_name for config in configs if config.usable})
        return Finding(
            "ECH",
            GOOD,
            f"the server has keys: {len(configs)} in its answer to a made-up Encrypted Client "
            f"Hello, for the public name {', '.join(names) or '(none that is usable)'}; whether "
            "DNS publishes the same is not looked at",
        )

    async def _given_keys(self) -> Finding:
        """With --ech, whether those keys are the server's."""
        config = self._blind.replace(ech=self._ech, min_version=ProtocolVersion.TLSv1_3)
        try:
            link = await open_link(self._target, config)
        except ECHRejected as error:
            current = "sent newer ones" if error.retry_configs else "has none to offer"
            return Finding(
                "ECH",
                BAD,
                f"the server does not decrypt with the keys of --ech, and {current}",
                "Clients that have the old keys need one more connection, or cannot connect.",
            )
        except (TLSError, OSError) as error:
            return Finding("ECH", BAD, f"the handshake with the keys of --ech fails: {error}")
        await close(link)
        return Finding("ECH", GOOD, "the server decrypts with the keys of --ech")


class _Kept:
    """A session cache that keeps what it is given, and gives nothing back."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def put(self, key: bytes, session: Session) -> None:
        del self.sessions[: -MOST_TICKETS + 1]
        self.sessions.append(session)

    def take(self, key: bytes) -> Session | None:
        return None


class _RetryConfigs:
    """An observer that keeps what the server answers to an encrypted_client_hello."""

    value: bytes | None = None

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        if not sent and kind == HandshakeType.ENCRYPTED_EXTENSIONS:
            try:
                extensions = EncryptedExtensions.parse(data[4:]).extensions
            except DecodeError:
                return  # the handshake ends by itself
            self.value = extensions.get(ext.ENCRYPTED_CLIENT_HELLO)


def _versions(new: bool, old: bool) -> Finding:
    if new and old:
        return Finding("versions", GOOD, "TLS 1.3, TLS 1.2")
    if new:
        return Finding("versions", GOOD, "TLS 1.3 only")
    return Finding(
        "versions",
        NOTE,
        "TLS 1.2 only",
        "TLS 1.3 takes a round trip less, hides certificates from those who listen, and has room "
        "for post-quantum key exchange.",
    )
