"""What can be set on a context: honoured, or refused at once with an ``ssl.SSLError``.

The names and rules are those of ``ssl.SSLContext``; what they come to is a Settings object, of
which settings.py makes the configuration of a connection.
"""

from __future__ import annotations

import contextlib
import operator
import os
import ssl
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ..crypto.groups import GROUPS
from ..crypto.suites import TLS13_SUITES
from ..enums import CipherSuite, NamedGroup, ProtocolVersion
from ..identity import Identity
from ..keylog import KeyLogFile
from ..trust.certificates import pem_blocks
from . import ciphers
from .anchors import Anchors, read
from .credentials import load_identity
from .errors import failure, refusal
from .settings import Settings

_OP_NO_SSLv3 = 0x02000000
DEFAULT_OPTIONS = (
    ssl.OP_ALL
    | _OP_NO_SSLv3
    | ssl.OP_NO_COMPRESSION
    | ssl.OP_CIPHER_SERVER_PREFERENCE
    | ssl.OP_SINGLE_DH_USE
    | ssl.OP_SINGLE_ECDH_USE
    | ssl.OP_ENABLE_MIDDLEBOX_COMPAT
)
_OP_NO_VERSIONS = (
    _OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
)
_CURVES = {
    "prime256v1": NamedGroup.SECP256R1,
    "P-256": NamedGroup.SECP256R1,
    "P-384": NamedGroup.SECP384R1,
    "P-521": NamedGroup.SECP521R1,
}


class ContextProperties(ssl.SSLContext):
    """The settings of an :class:`aiotls.ssl.SSLContext`, which inherits from this."""

    _settings: Settings
    _protocol: Any
    _bounds: dict[str, ssl.TLSVersion]
    _counters: dict[str, int]
    _servername_callback: Callable[..., Any] | None
    _message_callback: Callable[..., Any] | None
    _flags_for_names: int

    # -- versions and options ------------------------------------------------------------------

    @property
    def protocol(self) -> Any:  # type: ignore[override]
        """What the context was made for: ``ssl.PROTOCOL_TLS_CLIENT``, …"""
        return self._protocol

    @property  # type: ignore[override]
    def minimum_version(self) -> ssl.TLSVersion:
        """The oldest version to speak; nothing below TLS 1.2 is spoken."""
        return self._bounds["minimum"]

    @minimum_version.setter
    def minimum_version(self, value: ssl.TLSVersion) -> None:
        self._set_bound("minimum", value)

    @property  # type: ignore[override]
    def maximum_version(self) -> ssl.TLSVersion:
        """The newest version to speak."""
        return self._bounds["maximum"]

    @maximum_version.setter
    def maximum_version(self, value: ssl.TLSVersion) -> None:
        self._set_bound("maximum", value)

    def _set_bound(self, which: str, value: int) -> None:
        if self._protocol == ssl.PROTOCOL_TLSv1_2:
            raise ValueError(
                "The context's protocol doesn't support modification of highest and lowest version."
            )
        value = operator.index(value)
        try:
            version = ssl.TLSVersion(value)
        except ValueError:
            raise ValueError(f"Unsupported TLS/SSL version {value:#x}") from None
        if version in (ssl.TLSVersion.SSLv3, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            raise refusal(
                f"{which}_version = {version.name} cannot be honoured: this engine speaks TLS 1.2 "
                "and TLS 1.3",
                f"Use {which}_version = ssl.TLSVersion.TLSv1_2.",
            )
        resolved = {
            ssl.TLSVersion.MINIMUM_SUPPORTED: ProtocolVersion.TLSv1_2,
            ssl.TLSVersion.MAXIMUM_SUPPORTED: ProtocolVersion.TLSv1_3,
        }.get(version)
        setattr(self._settings, which, resolved or ProtocolVersion(version))
        self._bounds[which] = version
        self._settings.changed()

    @property
    def options(self) -> ssl.Options:
        """OpenSSL's SSL_OP_… bits; those that mean nothing here are kept."""
        return ssl.Options(self._settings.options)

    @options.setter
    def options(self, value: int) -> None:
        value = operator.index(value)
        if not 0 <= value < 1 << 64:
            raise OverflowError("options is a number of 64 bits")
        if value & ~self._settings.options & _OP_NO_VERSIONS:
            warn_deprecated("ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated")
        self._settings.options = value
        self._settings.changed()

    # -- verification --------------------------------------------------------------------------

    @property  # type: ignore[override]
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether the peer needs a certificate, and whether it is verified."""
        return self._settings.verify_mode

    @verify_mode.setter
    def verify_mode(self, value: ssl.VerifyMode) -> None:
        try:
            mode = ssl.VerifyMode(operator.index(value))
        except ValueError:
            raise ValueError("invalid value for verify_mode") from None
        if mode == ssl.CERT_NONE and self._settings.check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._settings.verify_mode = mode
        self._settings.changed()

    @property
    def check_hostname(self) -> bool:
        """Whether the server's certificate has to carry the name that was asked for."""
        return self._settings.check_hostname

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        self._settings.check_hostname = bool(value)
        if value and self._settings.verify_mode == ssl.CERT_NONE:
            self._settings.verify_mode = ssl.CERT_REQUIRED
        self._settings.changed()

    @property  # type: ignore[override]
    def verify_flags(self) -> ssl.VerifyFlags:
        """How certificates are verified: revocation lists, partial chains, strictness."""
        return ssl.VerifyFlags(self._settings.verify_flags)

    @verify_flags.setter
    def verify_flags(self, value: ssl.VerifyFlags) -> None:
        flags = operator.index(value)
        if flags & ssl.VERIFY_ALLOW_PROXY_CERTS:
            raise refusal(
                "VERIFY_ALLOW_PROXY_CERTS cannot be honoured: proxy certificates are not verified",
                "Leave the flag out of verify_flags.",
            )
        self._settings.verify_flags = flags
        self._settings.changed(trust=True)

    @property
    def hostname_checks_common_name(self) -> bool:
        """False: a name counts only as a subjectAltName (RFC 9525, section 2)."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: bool) -> None:
        if value:
            raise refusal(
                "hostname_checks_common_name cannot be honoured: common names are not host names",
                "Have the certificate issued with a subjectAltName.",
            )

    @property
    def _host_flags(self) -> int:
        return self._flags_for_names

    @_host_flags.setter
    def _host_flags(self, value: int) -> None:
        self._flags_for_names = int(value)

    def load_verify_locations(  # type: ignore[override]
        self,
        cafile: str | bytes | os.PathLike[Any] | None = None,
        capath: str | bytes | os.PathLike[Any] | None = None,
        cadata: str | bytes | bytearray | memoryview | None = None,
    ) -> None:
        """Loads certificates to believe, and revocation lists (from PEM).

        A directory is read when it is first needed, as with OpenSSL. What is wrong with a file
        is an OSError or an ``ssl.SSLError``, and then nothing was loaded.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        for path, name in ((cafile, "cafile"), (capath, "capath")):
            if path is not None and not isinstance(path, (str, bytes, os.PathLike)):
                raise TypeError(f"{name} should be a valid filesystem path")
        if cadata is not None and not isinstance(cadata, (str, bytes, bytearray, memoryview)):
            raise TypeError("cadata should be an ASCII string or a bytes-like object")
        anchors = self._settings.anchors.copy()
        if cadata is not None:
            anchors.load_data(cadata)
        if cafile is not None:
            anchors.load_file(cafile)
        if capath is not None:
            anchors.load_directory(capath)
        self._replace_anchors(anchors)

    def set_default_verify_paths(self) -> None:
        """The system's anchors count as well; they are read when they are first needed."""
        anchors = self._settings.anchors.copy()
        anchors.system = True
        cafile = ssl.get_default_verify_paths().cafile
        if cafile is not None:
            with contextlib.suppress(OSError, ssl.SSLError):
                anchors.load_file(cafile)
        self._replace_anchors(anchors)

    def load_default_certs(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        """The system's anchors count as well."""
        if not isinstance(purpose, ssl._ASN1Object):
            raise TypeError(purpose)
        self.set_default_verify_paths()

    def _replace_anchors(self, anchors: Anchors) -> None:
        self._settings.anchors = anchors
        self._settings.changed(trust=True)

    def cert_store_stats(self) -> dict[str, int]:
        """How many certificates and revocation lists were loaded; directories do not count."""
        return self._settings.anchors.statistics()

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """The authorities' certificates that were loaded, as dicts or in DER."""
        return self._settings.anchors.authorities(binary_form)

    # -- our own certificate -------------------------------------------------------------------

    def load_cert_chain(
        self,
        certfile: str | bytes | os.PathLike[Any],
        keyfile: str | bytes | os.PathLike[Any] | None = None,
        password: Any = None,
    ) -> None:
        """Loads a certificate chain and its private key from PEM files.

        A second one of another kind of key stands beside the first; of the same kind, it takes
        its place.
        """
        self.load_identity(load_identity(certfile, keyfile, password))

    def load_cert_chain_data(
        self, chain: bytes | str, key: bytes | str | None = None, password: Any = None
    ) -> None:
        """As :meth:`load_cert_chain`, from PEM at hand instead of files."""
        chain = chain.encode() if isinstance(chain, str) else bytes(chain)
        key = key.encode() if isinstance(key, str) else key
        self.load_identity(load_identity(chain, key, password, data=True))

    def load_identity(self, identity: Identity) -> None:
        """Takes an :class:`aiotls.Identity`: any signer, with its OCSP staple if it has one."""
        if not isinstance(identity, Identity):
            raise TypeError(f"an aiotls.Identity is expected, not {type(identity).__name__}")
        kind = type(identity.certificate.public_key()).__name__
        identities = {k: v for k, v in self._settings.identities.items() if k != kind}
        # The newest first: for a client that can verify either, the last word counts.
        self._settings.identities = {**identities, kind: identity}
        self._settings.changed()

    # -- what to negotiate ---------------------------------------------------------------------

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Chooses among the suites of TLS 1.2, in OpenSSL's words (ciphers(1))."""
        if not isinstance(cipherlist, str):
            raise TypeError(f"argument must be str, not {type(cipherlist).__name__}")
        self._settings.suites12 = ciphers.parse(cipherlist)
        self._settings.changed()

    def get_ciphers(self) -> list[Any]:
        """The suites in order of preference, as dicts."""
        codes: list[CipherSuite] = [suite.code for suite in TLS13_SUITES]
        return [ciphers.describe(code) for code in (*codes, *self._settings.suites12)]

    @property
    def security_level(self) -> int:  # type: ignore[override]
        """OpenSSL's measure of what is refused as too weak: always 2 here."""
        return ciphers.SECURITY_LEVEL

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """The application protocols to offer, in order of preference (RFC 7301)."""
        names = [bytes(protocol, "ascii") for protocol in alpn_protocols]
        for name in names:
            if not 1 <= len(name) <= 255:
                raise refusal("ALPN protocols must be 1 to 255 in length")
        if tuple(names) != self._settings.alpn:  # HTTP clients set the same for each connection
            self._settings.alpn = tuple(names)
            self._settings.changed()

    def _set_alpn_protocols(self, protocols: bytes) -> None:
        names, rest = [], bytes(protocols)
        while rest:
            names.append(rest[1 : 1 + rest[0]].decode("ascii"))
            rest = rest[1 + rest[0] :]
        self.set_alpn_protocols(names)

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """Refused: NPN was replaced by ALPN."""
        raise refusal("NPN cannot be honoured", "Use set_alpn_protocols().")

    def set_ecdh_curve(self, name: str | bytes, /) -> None:
        """Chooses the one group for the key exchange, by OpenSSL's name or IANA's."""
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"expected a name of a curve, not {type(name).__name__}")
        self._settings.groups = (_group(os.fsdecode(name)),)
        self._settings.changed()

    def set_groups(self, groups: str | Iterable[str], /) -> None:
        """Chooses the groups in order of preference: ``"X25519MLKEM768:X25519"``, or a list."""
        names = groups.split(":") if isinstance(groups, str) else list(groups)
        chosen = tuple(dict.fromkeys(_group(name) for name in names))
        if not chosen:
            raise refusal("No group can be selected.")
        self._settings.groups = chosen
        self._settings.changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """The groups in order of preference."""
        return [NamedGroup.label(group) for group in self._settings.groups]

    def load_dh_params(self, path: Any, /) -> None:
        """Refused: key exchange is by elliptic curves and ML-KEM."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            raise TypeError("path should be a valid filesystem path")
        if not any(block.label == "DH PARAMETERS" for block in pem_blocks(read(path, "path"))):
            raise failure("NO_START_LINE", library="PEM", number=108)
        raise refusal(
            "load_dh_params cannot be honoured: this engine has no finite-field key exchange",
            "Leave it out: set_groups() and set_ecdh_curve() choose the key exchange.",
        )

    # -- sessions and tickets ------------------------------------------------------------------

    @property
    def num_tickets(self) -> int:
        """How many TLS 1.3 tickets a client is given."""
        return self._settings.tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        if self._protocol != ssl.PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        value = operator.index(value)
        if value < 0:
            raise ValueError("value must be non-negative")
        if value > 16:
            raise refusal(f"num_tickets = {value} cannot be honoured", "At most 16 are given.")
        self._settings.tickets = value
        self._settings.changed()

    def session_stats(self) -> dict[str, int]:
        """Counts of connections begun, completed and resumed."""
        return dict(self._counters)

    @property
    def post_handshake_auth(self) -> bool:
        """Whether a client answers to a request for its certificate after the handshake.

        On a server: that it is not asked for in the handshake, but by
        ``verify_client_post_handshake()``. TLS 1.3 only (RFC 8446, section 4.6.2): with TLS 1.2 it
        is asked for in the handshake all the same.
        """
        return self._settings.post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: bool) -> None:
        if bool(value) != self._settings.post_handshake_auth:
            self._settings.post_handshake_auth = bool(value)
            self._settings.changed()

    # -- callbacks -----------------------------------------------------------------------------

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """Called with the SSLObject or SSLSocket, the name asked for (or None), and this."""
        return self._servername_callback

    @sni_callback.setter
    def sni_callback(self, value: Callable[..., Any] | None) -> None:
        if self._protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if value is not None and not callable(value):
            raise TypeError("not a callable object")
        self._servername_callback = value

    @property
    def _msg_callback(self) -> Callable[..., Any] | None:
        return self._message_callback

    @_msg_callback.setter
    def _msg_callback(self, value: Callable[..., Any] | None) -> None:
        if value is not None and not callable(value):
            raise TypeError(f"{value} is not callable.")
        self._message_callback = value

    @property
    def keylog_filename(self) -> Any:
        """The file that secrets are logged to, in the NSS key log format; None: no log."""
        log = self._settings.key_log
        return log.path if log is not None else None

    @keylog_filename.setter
    def keylog_filename(self, value: str | os.PathLike[str] | None) -> None:
        log = None
        if value is not None:
            value = os.fspath(value)  # a number would be a file descriptor, which is not ours
            with open(value, "ab") as file:  # for the error that callers expect
                empty = file.tell() == 0
            log = _ContextKeyLog(value)
            if empty:
                log("# TLS secrets log file, generated by aiotls")
        self._settings.key_log = log
        self._settings.changed()

    def set_psk_client_callback(
        self, callback: Callable[[str | None], tuple[str | None, bytes]] | None
    ) -> None:
        """Has a client offer a key agreed on elsewhere: ``callback(None)`` returns name and key."""
        if self._protocol == ssl.PROTOCOL_TLS_SERVER:
            raise refusal("Cannot add PSK client callback to a PROTOCOL_TLS_SERVER context")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        self._settings.psk_client = callback
        self._settings.changed()

    def set_psk_server_callback(
        self, callback: Callable[[str | None], bytes] | None, identity_hint: str | None = None
    ) -> None:
        """Has a server look up a key agreed on elsewhere, by its name; b"" for none."""
        if self._protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise refusal("Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        if identity_hint is not None:
            raise refusal(
                "identity_hint cannot be honoured: TLS 1.3 has none (RFC 8446, section 4.2.11)"
            )
        self._settings.psk_server = callback
        self._settings.changed()


class _ContextKeyLog(KeyLogFile):
    """A key log that is closed when the last context and connection have let it go."""

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # it could not be opened
            self.close()


def warn_deprecated(message: str) -> None:
    """What the standard library deprecates is deprecated; the caller's caller is told."""
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def _group(name: str) -> NamedGroup:
    wanted = name.strip().lower()
    named = {NamedGroup.label(group).lower(): NamedGroup(group) for group in GROUPS}
    named |= {alias.lower(): group for alias, group in _CURVES.items()}
    group = named.get(wanted)
    if group is None:
        raise ValueError(f"unknown elliptic curve name {name!r}")
    return group
