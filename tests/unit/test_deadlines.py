"""Deadlines: one timer for all of one length."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from aiotls.deadlines import Deadlines


class Clock:
    """As much of an event loop as deadlines need."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        self.timers.append((when, callback, args))

    def call_later(self, delay: float, callback: Callable[..., None], *args: Any) -> None:
        self.call_at(self.now + delay, callback, *args)

    def go_to(self, now: float) -> None:
        while self.timers and min(self.timers, key=lambda timer: timer[0])[0] <= now:
            timer = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1](*timer[2])
        self.now = now


class Waiting:
    """Notes when its time was up."""

    def __init__(self, clock: Clock, error: Exception | None = None) -> None:
        self.clock = clock
        self.error = error
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(self.clock.now)
        if self.error is not None:
            raise self.error


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_comes_due_when_it_was_set_to(clock: Clock) -> None:
    deadlines = Deadlines()
    first, second, longer = (Waiting(clock) for _ in range(3))
    deadlines.set(clock, longer, 60.0)  # type: ignore[arg-type]
    deadlines.set(clock, first, 10.0)  # type: ignore[arg-type]
    clock.go_to(1004.0)
    deadlines.set(clock, second, 10.0)  # type: ignore[arg-type]
    assert len(clock.timers) == 2
    clock.go_to(1100.0)
    assert (first.expired, second.expired, longer.expired) == ([1010.0], [1014.0], [1060.0])
    assert not clock.timers


def test_what_is_taken_back_does_not_happen(clock: Clock) -> None:
    deadlines = Deadlines()
    first, second = Waiting(clock), Waiting(clock)
    deadlines.set(clock, first, 10.0)  # type: ignore[arg-type]
    deadlines.take_back(first, 10.0)
    deadlines.take_back(first, 20.0)
    clock.go_to(1005.0)
    deadlines.set(clock, second, 10.0)  # type: ignore[arg-type]
    clock.go_to(1100.0)
    assert (first.expired, second.expired) == ([], [1015.0])
    deadlines.take_back(second, 10.0)
    assert not clock.timers


def test_the_deadline_of_what_is_gone_is_nobodys(clock: Clock) -> None:
    deadlines = Deadlines()
    here = Waiting(clock)
    deadlines.set(clock, Waiting(clock), 10.0)  # type: ignore[arg-type]
    deadlines.set(clock, here, 10.0)  # type: ignore[arg-type]
    gc.collect()
    clock.go_to(1100.0)
    assert here.expired == [1010.0]


def test_one_that_fails_does_not_hold_up_the_next(clock: Clock) -> None:
    deadlines = Deadlines()
    bad, good = Waiting(clock, RuntimeError("no")), Waiting(clock)
    deadlines.set(clock, bad, 10.0)  # type: ignore[arg-type]
    deadlines.set(clock, good, 10.0)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        clock.go_to(1100.0)
    clock.go_to(1100.0)
    assert (len(bad.expired), len(good.expired)) == (1, 1)
