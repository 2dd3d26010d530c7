"""Cells and losses in model files: made again they are the same, or they are not written."""

from dataclasses import dataclass

import pytest

from elman import Cell, Network
from elman.equations.cells import decode_cell, encode_cell
from elman.equations.losses import Poisson, decode_loss, encode_loss


class Scaled(Cell):
    """No dataclass."""

    def __init__(self, scale=1.0, steps=((1, 2), (3,))):
        self.scale = scale
        self.steps = steps

    def forward(self, a, before):
        raise NotImplementedError

    backward = forward


class Doubled(Scaled):
    """It is not made of what it has."""

    def __init__(self, half=0.5):
        super().__init__(2 * half)


class LSTM(Scaled):
    """Not elman's."""


class gru(Scaled):  # noqa: N801 - the name is the point
    """Not elman's."""


def test_settings_of_what_is_no_dataclass_are_kept():
    encoded = encode_cell(Scaled(0.3))
    assert encoded == {"name": "Scaled", "scale": 0.3, "steps": ((1, 2), (3,))}
    encoded["steps"] = [[1, 2], [3]]  # as JSON has it
    assert decode_cell(encoded) == Scaled(0.3)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Doubled(), "does not make it again of {'scale': 1.0"),
        (gru(), "'gru' is elman's own. Rename its class"),
    ],
)
def test_what_would_not_be_the_same_again_is_not_saved(tmp_path, cell, message):
    path = tmp_path / "network.safetensors"
    with pytest.raises(ValueError, match=message):
        Network(2, 3, 2, cell=cell).save(path)
    assert not path.exists()


def test_a_field_that_is_set_besides_is_not_lost():
    @dataclass(frozen=True, eq=False)
    class More(Poisson):
        a: float = 1.0

    loss = More(2.0)
    assert decode_loss(encode_loss(loss)) == loss
    vars(loss)["b"] = 3.0
    with pytest.raises(ValueError, match="cannot be saved"):
        encode_loss(loss)


def test_ours_do_not_stand_in_for_those_that_are_not_there():
    assert decode_cell(encode_cell(LSTM(2.0))) == LSTM(2.0)
    for name in ("GRU", "Leaky", "Activation"):
        with pytest.raises(ValueError, match=f"the cell '{name}', which is not elman's"):
            decode_cell({"name": name})
    with pytest.raises(ValueError, match="the loss 'SquaredError', which is not elman's"):
        decode_loss({"name": "SquaredError"})
