"""Two colour scales, each a list of stops that differ in lightness and can be told apart by anyone.

Marks carry a class, not a colour, so that the style sheet can turn a scale round in the dark: what
is nothing is near the ground in both.
"""

from __future__ import annotations

import math

N_SEQUENTIAL = 24  # s0 … s23, from little to much
N_SIDE = 10  # d0 … d20, from negative over d10 (zero) to positive

# From the ground to the ink, through ember: lightness falls steadily, or rises in the dark.
_SEQUENTIAL_LIGHT = ("#f6f1e4", "#f5cf8a", "#ec9a57", "#cf5f4a", "#963564", "#562266", "#241748")
_SEQUENTIAL_DARK = ("#211d28", "#47285c", "#80306b", "#bd4a5c", "#e67f4e", "#f5b969", "#fbf0c4")
# Blue below zero, orange above: the pair that most kinds of colour blindness leave apart.
_DIVERGING_LIGHT = ("#123e7c", "#3f7fc1", "#a3c8e6", "#f3f2ee", "#f3bf8c", "#cf7429", "#7d3a06")
_DIVERGING_DARK = ("#a9d3ff", "#4a93dd", "#285384", "#24262b", "#7c4a1e", "#d88333", "#ffd0a0")


def sequential(share: float) -> str:
    """Give the class of a share between 0 (little) and 1 (much)."""
    return f"s{min(max(math.floor(share * N_SEQUENTIAL), 0), N_SEQUENTIAL - 1)}"


def diverging(share: float) -> str:
    """Give the class of a share between -1 and 1."""
    return f"d{math.floor(min(max(share, -1.0), 1.0) * N_SIDE + 0.5) + N_SIDE}"


def style() -> str:
    """Write the rules for all classes, light and dark."""
    light, dark = (
        "".join(_rules("s", N_SEQUENTIAL, sequence) + _rules("d", 2 * N_SIDE + 1, pair))
        for sequence, pair in (
            (_SEQUENTIAL_LIGHT, _DIVERGING_LIGHT),
            (_SEQUENTIAL_DARK, _DIVERGING_DARK),
        )
    )
    return f"{light}@media (prefers-color-scheme:dark){{@media screen{{{dark}}}}}"


def _rules(letter: str, n: int, stops: tuple[str, ...]) -> list[str]:
    return [f".{letter}{i}{{--c:{_between(stops, i / (n - 1))}}}" for i in range(n)]


def _between(stops: tuple[str, ...], share: float) -> str:
    place = share * (len(stops) - 1)
    left = min(int(place), len(stops) - 2)
    channels = (
        round(int(a, 16) + (int(b, 16) - int(a, 16)) * (place - left))
        for a, b in zip(_channels(stops[left]), _channels(stops[left + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _channels(colour: str) -> tuple[str, str, str]:
    return colour[1:3], colour[3:5], colour[5:7]
