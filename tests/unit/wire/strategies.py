"""Well-formed values of every extension and message, as hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from aiotls.wire import extensions as ext
from aiotls.wire import messages as msg
from aiotls.wire.extensions import Context, Extension, Extensions

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u24 = st.integers(0, 0xFFFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
opaque = st.binary(max_size=40)
filled = st.binary(min_size=1, max_size=40)


def some(elements: st.SearchStrategy[Any], minimum: int = 1, **kwargs: Any) -> Any:
    """Tuples of a few elements."""
    return st.lists(elements, min_size=minimum, max_size=5, **kwargs).map(tuple)


def unique(elements: st.SearchStrategy[Any], key: Any) -> Any:
    """Tuples in which no two elements share a key."""
    return some(elements, 0, unique_by=key)


u16s = some(u16)
u8s = some(u8)
host_names = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255
)
key_share_entries = st.builds(ext.KeyShareEntry, u16, filled)
psk_identities = st.builds(ext.PskIdentity, filled, u32)
binders = st.binary(min_size=32, max_size=48)
offered_psks = some(st.tuples(psk_identities, binders)).map(
    lambda pairs: ext.OfferedPsks(tuple(i for i, _ in pairs), tuple(b for _, b in pairs))
)
status_requests = st.one_of(
    st.builds(ext.StatusRequest, some(filled, 0), opaque),
    st.builds(ext.StatusRequest, status_type=st.integers(2, 255), unknown=opaque),
)
oid_filters = unique(st.builds(ext.OidFilter, filled, opaque), lambda entry: entry.oid)

VALUES: dict[Extension[Any], st.SearchStrategy[Any]] = {
    ext.SERVER_NAME: host_names,
    ext.SERVER_NAME_ACK: st.just(True),
    ext.MAX_FRAGMENT_LENGTH: st.integers(1, 4),
    ext.STATUS_REQUEST: status_requests,
    ext.STATUS_REQUEST_EMPTY: st.just(True),
    ext.CERTIFICATE_STATUS: filled,
    ext.SUPPORTED_GROUPS: u16s,
    ext.EC_POINT_FORMATS: u8s,
    ext.SIGNATURE_ALGORITHMS: u16s,
    ext.SIGNATURE_ALGORITHMS_CERT: u16s,
    ext.ALPN: some(filled),
    ext.ALPN_SELECTED: filled,
    ext.SIGNED_CERTIFICATE_TIMESTAMP_REQUEST: st.just(True),
    ext.SIGNED_CERTIFICATE_TIMESTAMPS: some(filled),
    ext.CLIENT_CERTIFICATE_TYPE: u8s,
    ext.CLIENT_CERTIFICATE_TYPE_SELECTED: u8,
    ext.SERVER_CERTIFICATE_TYPE: u8s,
    ext.SERVER_CERTIFICATE_TYPE_SELECTED: u8,
    ext.PADDING: opaque,
    ext.EXTENDED_MASTER_SECRET: st.just(True),
    ext.COMPRESS_CERTIFICATE: u16s,
    ext.RECORD_SIZE_LIMIT: st.integers(64, 0xFFFF),
    ext.DELEGATED_CREDENTIAL: u16s,
    ext.DELEGATED_CREDENTIAL_CERTIFICATE: opaque,
    ext.SESSION_TICKET: opaque,
    ext.PRE_SHARED_KEY: offered_psks,
    ext.PRE_SHARED_KEY_SELECTED: u16,
    ext.EARLY_DATA: st.just(True),
    ext.EARLY_DATA_LIMIT: u32,
    ext.SUPPORTED_VERSIONS: u16s,
    ext.SELECTED_VERSION: st.integers(0x0304, 0xFFFF),
    ext.COOKIE: filled,
    ext.PSK_KEY_EXCHANGE_MODES: u8s,
    ext.CERTIFICATE_AUTHORITIES: some(filled),
    ext.OID_FILTERS: oid_filters,
    ext.POST_HANDSHAKE_AUTH: st.just(True),
    ext.KEY_SHARE: unique(key_share_entries, lambda entry: entry.group),
    ext.KEY_SHARE_SERVER: key_share_entries,
    ext.KEY_SHARE_RETRY: u16,
    ext.ENCRYPTED_CLIENT_HELLO: opaque,
    ext.RENEGOTIATION_INFO: opaque,
}

ROWS = list(VALUES)
ROW_NAMES = {row: name for name, row in vars(ext).items() if isinstance(row, Extension)}

OPAQUE = {
    ext.PADDING,
    ext.SESSION_TICKET,
    ext.DELEGATED_CREDENTIAL_CERTIFICATE,
    ext.ENCRYPTED_CLIENT_HELLO,
}
"""Their value is the whole extension_data, so anything at all is one."""

unknown_types = u16.filter(lambda kind: kind not in ext.KNOWN_TYPES)


@st.composite
def extensions(draw: st.DrawFn, context: Context, *required: Extension[Any]) -> Extensions:
    """A block as it may stand in the message *context*."""
    allowed = [row for row in ROWS if context in row.contexts and row not in required]
    if context is Context.SERVER_HELLO_12:
        allowed = [row for row in allowed if row is not ext.SELECTED_VERSION]
    if not allowed:
        chosen = []
    else:
        chosen = draw(st.lists(st.sampled_from(allowed), max_size=6, unique=True))
    rows: list[tuple[Any, Any]] = [(row, draw(VALUES[row])) for row in (*required, *chosen)]
    for kind in draw(st.lists(unknown_types, max_size=2, unique=True)):
        rows.insert(draw(st.integers(0, len(rows))), (kind, draw(opaque)))
    # RFC 8446, section 4.2.11: pre_shared_key is the last one of a ClientHello.
    rows.sort(key=lambda pair: pair[0] is ext.PRE_SHARED_KEY)
    return Extensions.build(rows)


session_ids = st.binary(max_size=32)
randoms = st.binary(min_size=32, max_size=32)
certificate_entries = st.builds(msg.CertificateEntry, filled, extensions(Context.CERTIFICATE))

client_hellos = st.builds(
    msg.ClientHello,
    randoms,
    session_ids,
    u16s,
    filled,
    extensions(Context.CLIENT_HELLO),
    u16,
)
server_hellos = st.one_of(
    st.builds(
        msg.ServerHello,
        randoms,
        session_ids,
        u16,
        extensions(Context.SERVER_HELLO, ext.SELECTED_VERSION),
        u16,
        u8,
    ),
    st.builds(
        msg.ServerHello,
        st.just(msg.HELLO_RETRY_REQUEST_RANDOM),
        session_ids,
        u16,
        extensions(Context.HELLO_RETRY_REQUEST, ext.SELECTED_VERSION),
    ),
    st.builds(
        msg.ServerHello, randoms, session_ids, u16, extensions(Context.SERVER_HELLO_12), u16, u8
    ),
)

MESSAGES: dict[type[msg.Message], st.SearchStrategy[Any]] = {
    msg.ClientHello: client_hellos,
    msg.ServerHello: server_hellos,
    msg.EncryptedExtensions: st.builds(
        msg.EncryptedExtensions, extensions(Context.ENCRYPTED_EXTENSIONS)
    ),
    msg.CertificateRequest: st.builds(
        msg.CertificateRequest, opaque, extensions(Context.CERTIFICATE_REQUEST)
    ),
    msg.Certificate: st.builds(msg.Certificate, opaque, some(certificate_entries, 0)),
    msg.CompressedCertificate: st.builds(msg.CompressedCertificate, u16, u24, filled),
    msg.CertificateVerify: st.builds(msg.CertificateVerify, u16, opaque),
    msg.Finished: st.builds(
        msg.Finished,
        st.sampled_from([12, 32, 48]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    ),
    msg.EndOfEarlyData: st.builds(msg.EndOfEarlyData),
    msg.NewSessionTicket: st.builds(
        msg.NewSessionTicket, u32, u32, opaque, filled, extensions(Context.NEW_SESSION_TICKET)
    ),
    msg.KeyUpdate: st.builds(msg.KeyUpdate, st.integers(0, 1)),
    msg.HelloRequest: st.builds(msg.HelloRequest),
    msg.Certificate12: st.builds(msg.Certificate12, some(filled, 0)),
    msg.RawPublicKey12: st.builds(msg.RawPublicKey12, st.binary(max_size=100)),
    msg.CertificateStatus: st.builds(msg.CertificateStatus, filled),
    msg.ServerKeyExchange: st.builds(msg.ServerKeyExchange, u16, filled, u16, opaque),
    msg.CertificateRequest12: st.builds(msg.CertificateRequest12, filled, u16s, some(filled, 0)),
    msg.ServerHelloDone: st.builds(msg.ServerHelloDone),
    msg.ClientKeyExchange: st.builds(msg.ClientKeyExchange, filled),
    msg.NewSessionTicket12: st.builds(msg.NewSessionTicket12, u32, opaque),
}
