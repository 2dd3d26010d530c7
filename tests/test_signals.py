"""Signals: let through, and held back."""

import os
import signal
import time

import pytest

from elman._signals import Interruptible, Uninterrupted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
STOPPING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def came():
    """Note what comes to the outermost handlers."""
    numbers = []
    before = {
        number: signal.signal(number, lambda number, _: numbers.append(number))
        for number in STOPPING
    }
    handlers = [signal.getsignal(number) for number in STOPPING]
    yield numbers
    assert [signal.getsignal(number) for number in STOPPING] == handlers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_held_back_until_the_end(came, number):
    with Uninterrupted():
        signal.raise_signal(number)
        assert came == []
    assert came == [number]


def test_each_of_several_comes_once(came):
    with Uninterrupted():
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
    assert came == [signal.SIGHUP, signal.SIGTERM]


def test_others_come_though_one_raises(came):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt_and_end():
        with Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        interrupt_and_end()
    signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGTERM]


def test_blocks_within_each_other(came):
    held_back = Uninterrupted()
    with held_back:
        with held_back, Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert came == []
    assert came == [signal.SIGINT]
    with held_back:
        pass
    assert came == [signal.SIGINT]


@pytest.mark.parametrize("number", STOPPING)
def test_raised_within(came, number):
    with Uninterrupted(), pytest.raises(KeyboardInterrupt), Interruptible():
        signal.raise_signal(number)
    assert came == []


def test_second_of_two_does_not_break_off_what_the_first_set_going(came):
    done = []

    def work():
        with Interruptible():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                done.append("put in order")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert came == []


def test_one_after_a_while_does(monkeypatch):
    """Something may have swallowed the first."""
    clock = iter([10.0, 10.0, 10.9, 11.1, 11.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with Interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ignored_stays_ignored(came):
    """As nohup has SIGHUP."""
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for block in (Uninterrupted(), Interruptible()):
            with block:
                signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, handler)
    assert came == []


@pytest.mark.parametrize("block", [Uninterrupted, Interruptible])
def test_signal_while_handlers_change(monkeypatch, block):
    """Whatever the outer handler raises, all handlers are put back."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    outermost = [signal.signal(number, interrupt) for number in STOPPING]
    set_handler = signal.signal
    made = []

    def disturbed(number, handler):
        before = set_handler(number, handler)
        made.append(number)
        if len(made) == 4:  # the first that is put back
            signal.raise_signal(number)
        return before

    monkeypatch.setattr(signal, "signal", disturbed)
    with pytest.raises(KeyboardInterrupt), block():
        pass
    monkeypatch.undo()
    assert len(made) > 4
    assert [signal.getsignal(number) for number in STOPPING] == [interrupt] * 3
    for number, handler in zip(STOPPING, outermost, strict=True):
        signal.signal(number, handler)
