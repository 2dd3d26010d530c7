"""The network that several make answers with the mean of their z."""

import numpy as np
import pytest

from elman.data import Batch, as_sequences
from elman.engines.compiled import engine, stream
from elman.engines.compiled.packing import packed
from elman.engines.reference import forward
from elman.engines.streaming import Streams
from elman.equations import CELLS
from elman.equations.readouts import READOUTS
from elman.merging import Members, merged_architecture
from elman.network import Network
from elman.parameters import Architecture

RNG = np.random.default_rng(0)
SEQUENCES = as_sequences([RNG.standard_normal((T, 3)) for T in (5, 1, 7, 2)])


def members_of(n_members, cell, hidden, **settings):
    architecture = Architecture(3, hidden, (cell,) * len(hidden), 4, **settings)
    rng = np.random.default_rng(1)
    vector = rng.uniform(-0.7, 0.7, n_members * architecture.n_parameters)
    return Members(architecture, vector)


def z_of(parameters, every_step):
    (shard,) = Batch.all_of(SEQUENCES, every_step).shards(len(SEQUENCES))
    return forward(parameters, shard).y_unactivated


@pytest.mark.parametrize("hidden", [(3,), (3, 2), (2, 4, 3)], ids=len)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("learn_initial_state", [False, True], ids=["zeros", "learned"])
@pytest.mark.parametrize("cell", CELLS)
def test_its_z_is_the_mean_of_theirs(cell, learn_initial_state, bidirectional, hidden):
    for n_members, readout, bias in ((3, "last", True), (2, "mean", False), (4, "max", True)):
        assert readout in READOUTS
        members = members_of(
            n_members,
            cell,
            hidden,
            learn_initial_state=learn_initial_state,
            bidirectional=bidirectional,
            readout=readout,
            bias=bias,
        )
        every_step = readout == "last"
        each = [z_of(member, every_step) for member in members.each]
        together = z_of(members.network, every_step)
        assert abs(each[0] - each[1]).max() > 1e-3
        np.testing.assert_allclose(together, np.mean(each, axis=0), rtol=0, atol=1e-12)


def test_classes_are_answered_with_the_geometric_mean():
    members = members_of(3, "gru", (4,))
    answers = [
        Network.from_parameters(parameters).forward(SEQUENCES, every_step=False)
        for parameters in (*members.each, members.network)
    ]
    mean = np.exp(np.log(answers[:-1]).mean(axis=0))
    mean /= mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers[-1], mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"bidirectional": True}, {"readout": "max"}], ids=str)
@pytest.mark.parametrize("hidden", [(70,), (40, 16), (3, 9)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_connected_is_left_out_and_changes_no_bit(monkeypatch, dtype, hidden, settings):
    members = members_of(3, "gru", hidden, **settings)
    network = Network.from_parameters(members.network.astype(dtype))
    X = [np.random.default_rng(i).standard_normal((1 + i % 30, 3)) for i in range(40)]

    def answers():
        found = [network.forward(X[:n], every_step=False) for n in (1, 6, 40)]
        if "bidirectional" not in settings:
            found.append(network.step(X[0][0], network.initial_state())[0])
        return b"".join(map(np.ndarray.tobytes, found))

    def all_of_it(*arguments):
        return packed(*arguments, to_train=True)

    expected = answers()
    for module in (engine, stream):
        monkeypatch.setattr(module, "packed", all_of_it)
    network._streams = Streams()
    assert answers() == expected


def test_what_no_member_connects_is_zero():
    members = members_of(3, "tanh", (2, 4))
    W = members.network["W1"]
    assert members.network.architecture == merged_architecture(members.architecture, 3)
    assert np.count_nonzero(W) == 3 * 2 * 2
    np.testing.assert_array_equal(W[2:4, 2:4], members.each[1]["W1"])
    assert np.count_nonzero(members.network["U2"]) == 3 * 4 * 2


def test_members_are_views_and_merge_when_told():
    members = members_of(2, "lstm", (3,))
    members.each[1]["U1"][...] = 7
    assert (members.vector == 7).sum() == members.each[1]["U1"].size
    assert not (members.network["U1"] == 7).any()
    members.merge()
    assert (members.network["U1"] == 7).sum() == members.each[1]["U1"].size
    members.restore(np.arange(len(members.vector), dtype=float))
    mean = (members.each[0]["c"] + members.each[1]["c"]) / 2
    np.testing.assert_array_equal(members.network["c"], mean)


def test_members_that_diverged_merge_without_a_warning():
    members = members_of(2, "tanh", (3,))
    for member, sign in zip(members.each, (1, -1), strict=True):
        member["c"][:] = sign * np.inf
    with np.errstate(all="raise"):
        members.merge()
    assert np.isnan(members.network["c"]).all()


def test_one_alone_is_itself():
    parameters = members_of(1, "gru", (3,)).network
    alone = Members.of([parameters])
    assert alone.network is parameters
    assert alone.each[0] is parameters
    assert alone.vector is parameters.vector
