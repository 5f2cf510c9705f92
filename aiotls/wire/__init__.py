"""Bytes and values: the handshake messages and their extensions, without any I/O or keys.

``codec`` reads and writes the presentation language of RFC 8446, section 3;
``extensions`` holds one table row for each extension and each form it takes;
``messages`` holds one frozen dataclass for each handshake message. Reading is strict:
what is not exactly the structure that an RFC defines is a DecodeError, and what is
well-formed but forbidden is a ProtocolError with the alert that the RFC names.
"""
