from dataclasses import replace

import numpy as np
import pytest

import elman
from elman import ModelFileError, Network, RNNClassifier, RNNRegressor, RNNTagger
from elman.estimators.answers import Classes
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


def test_save_replaces_a_model_or_an_empty_file_and_nothing_else(tmp_path, model):
    path = tmp_path / "readings.csv"
    path.write_text("a,b\n" * 20)
    with pytest.raises(FileExistsError, match=r"readings\.csv exists, and is not a model file"):
        model.save(path)
    assert path.read_text() == "a,b\n" * 20
    path.write_bytes(b"")
    for _ in range(2):
        model.save(path)
    assert type(elman.load(path)) is type(model)


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


def test_message_is_no_longer_for_a_long_kind(tmp_path):
    write_model(tmp_path / "model", "x" * 100_000, {}, {"V": np.ones(3)})
    with pytest.raises(ModelFileError, match="this elman knows Network") as refused:
        elman.load(tmp_path / "model")
    assert len(str(refused.value)) < 400


def test_missing_file_speaks_for_itself(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.$"):
        elman.load(tmp_path / "nowhere")
    (tmp_path / "walks.safetensors").touch()
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'walks.safetensors'\?"):
        elman.load(tmp_path / "walk.safetensors")


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
        cells=["unheard"] * len(architecture(settings)["cells"])
    ),
    "a setting of tomorrow": lambda settings, arrays: architecture(settings).update(residual=True),
    "no layers": lambda settings, arrays: architecture(settings).update(hidden=[], cells=[]),
    "hidden is text": lambda settings, arrays: architecture(settings).update(hidden="ab"),
    "larger than memory": lambda settings, arrays: architecture(settings).update(
        hidden=[10**9] * len(architecture(settings)["hidden"])
    ),
}

ESTIMATOR_CHANGES = {
    "unknown parameter": lambda settings, arrays: settings["params"].update(unheard=0.5),
    "no parameters": lambda settings, arrays: settings.update(params=None),
    "lacks mean": lambda settings, arrays: arrays.pop("mean"),
    "mean of another shape": lambda settings, arrays: arrays.update(mean=np.ones(9)),
    "a class too few": lambda settings, arrays: settings["classes"].pop(),
    "unknown dtype of classes": lambda settings, arrays: settings.update(classes_dtype="Q9"),
    "another number of features": lambda settings, arrays: settings.update(n_features_in=9),
    "lacks history": lambda settings, arrays: settings.pop("history"),
    "history without losses": lambda settings, arrays: settings.update(history=[{"epoch": 1}]),
    "history of numbers": lambda settings, arrays: settings.update(history=[1.0]),
    "scale of 0": lambda settings, arrays: arrays["scale"].__setitem__(0, 0),
    "negative scale": lambda settings, arrays: arrays["scale"].__setitem__(1, -1),
    "mean of integers": lambda settings, arrays: arrays.update(mean=np.zeros(2, int)),
    "a class twice": lambda settings, arrays: settings.update(classes=["a", "b", "b"]),
    "unsorted classes": lambda settings, arrays: settings.update(classes=["c", "b", "a"]),
    "classes within classes": lambda settings, arrays: settings.update(
        classes=[["a"], ["b"], ["c"]]
    ),
    "one word as classes": lambda settings, arrays: settings.update(classes="abc"),
    "numbers as text": lambda settings, arrays: settings.update(classes=[1, 2, 3]),
    "text as numbers": lambda settings, arrays: settings.update(
        classes=["1", "2", "3"], classes_dtype="<i8"
    ),
    "classes that are cut off": lambda settings, arrays: settings.update(
        classes=[1.5, 2.5, 3.5], classes_dtype="<i8"
    ),
    "classes too large": lambda settings, arrays: settings.update(
        classes=[1, 2, 300], classes_dtype="|u1"
    ),
    "classes far too large": lambda settings, arrays: settings.update(
        classes=[1, 2, 10**30], classes_dtype="<i8"
    ),
    "class that is NaN": lambda settings, arrays: settings.update(
        classes=[1.0, 2.0, np.nan], classes_dtype="<f8"
    ),
    "text as wide as memory": lambda settings, arrays: settings.update(classes_dtype="<U500000000"),
    "classes of bytes": lambda settings, arrays: settings.update(classes_dtype="|S1"),
    "classes of dates": lambda settings, arrays: settings.update(
        classes=["2001-01-01", "2002-01-01", "2003-01-01"], classes_dtype="<M8[D]"
    ),
    "classes of fields": lambda settings, arrays: settings.update(classes_dtype="i4,i4"),
    "classes of nothing": lambda settings, arrays: settings.update(
        classes=[None] * 3, classes_dtype="|O"
    ),
    "classes of extended precision": lambda settings, arrays: settings.update(
        classes=[1.0, 2.0, 3.0], classes_dtype="<f16"
    ),
    "no dtype of classes": lambda settings, arrays: settings.update(classes_dtype=None),
    "a name too few": lambda settings, arrays: settings.update(feature_names_in=["a"]),
    "names that are numbers": lambda settings, arrays: settings.update(feature_names_in=[1, 2]),
    "half a feature": lambda settings, arrays: settings.update(n_features_in=2.5),
    "no feature": lambda settings, arrays: settings.update(n_features_in=0, fitted_on_rows=True),
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


def spoil(model, **parts):
    model._fitted = replace(model._fitted, **parts)


SPOILT = {
    "weights that are NaN": lambda m: m.network_.parameters["W1"].fill(np.nan),
    "weights that are infinite": lambda m: m.network_.parameters["V"].fill(np.inf),
    "a scale of 0": lambda m: m.scale_.fill(0),
    "a scale that is NaN": lambda m: m.scale_.fill(np.nan),
    "a mean that is infinite": lambda m: m.mean_.fill(np.inf),
    "a class twice": lambda m: m.classes_.__setitem__(0, m.classes_[1]),
    "unsorted classes": lambda m: spoil(m, answers=Classes(m.classes_[::-1])),
    "classes of bytes": lambda m: spoil(m, answers=Classes(m.classes_.astype("S"))),
    "too few classes": lambda m: spoil(m, answers=Classes(m.classes_[:2])),
    "too few names": lambda m: spoil(m, format=replace(m._fitted.format, names=("a",))),
    "another number of features": lambda m: spoil(m, format=replace(m._fitted.format, n_columns=3)),
}


OF_NUMBERS = {
    "a deviation of 0": lambda m: m.target_scale_.fill(0),
    "a mean that is NaN": lambda m: m.target_mean_.fill(np.nan),
    "too many numbers": lambda m: spoil_numbers(m, mean=np.zeros(2), scale=np.ones(2)),
    "numbers of float32": lambda m: spoil_numbers(m, mean=np.zeros(1, np.float32)),
    "quantiles that are no truth value": lambda m: spoil_numbers(m, by_quantile=1),
    "classes": lambda m: spoil(m, answers=Classes(np.array([0]))),
}


def spoil_numbers(model, **parts):
    spoil(model, answers=replace(model._fitted.answers, **parts))


@pytest.mark.parametrize("change", OF_NUMBERS.values(), ids=OF_NUMBERS)
def test_numbers_that_could_not_be_loaded_are_not_saved(tmp_path, change):
    model = RNNRegressor(3, max_iter=1).fit(np.ones((9, 4, 2)), np.arange(9.0))
    change(model)
    with pytest.raises(ValueError, match=r"target_mean_|True or False|no loss of classes"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, change):
    model = MODELS["classifier"]()
    model.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    change(model)
    with pytest.raises(ValueError, match=r"finite|infinite|class|feature|greater than 0"):
        model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_network_that_computes_nothing_is_not_saved(tmp_path, value):
    network = MODELS["network"]()
    network.parameters["W1"][1, 1] = value
    with pytest.raises(ValueError, match="W1 has values that are NaN or infinite"):
        network.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_width_of_text_is_not_taken_at_its_word(tmp_path):
    """Labels may have been cut from an array with longer ones."""
    wide = np.array(list("abc") * 4, dtype="U1000")
    RNNClassifier(3, max_iter=1, random_state=0).fit(X, wide).save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert loaded.classes_.tolist() == ["a", "b", "c"]
    assert loaded.classes_.dtype == "<U1"
