"""Where aiotls.openssl may differ from libssl: all the places, each with its reason.

A difference says what it does to a trace, the reference's and the found one's alike, before they
are compared; or of two entries that differ, that the rest of these two traces need not be
compared. What is not in :data:`ALLOWED` may not differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .world import Setup, Trace

CLIENT, SERVER = 0, 1
SENT = 1
PROVIDER = 57
NAME, RET, ERROR, WANT, SHUTDOWN, STATE, IN_INIT, FINISHED, BEFORE, PENDING, HAS_PENDING = range(11)
KEY_UPDATE, ERRORS = 11, 12
WANT_READ, WANT_WRITE = 2, 3
SMALL = 4096
"""Pairs with smaller buffers do not take a flight at once."""


@dataclass(frozen=True)
class Case:
    """Whose trace it is, and under which circumstances."""

    setup: Setup
    size: int
    ops: tuple[tuple[Any, ...], ...]
    who: int
    peer_is_ours: bool

    @property
    def small(self) -> bool:
        """Whether the BIOs are smaller than a flight."""
        return 0 < self.size < SMALL

    @property
    def loses_wbio(self) -> bool:
        """Whether the script takes away the BIO that is written to."""
        return any(op[0] == "no_bio" and op[1] == self.who and op[2] != "rbio" for op in self.ops)


@dataclass(frozen=True)
class Difference:
    """One place, and why."""

    name: str
    reason: str
    seen_in: int
    """The number of a script that shows it."""

    clean: Callable[[Case, Trace], Trace] | None = None
    """What is left of a trace for comparison."""

    ends: Callable[[Case, Trace, Any, Any], bool] | None = None
    """Whether nothing need be compared from a pair of entries on: libssl's, and aiotls'.

    It is given what came before as well.
    """


def compared(
    case: Case, expected: Trace, found: Trace, allowed: Iterable[Difference]
) -> tuple[Trace, Trace]:
    """What is to be compared of two traces."""
    allowed = tuple(allowed)
    for difference in allowed:
        if difference.clean is not None:
            expected, found = (difference.clean(case, trace) for trace in (expected, found))
    for place, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            if any(
                d.ends is not None and d.ends(case, expected[:place], one, other) for d in allowed
            ):
                return expected[:place], found[:place]
            break
    return expected, found


def is_call(entry: Sequence[Any]) -> bool:
    """Whether an entry is what was seen after a call."""
    return entry[0] not in ("agreed", "data", "first", "notes", "session")


def without(entry: Sequence[Any], *places: int) -> tuple[Any, ...]:
    """The entry, but for some of it."""
    return tuple("" if place in places else value for place, value in enumerate(entry))


# -- what is done to traces ------------------------------------------------------------------------


def _hello_callbacks_once(case: Case, trace: Trace) -> Trace:
    if case.who != SERVER or not case.setup.retry:
        return trace
    return [_once(entry) if entry[0] == "notes" else entry for entry in trace]


def _once(entry: Any) -> Any:
    seen, notes = set(), []
    for note in entry[1]:
        if note[0] in ("alpn", "cert", "hello", "name"):
            if note[0] in seen:
                continue
            seen.add(note[0])
        notes.append(note)
    return ("notes", notes)


def _one_record_for_a_flight(case: Case, trace: Trace) -> Trace:
    return [
        without(entry, HAS_PENDING)
        if is_call(entry) and (case.peer_is_ours or entry[0] == "drive")
        else entry
        for entry in trace
    ]


def _rest_of_a_flight(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    return case.peer_is_ours and not case.setup.auto_retry


def _lengths_of_flights(case: Case, trace: Trace) -> Trace:
    if not case.small:
        return trace
    entries = []
    for place, entry in enumerate(trace):
        if entry[0] == "agreed" and place < len(trace) - 1:
            continue
        if is_call(entry) and entry[IN_INIT] and entry[ERROR] in (WANT_READ, WANT_WRITE):
            if entry[0] != "drive":
                entries.append((entry[0], "waits"))
            continue
        waits = is_call(entry) and entry[IN_INIT] and entry[STATE] != "SSLERR"
        entries.append(without(entry, WANT, STATE) if waits else entry)
    return entries


def _moments(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    return case.small and "waits" in (expected[1], found[1])


def _flights_are_made_as_a_whole(case: Case, trace: Trace) -> Trace:
    if not case.loses_wbio:
        return trace
    return [
        ("notes", [note for note in entry[1] if not _is_of_writing(note)])
        if entry[0] == "notes"
        else entry
        for entry in trace
    ]


def _is_of_writing(note: Any) -> bool:
    """Whether a callback was told of a message that is written."""
    return note[:2] == ("message", 1) or str(note[-2]).startswith("TW")


def _lengths_of_messages(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    errors = (entry[ERRORS] for entry in (expected, found) if is_call(entry))
    return case.loses_wbio and [(20, 271)] in errors


def _no_provider(case: Case, trace: Trace) -> Trace:
    return [
        (*entry[:ERRORS], [code for code in entry[ERRORS] if code[0] != PROVIDER], *entry[13:])
        if is_call(entry) and len(entry) > ERRORS
        else entry
        for entry in trace
    ]


def _early_alerts(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    return (
        case.who == SERVER
        and is_call(expected)
        and expected[ERRORS] == [(20, 267)]
        and len(found) > ERRORS
        and any(lib == 20 and reason >= 1000 for lib, reason in found[ERRORS])
    )


def _unknown_types(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    if not is_call(expected) or not is_call(found):
        return False
    if not case.setup.tls12:
        return (20, 443) in expected[ERRORS] and bool(found[ERROR] == WANT_READ)
    return (
        len(expected) > ERRORS
        and ((20, 281) in expected[ERRORS] or expected[ERROR] == WANT_READ)
        and len(found) > ERRORS
        and (20, 245) in found[ERRORS]
    )


def _ends_too_early(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    return (
        not case.setup.tls12
        and case.setup.client_auth != ""
        and any(op[0] == "set_shutdown" and op[1] == CLIENT and op[2] & SENT for op in case.ops)
    )


def _closed_for_good(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    """Whether close_notify was sent, and SSL_set_shutdown() has said that it was not."""
    sent = False
    for entry in before:
        if entry[0] == "set_shutdown" and sent and not entry[SHUTDOWN] & SENT:
            return True
        sent = sent or (entry[0] == "SSL_shutdown" and bool(entry[SHUTDOWN] & SENT))
    return False


def _overtaken_key_updates(case: Case, before: Trace, expected: Any, found: Any) -> bool:
    """Whether a KeyUpdate is due on one side that the other has sent."""
    updates = [op for op in case.ops if op[0] in ("key_update", "update")]
    if case.setup.tls12 or len(updates) < 2:
        return False
    if expected[0] == "notes":
        return case.setup.info or case.setup.messages
    return (
        is_call(expected)
        and len(expected) > KEY_UPDATE
        and without(expected, KEY_UPDATE) == without(found, KEY_UPDATE)
    )


ALLOWED = (
    Difference(
        "callbacks about a ClientHello are asked once",
        "libssl asks them again for the ClientHello that answers a HelloRetryRequest. RFC 8446, "
        "section 4.1.2, lets that one differ only in what no callback is about.",
        seen_in=11,
        clean=_hello_callbacks_once,
    ),
    Difference(
        "a flight shares a record",
        "libssl puts each handshake message into a record of its own; here those of a flight share "
        "one. Whether a part of one is left over for later (SSL_has_pending) differs with that, "
        "and so does how often a call returns without SSL_MODE_AUTO_RETRY.",
        seen_in=1,
        clean=_one_record_for_a_flight,
        ends=_rest_of_a_flight,
    ),
    Difference(
        "flights differ in length",
        "Where a BIO pair is smaller than a flight, how often and in which state a call has to be "
        "repeated depends on the length of the flight.",
        seen_in=78,
        clean=_lengths_of_flights,
        ends=_moments,
    ),
    Difference(
        "a flight is made as a whole",
        "libssl writes message by message: without a BIO to write to it stays at the first. Here "
        "the callbacks have been told of the others by then; the state string agrees. For which "
        "lengths SSL_write() is refused in the meantime depends on the message's own.",
        seen_in=597,
        clean=_flights_are_made_as_a_whole,
        ends=_lengths_of_messages,
    ),
    Difference(
        "no errors of providers",
        "Where decryption fails, a provider of libcrypto's puts an error of its own into the queue "
        "(ERR_LIB_PROV). There are no providers here.",
        seen_in=6684,
        clean=_no_provider,
    ),
    Difference(
        "the version of an early alert's record",
        "A client of libssl's sends it as 0x0301, which a server of libssl's takes for a wrong "
        "version. RFC 8446, section 5.1, has 0x0303 sent, and the field ignored: here the alert "
        "is told of.",
        seen_in=44,
        ends=_early_alerts,
    ),
    Difference(
        "a record of a wrong type under keys",
        "In TLS 1.2 libssl decrypts it first, which fails. RFC 5246, section 6, has it refused for "
        "its type. In TLS 1.3 libssl does not wait for the rest of it.",
        seen_in=849,
        ends=_unknown_types,
    ),
    Difference(
        "a request for a certificate after SSL_set_shutdown(SSL_SENT_SHUTDOWN)",
        "In the middle of a TLS 1.3 handshake it makes a client of libssl's call the handshake "
        "done, before the server's certificate and Finished. Here it goes on to its end.",
        seen_in=11977,
        ends=_ends_too_early,
    ),
    Difference(
        "close_notify cannot be taken back",
        "After SSL_set_shutdown() has taken away SSL_SENT_SHUTDOWN, libssl sends another one, and "
        "data. RFC 8446, section 6.1: nothing is sent after the first.",
        seen_in=16271,
        ends=_closed_for_good,
    ),
    Difference(
        "a KeyUpdate that is due is not sent by reading",
        "Where the peer's next KeyUpdate arrives before one's own answer to the last has left, "
        "libssl sends the answer while it reads. Here it leaves with the next write, and answers "
        "both (RFC 8446, section 4.6.3).",
        seen_in=2288,
        ends=_overtaken_key_updates,
    ),
)
"""All that may differ."""
