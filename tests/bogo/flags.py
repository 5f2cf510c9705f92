"""The shim's command line: the runner's flags, as far as aiotls has what they ask for.

A flag that stands in no table here, or with a value that asks for something aiotls does not
have, raises :exc:`Unimplemented`: the case then counts as unimplemented and not as passed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


class Unimplemented(Exception):
    """The case asks for something that aiotls, or this shim, does not have."""


@dataclass
class Credential:
    """One certificate, its key, and what goes with them; or a key alone, or one shared."""

    kind: str = "x509"
    cert_file: str = ""
    key_file: str = ""
    signing_prefs: list[int] = field(default_factory=list)
    ocsp_response: bytes = b""
    signed_cert_timestamps: bytes = b""
    must_match_issuer: bool = False
    delegated_credential: bytes = b""
    psk_importer_key: bytes = b""
    psk_importer_identity: bytes = b""
    psk_importer_context: bytes = b""
    psk_importer_hash: str = "sha256"

    @property
    def given(self) -> bool:
        return bool(self.cert_file or self.key_file)


@dataclass
class Options:
    """What one connection is to be, and what is expected of it."""

    server: bool = False
    ipv6: bool = False
    port: int = 0
    shim_id: int = 0
    resume_count: int = 0

    # -- how the connection is driven
    use_async: bool = False
    implicit_handshake: bool = False
    handshake_twice: bool = False
    no_op_extra_handshake: bool = False
    handshake_never_done: bool = False
    shim_writes_first: bool = False
    shim_initial_write: str = "hello"
    repeat_shim_initial_write: int = 1
    read_with_unfinished_write: bool = False
    write_different_record_sizes: bool = False
    shim_shuts_down: bool = False
    check_close_notify: bool = False
    send_alert: bool = False
    read_size: int = 512
    peek_then_read: bool = False
    key_update: bool = False
    key_update_before_read: bool = False
    export_keying_material: int = 0
    export_label: str = ""
    export_context: str = ""
    use_export_context: bool = False
    use_exporter_between_reads: bool = False
    export_traffic_secrets: bool = False
    tls_unique: bool = False

    # -- Encrypted Client Hello
    ech_config_list: bytes = b""
    ech_server_configs: list[bytes] = field(default_factory=list)
    ech_server_keys: list[bytes] = field(default_factory=list)
    ech_is_retry_configs: list[int] = field(default_factory=list)
    enable_ech_grease: bool = False
    reject_unusable_ech_config: bool = False
    expect_ech_accept: bool = False
    expect_ech_retry_configs: bytes = b""
    expect_no_ech_retry_configs: bool = False
    expect_ech_name_override: str = ""
    expect_no_ech_name_override: bool = False

    # -- what is configured
    min_version: int = 0x0301
    max_version: int = 0x0304
    no_tls1: bool = False
    no_tls11: bool = False
    no_tls12: bool = False
    no_tls13: bool = False
    cipher: str = ""
    server_preference: bool = False
    curves: list[int] = field(default_factory=list)
    key_shares: list[int] | None = None
    verify_prefs: list[int] = field(default_factory=list)
    credential: Credential = field(default_factory=Credential)
    credentials: list[Credential] = field(default_factory=list)
    trust_cert: str = ""
    host_name: str = ""
    advertise_alpn: str = ""
    select_alpn: str = ""
    decline_alpn: bool = False
    reject_alpn: bool = False
    verify_peer: bool = False
    require_any_client_certificate: bool = False
    use_custom_verify_callback: bool = False
    verify_fail: bool = False
    use_early_callback: bool = False
    fail_early_callback: bool = False
    use_old_client_cert_callback: bool = False
    fail_cert_callback: bool = False
    install_ddos_callback: bool = False
    fail_ddos_callback: bool = False
    enable_grease: bool = False
    no_legacy_server_connect: bool = False
    max_cert_list: int = 0
    max_send_fragment: int = 0
    use_client_ca_list: str = ""
    install_cert_compression_algs: bool = False
    install_one_cert_compression_alg: int = 0
    no_ticket: bool = False
    skip_ticket: bool = False
    resumption_delay: int = 0
    enable_early_data: bool = False
    use_ticket_callback: bool = False
    use_ticket_aead_callback: bool = False
    enable_ocsp_stapling: bool = False
    enable_signed_cert_timestamps: bool = False
    use_ocsp_callback: bool = False
    set_ocsp_in_callback: bool = False
    decline_ocsp_callback: bool = False
    fail_ocsp_callback: bool = False
    permute_extensions: bool = False
    reverify_on_resume: bool = False
    accepted_peer_cert_types: list[int] = field(default_factory=list)
    available_client_cert_types: list[int] = field(default_factory=list)

    # -- what is expected; each is checked
    expect_version: int = 0
    expect_cipher: int = 0
    expect_cipher_aes: int = 0
    expect_extended_master_secret: bool = False
    expect_curve_id: int = 0
    expect_hrr: bool = False
    expect_no_hrr: bool = False
    expect_peer_signature_algorithm: int = 0
    expect_peer_verify_pref: list[int] = field(default_factory=list)
    expect_peer_cert_file: str = ""
    expect_no_peer_cert: bool = False
    expect_server_name: str = ""
    expect_no_server_name: bool = False
    expect_msg_callback: str = ""
    expect_certificate_types: bytes = b""
    expect_alpn: str = ""
    expect_advertised_alpn: str = ""
    expect_client_ca_list: str = ""
    expect_selected_credential: int | None = None
    expect_session_miss: bool = False
    expect_no_session: bool = False
    expect_ticket_supports_early_data: bool = False
    expect_verify_result: bool = False
    expect_ticket_renewal: bool = False
    expect_session_id: bool = False
    expect_no_session_id: bool = False
    expect_accept_early_data: bool = False
    expect_reject_early_data: bool = False
    expect_no_offer_early_data: bool = False
    expect_early_data_reason: str = ""
    expect_ocsp_response: bytes = b""
    expect_signed_cert_timestamps: bytes = b""
    expect_peer_certificate_type: int | None = None
    expect_peer_rpk_sha256: bytes = b""

    @property
    def target(self) -> Credential:
        """The credential that the flags of a credential speak of."""
        return self.credentials[-1] if self.credentials else self.credential


def _text(value: str) -> str:
    return value


def _number(value: str) -> int:
    return int(value)


def _binary(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Unimplemented(f"{value!r} is not base64") from error


_SWITCHES = """
    server ipv6 implicit-handshake handshake-twice no-op-extra-handshake handshake-never-done
    shim-writes-first read-with-unfinished-write write-different-record-sizes shim-shuts-down
    check-close-notify send-alert key-update key-update-before-read use-export-context
    use-exporter-between-reads export-traffic-secrets tls-unique no-tls1 no-tls11 no-tls12
    no-tls13 server-preference decline-alpn reject-alpn verify-peer
    require-any-client-certificate use-custom-verify-callback verify-fail use-early-callback
    fail-early-callback use-old-client-cert-callback fail-cert-callback install-ddos-callback
    fail-ddos-callback enable-grease no-ticket expect-hrr expect-no-hrr expect-no-peer-cert
    expect-no-server-name expect-session-miss expect-no-session
    expect-ticket-supports-early-data expect-verify-result enable-early-data
    expect-extended-master-secret expect-ticket-renewal expect-accept-early-data
    expect-reject-early-data expect-no-offer-early-data use-ticket-callback
    use-ticket-aead-callback skip-ticket expect-session-id peek-then-read
    no-legacy-server-connect install-cert-compression-algs
    enable-ocsp-stapling enable-signed-cert-timestamps
    use-ocsp-callback set-ocsp-in-callback decline-ocsp-callback fail-ocsp-callback
    permute-extensions expect-no-session-id reverify-on-resume
    enable-ech-grease reject-unusable-ech-config expect-ech-accept expect-no-ech-retry-configs
    expect-no-ech-name-override
""".split()

_VALUES: dict[str, Callable[[str], Any]] = {
    "ech-config-list": _binary,
    "expect-ech-retry-configs": _binary,
    "expect-ech-name-override": _text,
    "port": _number,
    "shim-id": _number,
    "resume-count": _number,
    "shim-initial-write": _text,
    "repeat-shim-initial-write": _number,
    "read-size": _number,
    "max-cert-list": _number,
    "max-send-fragment": _number,
    "use-client-ca-list": _text,
    "install-one-cert-compression-alg": _number,
    "export-keying-material": _number,
    "export-label": _text,
    "export-context": _text,
    "min-version": _number,
    "max-version": _number,
    "cipher": _text,
    "trust-cert": _text,
    "host-name": _text,
    "advertise-alpn": _text,
    "select-alpn": _text,
    "resumption-delay": _number,
    "expect-version": _number,
    "expect-cipher": _number,
    "expect-cipher-aes": _number,
    "expect-early-data-reason": _text,
    "expect-curve-id": _number,
    "expect-peer-signature-algorithm": _number,
    "expect-peer-cert-file": _text,
    "expect-server-name": _text,
    "expect-msg-callback": _text,
    "expect-certificate-types": _binary,
    "expect-alpn": _text,
    "expect-advertised-alpn": _text,
    "expect-client-ca-list": _text,
    "expect-selected-credential": _number,
    "expect-ocsp-response": _binary,
    "expect-signed-cert-timestamps": _binary,
    "expect-peer-certificate-type": _number,
    "expect-peer-rpk-sha256": _binary,
}

_LISTS = (
    "curves",
    "verify-prefs",
    "expect-peer-verify-pref",
    "accepted-peer-cert-types",
    "available-client-cert-types",
)

_CREDENTIAL_VALUES: dict[str, Callable[[str], Any]] = {
    "cert-file": _text,
    "key-file": _text,
    "ocsp-response": _binary,
    "signed-cert-timestamps": _binary,
    "delegated-credential": _binary,
    "psk-importer-key": _binary,
    "psk-importer-identity": _binary,
    "psk-importer-context": _binary,
}


def _set(name: str, value: Any) -> Callable[[Options, str], None]:
    def apply(options: Options, _: str) -> None:
        setattr(options, name, value)

    return apply


def _take(name: str, convert: Callable[[str], Any]) -> Callable[[Options, str], None]:
    def apply(options: Options, value: str) -> None:
        setattr(options, name, convert(value))

    return apply


def _append(name: str) -> Callable[[Options, str], None]:
    def apply(options: Options, value: str) -> None:
        getattr(options, name).append(int(value))

    return apply


def _collect(name: str, convert: Callable[[str], Any]) -> Callable[[Options, str], None]:
    def apply(options: Options, value: str) -> None:
        getattr(options, name).append(convert(value))

    return apply


def _credential(name: str, convert: Callable[[str], Any]) -> Callable[[Options, str], None]:
    def apply(options: Options, value: str) -> None:
        setattr(options.target, name, convert(value))

    return apply


def _new_credential(kind: str) -> Callable[[Options, str], None]:
    def apply(options: Options, _: str) -> None:
        options.credentials.append(Credential(kind))

    return apply


def _psk_hash(name: str) -> Callable[[Options, str], None]:
    def apply(options: Options, _: str) -> None:
        options.target.psk_importer_hash = name

    return apply


def _signing_pref(options: Options, value: str) -> None:
    options.target.signing_prefs.append(int(value))


def _must_match_issuer(options: Options, _: str) -> None:
    options.target.must_match_issuer = True


def _key_share(options: Options, value: str) -> None:
    options.key_shares = [*(options.key_shares or ()), int(value)]


def _no_key_shares(options: Options, _: str) -> None:
    options.key_shares = []


def _nothing(options: Options, value: str) -> None:
    """What is so anyway: renegotiation is never taken up, a session that is resumed gets another
    ticket, hints come from another process that there is not, and AES is preferred whatever the
    processor has.
    """


def _no_renegotiations(options: Options, value: str) -> None:
    if int(value):
        raise Unimplemented("renegotiation is not spoken")


def _field(name: str) -> str:
    return name.replace("-", "_")


def _table() -> dict[str, tuple[int, Callable[[Options, str], None]]]:
    """Each flag: how many values it takes, and what it does."""
    table: dict[str, tuple[int, Callable[[Options, str], None]]] = {}
    for name in _SWITCHES:
        table["-" + name] = 0, _set(_field(name), True)
    for name, convert in _VALUES.items():
        table["-" + name] = 1, _take(_field(name), convert)
    for name in _LISTS:
        table["-" + name] = 1, _append(_field(name))
    for name, convert in _CREDENTIAL_VALUES.items():
        table["-" + name] = 1, _credential(_field(name), convert)
    table["-async"] = 0, _set("use_async", True)
    for kind in ("x509", "rpk", "psk", "delegated"):
        table[f"-new-{kind}-credential"] = 0, _new_credential(kind)
    for name in ("sha256", "sha384"):
        table[f"-psk-importer-{name}"] = 0, _psk_hash(name)
    table["-signing-prefs"] = 1, _signing_pref
    table["-must-match-issuer"] = 0, _must_match_issuer
    table["-key-shares"] = 1, _key_share
    table["-ech-server-config"] = 1, _collect("ech_server_configs", _binary)
    table["-ech-server-key"] = 1, _collect("ech_server_keys", _binary)
    table["-ech-is-retry-config"] = 1, _collect("ech_is_retry_configs", _number)
    table["-no-key-shares"] = 0, _no_key_shares
    table["-allow-hint-mismatch"] = 0, _nothing
    table["-renegotiate-ignore"] = 0, _nothing
    table["-expect-total-renegotiations"] = 1, _no_renegotiations
    table["-renew-ticket"] = 0, _nothing
    table["-expect-cipher-no-aes"] = 1, _nothing
    return table


FLAGS = _table()

_PHASES = ("-on-initial", "-on-resume", "-on-retry")


def parse(arguments: Sequence[str]) -> tuple[Options, Options, Options]:
    """The options of the first connection, of the resumed ones, and of a retry after 0-RTT."""
    phases = Options(), Options(), Options()
    rest = iter(arguments)
    for argument in rest:
        name = argument
        skipped = name.startswith("-on-handshaker-")  # a second process that there is not
        for prefix in ("-on-handshaker", "-on-shim"):
            name = name.removeprefix(prefix) if name.startswith(prefix + "-") else name
        targets: tuple[Options, ...] = phases
        for index, prefix in enumerate(_PHASES):
            if name.startswith(prefix + "-"):
                name = name.removeprefix(prefix)
                targets = (phases[index],)
        if name not in FLAGS:
            raise Unimplemented(f"the flag {argument} is not known")
        count, apply = FLAGS[name]
        value = next(rest, None) if count else ""
        if value is None:
            raise Unimplemented(f"the flag {argument} lacks its value")
        if not skipped:
            for options in targets:
                apply(options, value)
    return phases
