import numpy as np
import pytest

import elman
from elman import ModelFileError, Network, RNNClassifier, RNNTagger
from elman.persistence import read_model, write_model

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 5, 2))
RAGGED = [rng.standard_normal((n, 2)) for n in (3, 1, 4, 2, 6, 5)]

MODELS = {
    "network": lambda: Network(2, [3, 4], 3, cell=("tanh", "relu"), seed=1),
    "network without bias": lambda: Network(2, [3], 2, bias=False, dtype=np.float64, seed=1),
    "classifier": lambda: RNNClassifier(3, max_iter=2, random_state=0).fit(X, list("abc") * 4),
    "classifier of rows": lambda: RNNClassifier(3, step_size=2, max_iter=2, random_state=0).fit(
        X.reshape(12, 10), [0, 1, 2] * 4
    ),
    "tagger": lambda: RNNTagger((3, 4), max_iter=2, random_state=0).fit(
        RAGGED, [np.arange(len(x)) % 3 for x in RAGGED]
    ),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def outputs(model):
    if isinstance(model, Network):
        return model.forward(X)
    return model.predict_proba(X.reshape(12, 10) if getattr(model, "step_size", 1) == 2 else X)


def test_model_comes_back_as_what_it_was(tmp_path, model):
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert type(loaded) is type(model)
    assert outputs(loaded).tobytes() == outputs(model).tobytes()
    assert type(model).load(tmp_path / "model")


def test_saving_again_gives_the_same_bytes(tmp_path, model):
    model.save(tmp_path / "model")
    elman.load(tmp_path / "model").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_path_may_be_text(tmp_path, model):
    model.save(str(tmp_path / "model"))
    assert type(elman.load(str(tmp_path / "model"))) is type(model)


def test_network_comes_back_with_all_its_parameters(tmp_path):
    network = MODELS["network"]()
    network.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert loaded.architecture == network.architecture
    assert loaded.dtype == network.dtype
    assert list(loaded.parameters) == list(network.parameters)
    for name, array in network.parameters.items():
        assert loaded.parameters[name].tobytes() == array.tobytes()
    loaded.parameters["V"][0, 0] = 7  # still views on one vector
    assert 7 in loaded.parameters.vector


@pytest.mark.parametrize("kind", [Network, RNNClassifier, RNNTagger])
def test_model_of_another_kind_is_refused_by_name(tmp_path, model, kind):
    model.save(tmp_path / "model")
    if isinstance(model, kind):
        return
    with pytest.raises(
        ModelFileError, match=f"holds a {type(model).__name__}, not a {kind.__name__}.*elman.load"
    ):
        kind.load(tmp_path / "model")


def test_unknown_kind_is_refused(tmp_path):
    write_model(tmp_path / "model", "Transformer", {}, {"V": np.ones(3)})
    with pytest.raises(ModelFileError, match="holds a 'Transformer'; this elman knows Network"):
        elman.load(tmp_path / "model")


def test_missing_file_speaks_for_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        elman.load(tmp_path / "nowhere")


def altered(tmp_path, model, change):
    """Write a file that is whole and signed, and whose content does not fit together."""
    model.save(tmp_path / "model")
    kind, settings, arrays = read_model(tmp_path / "model")
    change(settings, arrays)
    write_model(tmp_path / "model", kind, settings, arrays)
    return tmp_path / "model"


def architecture(settings):
    return settings.get("architecture", settings)


CHANGES = {
    "no settings": lambda settings, arrays: settings.clear(),
    "no arrays": lambda settings, arrays: arrays.clear(),
    "lacks U1": lambda settings, arrays: arrays.pop("U1"),
    "lacks V": lambda settings, arrays: arrays.pop("V"),
    "V of another shape": lambda settings, arrays: arrays.update(V=np.ones((5, 7), np.float32)),
    "V that would spread": lambda settings, arrays: arrays.update(V=np.ones((1, 1), np.float32)),
    "U1 that is flat": lambda settings, arrays: arrays.update(U1=arrays["U1"].ravel()),
    "V of integers": lambda settings, arrays: arrays.update(V=np.ones(arrays["V"].shape, int)),
    "unknown cell": lambda settings, arrays: architecture(settings).update(
        cells=["lstm"] * len(architecture(settings)["cells"])
    ),
    "no layers": lambda settings, arrays: architecture(settings).update(hidden=[], cells=[]),
    "hidden is text": lambda settings, arrays: architecture(settings).update(hidden="ab"),
    "larger than memory": lambda settings, arrays: architecture(settings).update(
        hidden=[10**9] * len(architecture(settings)["hidden"])
    ),
}

ESTIMATOR_CHANGES = {
    "unknown parameter": lambda settings, arrays: settings["params"].update(dropout=0.5),
    "no parameters": lambda settings, arrays: settings.update(params=None),
    "lacks mean": lambda settings, arrays: arrays.pop("mean"),
    "mean of another shape": lambda settings, arrays: arrays.update(mean=np.ones(9)),
    "a class too few": lambda settings, arrays: settings["classes"].pop(),
    "unknown dtype of classes": lambda settings, arrays: settings.update(classes_dtype="Q9"),
    "another number of features": lambda settings, arrays: settings.update(n_features_in=9),
    "lacks history": lambda settings, arrays: settings.pop("history"),
}


@pytest.mark.parametrize("name", ["network", "classifier"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_content_that_does_not_fit_is_refused(tmp_path, name, change):
    with pytest.raises(ModelFileError, match="model"):
        elman.load(altered(tmp_path, MODELS[name](), change))


@pytest.mark.parametrize("change", ESTIMATOR_CHANGES.values(), ids=ESTIMATOR_CHANGES)
def test_estimator_that_does_not_fit_together_is_refused(tmp_path, change):
    with pytest.raises(ModelFileError, match="model"):
        elman.load(altered(tmp_path, MODELS["classifier"](), change))
