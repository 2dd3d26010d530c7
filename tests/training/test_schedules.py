"""Learning rates by the number of the update."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.training import constant, cosine


def test_constant_never_changes():
    schedule = constant(0.3)
    assert {schedule(update) for update in (0, 1, 7, 10**6)} == {0.3}


def test_cosine_of_known_numbers():
    schedule = cosine(8.0, n_updates=9, warmup=0.3)  # 3 updates of rise, 6 of fall
    fall = [4 * (1 + math.cos(math.pi * step / 7)) for step in range(1, 7)]
    assert [schedule(update) for update in range(9)] == pytest.approx([2, 4, 6, *fall])


updates = st.integers(1, 60)
warmups = st.floats(0, 0.99)


@given(updates, warmups)
def test_cosine_rises_then_falls_and_is_never_idle(n_updates, warmup):
    schedule = cosine(0.5, n_updates, warmup)
    rates = [schedule(update) for update in range(n_updates)]
    n_warmup = math.ceil(warmup * n_updates)
    rise, fall = rates[:n_warmup], rates[n_warmup:]
    assert rise == sorted(rise)
    assert fall == sorted(fall, reverse=True)
    assert len(set(rates[:n_warmup])) == n_warmup
    assert all(0 < rate < 0.5 for rate in rates)


@given(updates, warmups)
def test_cosine_stays_where_it_ended(n_updates, warmup):
    schedule = cosine(0.5, n_updates, warmup)
    afterwards = {schedule(n_updates + more) for more in (0, 1, 100)}
    assert len(afterwards) == 1
    assert 0 <= afterwards.pop() <= schedule(n_updates - 1)


@given(updates, warmups, st.integers(0, 60))
def test_cosine_scales_with_the_highest_rate(n_updates, warmup, update):
    one, three = cosine(1.0, n_updates, warmup), cosine(3.0, n_updates, warmup)
    assert three(update) == pytest.approx(3 * one(update))
