"""A torch.nn.Module answers what elman answers, trains, and comes back."""

import numpy as np
import pytest

from elman import ElmanError, Network, RNNClassifier, RNNTagger
from elman.equations.cells import Leaky
from leaving import LENGTHS, Peeping, estimators, network, off, sequences
from tolerances import EXPORTED

torch = pytest.importorskip("torch")

CELLS = ["tanh", "relu", "gru", "lstm", "dense", Leaky(0.3), ("gru", "dense"), Peeping()]


def answers_of(module, x, lengths=None):
    with torch.no_grad():
        return module(torch.from_numpy(x), lengths).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_steps_are_answered_alike_and_weights_come_back(cell, bidirectional, dtype, tmp_path):
    made = network(cell, dtype, bidirectional=bidirectional, learn_initial_state=True)
    X, padded = sequences(dtype)
    module = made.to_torch()
    assert isinstance(module, torch.nn.Module)
    answers = answers_of(module, padded, LENGTHS)
    assert answers.dtype == dtype
    assert off(answers, made.forward(X), True) <= EXPORTED[np.dtype(dtype)]

    made.export(tmp_path / "m.pt")
    for source in (module, tmp_path / "m.pt"):
        back = Network.from_torch(source)
        assert back.architecture == made.architecture
        np.testing.assert_array_equal(back.parameters.vector, made.parameters.vector)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("readout", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["lstm", Leaky(0.3)], ids=str)
def test_sequences_are_answered_alike(cell, readout, bidirectional):
    made = network(cell, np.float32, bidirectional=bidirectional, readout=readout, bias=False)
    X, padded = sequences()
    padded[padded == 7] = np.nan
    answers = answers_of(made.to_torch(every_step=False), padded, LENGTHS)
    assert off(answers, made.forward(X, every_step=False), False) <= EXPORTED[np.dtype(np.float32)]
    same = answers_of(made.to_torch(every_step=False), np.stack([X[1], X[4]]))
    assert np.abs(same - answers[[1, 4]]).max() <= EXPORTED[np.dtype(np.float32)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_estimators_go_there_and_back(dtype, tmp_path):
    X, padded = sequences(dtype, mean=3)
    for name, (estimator, method) in estimators(dtype).items():
        module = estimator.to_torch()
        answers = answers_of(module, padded, LENGTHS)
        expected = getattr(estimator, method)(X)
        assert off(answers, expected, estimator._every_step) <= EXPORTED[np.dtype(dtype)], name
        estimator.export(tmp_path / "m.pt")
        for source in (module, tmp_path / "m.pt"):
            back = type(estimator).from_torch(source)
            assert back.get_params()["cell"] == estimator.cell
            for mine, theirs in zip(getattr(back, method)(X), expected, strict=True):
                np.testing.assert_array_equal(mine, theirs)


def test_a_module_trains_on_and_comes_back_with_what_it_learned():
    estimator, _ = estimators()["classifier"]
    X, padded = sequences()
    module, y = estimator.to_torch().train(), torch.tensor([0, 1, 0, 1, 1])
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            module.logits(torch.from_numpy(padded), LENGTHS), y
        )
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    back = RNNClassifier.from_torch(module)
    answers = answers_of(module, padded, LENGTHS)
    assert off(answers, back.predict_proba(X), False) <= EXPORTED[np.dtype(np.float32)]
    assert np.abs(answers - estimator.predict_proba(X)).max() > 0.1


@pytest.mark.parametrize("kind", ["RNN", "relu", "GRU", "LSTM"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layers_of_torch_become_a_network(kind, bidirectional):
    torch.manual_seed(0)
    options = {"nonlinearity": "relu"} if kind == "relu" else {}
    layer = getattr(torch.nn, "RNN" if kind == "relu" else kind)
    rnn = layer(3, 6, 2, batch_first=True, bidirectional=bidirectional, **options)
    linear = torch.nn.Linear(6 * (1 + bidirectional), 2)
    x = sequences()[1]
    with torch.no_grad():
        expected = torch.softmax(linear(rnn(torch.from_numpy(x))[0]), -1).numpy()
    found = Network.from_torch(rnn, linear).forward(x)
    assert np.abs(found - expected).max() <= EXPORTED[np.dtype(np.float32)]


def test_what_is_no_such_module_is_refused(tmp_path):
    rnn = torch.nn.LSTM(3, 6, proj_size=2)
    with pytest.raises(ElmanError, match="no projection"):
        Network.from_torch(rnn, torch.nn.Linear(2, 2))
    with pytest.raises(ElmanError, match=r"expected a torch\.nn\.RNN, GRU or LSTM"):
        Network.from_torch(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    with pytest.raises(ElmanError, match="takes 5 features; the GRU gives 6"):
        Network.from_torch(torch.nn.GRU(3, 6), torch.nn.Linear(5, 2))
    with pytest.raises(ElmanError, match="bias of zeros"):
        Network.from_torch(torch.nn.GRU(3, 6, bias=False), torch.nn.Linear(6, 2))
    with pytest.raises(ElmanError, match=r"Network.from_torch\(rnn, linear\)"):
        Network.from_torch(5)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ElmanError, match="no file that export"):
        Network.from_torch(tmp_path / "other.pt")
    tagger, _ = estimators()["tagger"]
    with pytest.raises(ElmanError, match=r"holds a RNNTagger; read it by RNNTagger.from_torch"):
        RNNClassifier.from_torch(tagger.to_torch())
    with pytest.raises(ElmanError, match=r"RNNTagger.from_torch, and take its network_"):
        Network.from_torch(tagger.to_torch())
    assert isinstance(RNNTagger.from_torch(tagger.to_torch()), RNNTagger)


@pytest.mark.parametrize("lengths", [[1, 2], [0] * 5, [8] * 5])
def test_lengths_that_cannot_be_are_refused(lengths):
    module = network("tanh", np.float32).to_torch()
    with pytest.raises(ValueError, match="lengths must be 5 integers from 1 to 7"):
        answers_of(module, sequences()[1], lengths)
