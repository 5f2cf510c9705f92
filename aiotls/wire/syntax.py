"""What stands inside an extension: a pair of functions to read and write each syntax.

Lower bounds of vectors are checked here, as are the rules that need nothing but the
extension itself. Which message may carry which syntax, the table in ``extensions`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..enums import Alert
from ..errors import DecodeError, ProtocolError
from .codec import Reader, Writer

# -- values ----------------------------------------------------------------------------------------


class KeyShareEntry(NamedTuple):
    """RFC 8446, section 4.2.8: a public key, as bytes, of a named group."""

    group: int
    key_exchange: bytes


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """RFC 8446, section 4.2.11: a ticket or an external key's name; the age in ms, obfuscated."""

    identity: bytes
    obfuscated_ticket_age: int = 0


@dataclass(frozen=True, slots=True)
class OfferedPsks:
    """RFC 8446, section 4.2.11: the keys a client offers, and for each a binder."""

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @property
    def binders_length(self) -> int:
        """The size in bytes of the binders list with its length, the end of a ClientHello."""
        return 2 + sum([1 + len(binder) for binder in self.binders])


OCSP = 1
"""CertificateStatusType ocsp (RFC 6066, section 8), the only one in use."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """RFC 6066, section 8: a client's wish for a certificate status.

    For a *status_type* other than :data:`OCSP`, whose syntax nobody knows, *unknown* holds what
    followed it.
    """

    responder_ids: tuple[bytes, ...] = ()
    request_extensions: bytes = b""
    status_type: int = OCSP
    unknown: bytes = b""


@dataclass(frozen=True, slots=True)
class OidFilter:
    """RFC 8446, section 4.2.5: a certificate extension and the values it has to have, in DER."""

    oid: bytes
    values: bytes


# -- syntax that several extensions share ----------------------------------------------------------


def parse_empty(reader: Reader) -> bool:
    """Nothing: the value only says that the extension is present."""
    return True


def write_empty(writer: Writer, value: bool) -> None:
    """Nothing."""


def parse_u16s(reader: Reader) -> tuple[int, ...]:
    """Code points of 16 bits, behind a length of two bytes; at least one."""
    return reader.u16_list(2)


def write_u16s(writer: Writer, value: tuple[int, ...]) -> None:
    """The counterpart of :func:`parse_u16s`."""
    writer.u16_list(2, value)


def parse_u16s_in_u8(reader: Reader) -> tuple[int, ...]:
    """Code points of 16 bits, behind a length of one byte; at least one."""
    return reader.u16_list(1)


def write_u16s_in_u8(writer: Writer, value: tuple[int, ...]) -> None:
    """The counterpart of :func:`parse_u16s_in_u8`."""
    writer.u16_list(1, value)


def parse_u8s(reader: Reader) -> tuple[int, ...]:
    """Code points of 8 bits, behind a length of one byte; at least one."""
    return tuple(reader.vector(1, 1))


def write_u8s(writer: Writer, value: tuple[int, ...]) -> None:
    """The counterpart of :func:`parse_u8s`."""
    writer.vector(1, bytes(value))


# -- names and addresses: RFC 6066, RFC 7301 -------------------------------------------------------


def parse_server_name(reader: Reader) -> str:
    """RFC 6066, section 3: exactly one name, of the type host_name.

    The syntax has room for more, but no other type was ever defined, and a second name of a type
    is forbidden.
    """
    names = reader.block(2, 1)
    if names.u8() != 0:
        raise DecodeError("its name is not of the type host_name")
    name = names.vector(2, 1, 255)  # RFC 1035, section 2.3.4: 255 octets or less
    names.finish()
    # RFC 6066, section 3: ASCII without a trailing dot; IDNs as A-labels. The dot and literal
    # addresses are seen in the field and harm nothing; what is not printable may reach a log.
    if not all(0x21 <= byte <= 0x7E for byte in name):
        raise DecodeError("its name is not printable ASCII")
    return name.decode("ascii")


def write_server_name(writer: Writer, value: str) -> None:
    """RFC 6066, section 3. The name has to be ASCII."""
    name = value.encode("ascii")
    writer.u16(3 + len(name))
    writer.u8(0)
    writer.vector(2, name)


def parse_protocol_names(reader: Reader) -> tuple[bytes, ...]:
    """RFC 7301, section 3.1: ``ProtocolName protocol_name_list<2..2^16-1>``, none empty."""
    return reader.vectors(2, 1, 2)


def write_protocol_names(writer: Writer, value: tuple[bytes, ...]) -> None:
    """RFC 7301, section 3.1."""
    writer.vectors(2, 1, value)


def parse_protocol_name(reader: Reader) -> bytes:
    """RFC 7301, section 3.1: a server's list MUST contain exactly one name."""
    names = parse_protocol_names(reader)
    if len(names) != 1:
        raise DecodeError(f"{len(names)} protocols selected instead of one")
    return names[0]


def write_protocol_name(writer: Writer, value: bytes) -> None:
    """RFC 7301, section 3.1."""
    writer.vectors(2, 1, (value,))


# -- key exchange: RFC 8446, sections 4.2.8 and 4.2.11 ---------------------------------------------


def parse_key_share_entry(reader: Reader) -> KeyShareEntry:
    """RFC 8446, section 4.2.8: ``opaque key_exchange<1..2^16-1>`` behind its group."""
    return KeyShareEntry(reader.u16(), reader.vector(2, 1))


def write_key_share_entry(writer: Writer, value: KeyShareEntry) -> None:
    """RFC 8446, section 4.2.8."""
    writer.u16(value.group)
    writer.vector(2, value.key_exchange)


def parse_key_shares(reader: Reader) -> tuple[KeyShareEntry, ...]:
    """RFC 8446, section 4.2.8: an empty list is legal, and asks for a HelloRetryRequest."""
    block = reader.block(2)
    entries: dict[int, KeyShareEntry] = {}
    while block.remaining:
        entry = parse_key_share_entry(block)
        if entry.group in entries:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client sent two key shares for the same group",
                reason="DUPLICATE_KEY_SHARE",
            )
        entries[entry.group] = entry
    return tuple(entries.values())


def write_key_shares(writer: Writer, value: tuple[KeyShareEntry, ...]) -> None:
    """RFC 8446, section 4.2.8."""
    writer.u16(sum([4 + len(entry.key_exchange) for entry in value]))
    for entry in value:
        write_key_share_entry(writer, entry)


def parse_offered_psks(reader: Reader) -> OfferedPsks:
    """RFC 8446, section 4.2.11: as many binders as identities, each of 32 bytes or more."""
    block = reader.block(2, 7)
    identities = []
    while block.remaining:
        identities.append(PskIdentity(block.vector(2, 1), block.u32()))
    block = reader.block(2, 33)
    binders = []
    while block.remaining:
        binders.append(block.vector(1, 32))
    if len(identities) != len(binders):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the client offered {len(identities)} PSKs with {len(binders)} binders",
            reason="PSK_IDENTITY_BINDER_COUNT_MISMATCH",
        )
    return OfferedPsks(tuple(identities), tuple(binders))


def write_offered_psks(writer: Writer, value: OfferedPsks) -> None:
    """RFC 8446, section 4.2.11."""
    writer.u16(sum([6 + len(psk.identity) for psk in value.identities]))
    for psk in value.identities:
        writer.vector(2, psk.identity)
        writer.u32(psk.obfuscated_ticket_age)
    writer.vectors(2, 1, value.binders)


def parse_cookie(reader: Reader) -> bytes:
    """RFC 8446, section 4.2.2: ``opaque cookie<1..2^16-1>``."""
    return reader.vector(2, 1)


def write_cookie(writer: Writer, value: bytes) -> None:
    """RFC 8446, section 4.2.2."""
    writer.vector(2, value)


# -- certificates ----------------------------------------------------------------------------------


def parse_authorities(reader: Reader) -> tuple[bytes, ...]:
    """RFC 8446, section 4.2.4: ``DistinguishedName authorities<3..2^16-1>``."""
    return reader.vectors(2, 2, 3)


def parse_timestamps(reader: Reader) -> tuple[bytes, ...]:
    """RFC 6962, section 3.3: ``SerializedSCT sct_list<1..2^16-1>``."""
    return reader.vectors(2, 2, 1)


def write_opaques(writer: Writer, value: tuple[bytes, ...]) -> None:
    """The counterpart of :func:`parse_authorities` and :func:`parse_timestamps`."""
    writer.vectors(2, 2, value)


def parse_oid_filters(reader: Reader) -> tuple[OidFilter, ...]:
    """RFC 8446, section 4.2.5: no OID may stand twice."""
    block = reader.block(2)
    filters: dict[bytes, OidFilter] = {}
    while block.remaining:
        entry = OidFilter(block.vector(1, 1), block.vector(2))
        if entry.oid in filters:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the server sent two filters for the same certificate extension",
                reason="BAD_EXTENSION",
            )
        filters[entry.oid] = entry
    return tuple(filters.values())


def write_oid_filters(writer: Writer, value: tuple[OidFilter, ...]) -> None:
    """RFC 8446, section 4.2.5."""
    with writer.block(2):
        for entry in value:
            writer.vector(1, entry.oid)
            writer.vector(2, entry.values)


def parse_status_request(reader: Reader) -> StatusRequest:
    """RFC 6066, section 8: CertificateStatusRequest."""
    status_type = reader.u8()
    if status_type != OCSP:
        return StatusRequest(status_type=status_type, unknown=reader.rest())
    return StatusRequest(reader.vectors(2, 2), reader.vector(2))


def write_status_request(writer: Writer, value: StatusRequest) -> None:
    """RFC 6066, section 8."""
    writer.u8(value.status_type)
    if value.status_type != OCSP:
        writer.put(value.unknown)
        return
    writer.vectors(2, 2, value.responder_ids)
    writer.vector(2, value.request_extensions)


def parse_certificate_status(reader: Reader) -> bytes:
    """RFC 6066, section 8: CertificateStatus, which carries one OCSP response in DER."""
    status_type = reader.u8()
    if status_type != OCSP:
        raise DecodeError(f"a certificate status of the unknown type {status_type}")
    return reader.vector(3, 1)


def write_certificate_status(writer: Writer, value: bytes) -> None:
    """RFC 6066, section 8."""
    writer.u8(OCSP)
    writer.vector(3, value)


# -- limits and renegotiation ----------------------------------------------------------------------


def parse_record_size_limit(reader: Reader) -> int:
    """RFC 8449, section 4: a value below 64 MUST be refused with illegal_parameter."""
    limit = reader.u16()
    if limit < 64:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer set a record_size_limit of {limit} bytes, below the least of 64",
            reason="BAD_EXTENSION",
        )
    return limit


def parse_max_fragment_length(reader: Reader) -> int:
    """RFC 6066, section 4: 2^9 to 2^12; any other value MUST end in illegal_parameter."""
    code = reader.u8()
    if not 1 <= code <= 4:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer sent the undefined max_fragment_length {code}",
            reason="SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH",
        )
    return code


def parse_renegotiation_info(reader: Reader) -> bytes:
    """RFC 5746, section 3.2: ``opaque renegotiated_connection<0..255>``."""
    return reader.vector(1)


def write_renegotiation_info(writer: Writer, value: bytes) -> None:
    """RFC 5746, section 3.2."""
    writer.vector(1, value)
