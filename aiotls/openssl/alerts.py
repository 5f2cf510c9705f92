"""Alerts in words: SSL_alert_type_string(3), for what the info callback is given."""

from __future__ import annotations

from .constants import SSL3_AL_FATAL, SSL3_AL_WARNING

_TYPES = {SSL3_AL_WARNING: ("W", "warning"), SSL3_AL_FATAL: ("F", "fatal")}
_DESCRIPTIONS = {
    0: ("CN", "close notify"),
    10: ("UM", "unexpected_message"),
    20: ("BM", "bad record mac"),
    21: ("DC", "decryption failed"),
    22: ("RO", "record overflow"),
    30: ("DF", "decompression failure"),
    40: ("HF", "handshake failure"),
    41: ("NC", "no certificate"),
    42: ("BC", "bad certificate"),
    43: ("UC", "unsupported certificate"),
    44: ("CR", "certificate revoked"),
    45: ("CE", "certificate expired"),
    46: ("CU", "certificate unknown"),
    47: ("IP", "illegal parameter"),
    48: ("CA", "unknown CA"),
    49: ("AD", "access denied"),
    50: ("DE", "decode error"),
    51: ("CY", "decrypt error"),
    60: ("ER", "export restriction"),
    70: ("PV", "protocol version"),
    71: ("IS", "insufficient security"),
    80: ("IE", "internal error"),
    90: ("US", "user canceled"),
    100: ("NR", "no renegotiation"),
    110: ("UE", "unsupported extension"),
    111: ("CO", "certificate unobtainable"),
    112: ("UN", "unrecognized name"),
    113: ("BR", "bad certificate status response"),
    114: ("BH", "bad certificate hash value"),
    115: ("UP", "unknown PSK identity"),
    120: ("UK", "no application protocol"),
}
"""OpenSSL has no words for the newer ones; aiotls.Alert names them."""


def SSL_alert_type_string(value: int) -> str:
    """The level, the upper byte of *value*, in a letter: ``W``, ``F``, ``U`` for unknown."""
    return _TYPES.get(value >> 8, ("U", ""))[0]


def SSL_alert_type_string_long(value: int) -> str:
    """The level, the upper byte of *value*: ``warning``, ``fatal``, ``unknown``."""
    return _TYPES.get(value >> 8, ("", "unknown"))[1]


def SSL_alert_desc_string(value: int) -> str:
    """The description, the lower byte of *value*, in two letters; ``UK`` where it is unknown."""
    return _DESCRIPTIONS.get(value & 0xFF, ("UK", ""))[0]


def SSL_alert_desc_string_long(value: int) -> str:
    """The description, the lower byte of *value*, in words; ``unknown`` where it is."""
    return _DESCRIPTIONS.get(value & 0xFF, ("", "unknown"))[1]
