"""The architecture: names and shapes of parameters, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from elman.parameters import Architecture

STACK = Architecture(3, (5, 4, 6), ("tanh", "dense", "relu"), 2)


def test_names_and_shapes_are_the_notes():
    assert STACK.shapes == {
        "U1": (5, 3),
        "W1": (5, 5),
        "b1": (5,),
        "U2": (4, 5),
        "b2": (4,),
        "U3": (6, 4),
        "W3": (6, 6),
        "b3": (6,),
        "V": (2, 6),
        "c": (2,),
    }


def test_without_bias_there_are_no_b_and_c():
    architecture = Architecture(3, (5, 4), ("tanh", "relu"), 2, bias=False)
    assert list(architecture.shapes) == ["U1", "W1", "U2", "W2", "V"]


def test_gates_stand_one_under_another():
    architecture = Architecture(3, (5, 4), ("gru", "lstm"), 2, learn_initial_state=True)
    assert architecture.shapes == {
        "U1": (15, 3),
        "W1": (15, 5),
        "b1": (20,),
        "initial1": (5,),
        "U2": (16, 5),
        "W2": (16, 4),
        "b2": (16,),
        "initial2": (8,),
        "V": (2, 4),
        "c": (2,),
    }
    specs = architecture.specs
    assert specs["U1"].gates == ("r", "z", "n")
    assert specs["W1"].gates == ("r", "z", "m")
    assert {name for name, spec in specs.items() if spec.penalised} == {"U1", "W1", "U2", "W2", "V"}
    assert {spec.role for spec in specs.values()} == {
        "input", "recurrent", "bias", "initial", "output",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_features": 0}, "every size must be an integer of at least 1; got 0"),
        ({"n_outputs": 0}, "every size must be an integer of at least 1; got 0"),
        ({"n_outputs": 2.0}, "every size must be an integer of at least 1; got 2.0"),
        ({"n_outputs": True}, "every size must be an integer of at least 1; got True"),
        ({"hidden": (5, 0, 6)}, "every size must be an integer of at least 1; got 0"),
        ({"hidden": (5, np.True_, 6)}, "every size must be an integer of at least 1; got "),
        ({"hidden": (), "cells": ()}, "there must be at least one hidden layer"),
        ({"cells": ("tanh", "tanh")}, r"2 cells for 3 layers; expected one for all"),
        (
            {"cells": ("tanh", "gra", "relu")},
            "cell must be one of tanh, relu, dense, leaky, gru, lstm, or an instance of a subclass "
            "of elman.Cell; got 'gra'",
        ),
        ({"bias": 1}, "bias must be True or False; got 1"),
        ({"learn_initial_state": None}, "learn_initial_state must be True or False; got None"),
    ],
)
def test_a_bad_architecture_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(STACK, **changed)


@pytest.mark.parametrize("name", ["n_features", "n_outputs"])
@pytest.mark.parametrize("size", [True, np.True_, 2.0, np.float32(2), "2", None, [2]], ids=repr)
def test_a_size_that_is_no_integer_is_refused_by_its_name(name, size):
    given = {"n_features": 3, "hidden": 5, "cell": "tanh", "n_outputs": 2, "bias": True}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1; got "):
        Architecture.of(**given | {name: size})


@pytest.mark.parametrize(
    "hidden",
    [True, np.True_, 2.0, "2", None, [True], [np.True_], [4, np.True_], [4, 2.0], [4, None], [[4]]],
    ids=repr,
)
def test_a_layers_size_that_is_no_integer_is_refused(hidden):
    with pytest.raises(ValueError, match="every size of hidden must be an integer of at least 1"):
        Architecture.of(3, hidden, "tanh", 2, True)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.array])
def test_integers_of_numpy_are_pythons(kind):
    made = Architecture.of(kind(3), kind(5), "tanh", kind(2), True)
    assert made == Architecture(3, (5,), ("tanh",), 2)
    assert {type(size) for size in (made.n_features, *made.hidden, made.n_outputs)} == {int}
