"""Truncations: any file that elman reads ends too early, anywhere."""

from functools import partial
from itertools import islice

from attack import files

PROMISE = "refused in one sentence; compiled code is compiled anew"
N = 200


def tries(rng, scale, folder):
    """Cut a file, read it."""
    victims = files.make(folder)
    for victim in islice(files.in_turn(victims), N * scale):
        size = int(rng.integers(len(victim.content)))
        yield (
            f"{victim.name}, {size} of {len(victim.content)} bytes",
            partial(_refused, victim, victim.content[:size]),
        )


def _refused(victim, damaged):
    outcome = victim.with_content(damaged)
    if victim.name == "compiled function":
        return "compiled anew"
    assert outcome == "refused", "a file that is not whole was read"
    return outcome
