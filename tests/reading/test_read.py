"""What a model remembers of how its data were read, and holds new data to."""

import numpy as np
import pandas as pd
import pytest

import elman
from elman import DataError, ModelFileError, RNNClassifier
from elman.persistence import read_model, write_model


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "machine": np.repeat(np.arange(20), 3),
            "at": np.tile(np.arange(3), 20),
            "temp [°C]": rng.standard_normal(n),
            "gear": rng.choice(["up", "down"], n),
            "failed": np.repeat(["no", "yes"] * 10, 3),
        }
    )


@pytest.fixture(scope="module")
def model(frame):
    X, y, _ = elman.read_sequences(frame, label="failed")
    return RNNClassifier(3, max_iter=1, random_state=0, engine="reference").fit(X, y)


def test_the_model_file_remembers(frame, model, tmp_path):
    model.save(tmp_path / "model")
    loaded = elman.load(tmp_path / "model")
    assert loaded.feature_names_in_.tolist() == ["temp [°C]", "gear=down", "gear=up"]
    assert loaded.reading_ == model.reading_
    shuffled = frame[frame.columns[::-1]].sample(frac=1, random_state=0).drop(columns="failed")
    X, y, info = elman.read_sequences(shuffled, like=loaded)
    assert y is None
    answers = dict(zip(info.ids.tolist(), loaded.predict_proba(X).tolist(), strict=True))
    Z, _, _ = elman.read_sequences(frame, like=model)
    expected = model.predict_proba(Z)
    for i in range(20):
        assert answers[i] == expected[i].tolist()


def test_a_category_that_is_not_there_stays_a_feature(frame, model):
    X, _, _ = elman.read_sequences(frame.assign(gear="up"), like=model)
    assert X.names == ("temp [°C]", "gear=down", "gear=up")
    other = frame.assign(gear="sideways")
    with pytest.raises(
        DataError, match=r"'gear' holds 'sideways' in row 1 .* categories are 'down'"
    ):
        elman.read_sequences(other, like=model)


def test_units_are_part_of_the_name(frame, model):
    _, _, info = elman.read_sequences(frame, label="failed")
    assert info.units == {"temp [°C]": "°C"}
    other = frame.rename(columns={"temp [°C]": "temp [°F]"})
    message = r"no column 'temp \[°C\]', which the model was trained with; .*is in another unit"
    with pytest.raises(DataError, match=message):
        elman.read_sequences(other, like=model)


def test_other_columns_are_refused_by_name(frame, model):
    with pytest.raises(
        DataError, match=r"no column 'gear', which the model.*Did you mean 'gearr'?"
    ):
        elman.read_sequences(frame.rename(columns={"gear": "gearr"}), like=model)
    X, _, _ = elman.read_sequences(frame, label="failed", features=["temp [°C]"])
    with pytest.raises(DataError, match="features"):
        model.predict(X)
    X, _, _ = elman.read_sequences(frame.rename(columns={"temp [°C]": "t"}), label="failed")
    with pytest.raises(DataError, match=r"fitted on temp \[°C\], .*; temp \[°C\] missing"):
        model.predict(X)


def test_like_takes_nothing_beside_it(frame, model):
    with pytest.raises(DataError, match=r"like=... says how to read; leave id, missing out"):
        elman.read_sequences(frame, like=model, id="machine", missing="mean")
    other = RNNClassifier(3, max_iter=1).fit(np.zeros((4, 2, 1)), [0, 1, 0, 1])
    with pytest.raises(DataError, match="does not say how its data were read"):
        elman.read_sequences(frame, like=other)
    with pytest.raises(AttributeError, match="not read by"):
        _ = other.reading_


def test_labels_like_a_models_are_read_where_they_are_there(frame, model):
    assert elman.read_sequences(frame, like=model)[1].tolist() == ["no", "yes"] * 10
    changing = frame.assign(failed=["no", "yes"] * 30)
    with pytest.raises(DataError, match=r"'failed' changes within .* leave their column out"):
        elman.read_sequences(changing, like=model)
    X, y, _ = elman.read_sequences(changing.drop(columns="failed"), like=model)
    assert y is None
    assert len(X) == 20


def test_an_index_of_three_levels_is_asked_about(frame):
    panel = frame.assign(plant=1).set_index(["plant", "machine", "at"])
    with pytest.raises(
        DataError, match="index of 3 levels, 'plant', 'machine', 'at'; expected two"
    ):
        elman.read_sequences(panel, label="failed")
    X, _, info = elman.read_sequences(panel, label="failed", id="machine", time="at")
    assert (info.id, info.time, len(X)) == ("machine", "at", 20)
    model = RNNClassifier(3, max_iter=1, engine="reference").fit(X, ["no", "yes"] * 10)
    assert len(elman.read_sequences(panel, like=model)[0]) == 20


def test_names_survive_a_search(frame):
    from sklearn.model_selection import GridSearchCV

    X, y, _ = elman.read_sequences(frame, label="failed")
    search = GridSearchCV(RNNClassifier(3, max_iter=1), {"alpha": [0.0, 0.1]}, cv=2).fit(X, y)
    assert search.best_estimator_.feature_names_in_.tolist() == list(X.names)
    assert search.best_estimator_.reading_["id"] == "machine"


def test_what_is_read_is_not_written_to(frame):
    """Standardising works in place on copies alone."""
    X, y, _ = elman.read_sequences(frame, label="failed")
    before = X.values.copy()
    model = RNNClassifier(3, max_iter=1).fit(X, y)
    model.predict(X)
    np.testing.assert_array_equal(X.values, before)


def test_arrays_and_sequences_train_the_same(frame):
    X, y, _ = elman.read_sequences(frame, label="failed")
    one = RNNClassifier(3, max_iter=2, random_state=0).fit(X, y)
    other = RNNClassifier(3, max_iter=2, random_state=0).fit(list(X), y)
    np.testing.assert_array_equal(one.network_.parameters.vector, other.network_.parameters.vector)


def test_a_model_file_whose_reading_is_none_is_refused(model, tmp_path):
    model.save(tmp_path / "model")
    kind, settings, arrays = read_model(tmp_path / "model")
    write_model(tmp_path / "other", kind, {**settings, "reading": 3}, arrays)
    with pytest.raises(ModelFileError, match="reading must be a mapping"):
        elman.load(tmp_path / "other")
    write_model(tmp_path / "other", kind, {**settings, "reading": {"id": 3}}, arrays)
    with pytest.raises(DataError, match="does not say how"):
        elman.read_sequences(pd.DataFrame({"x": [1.0]}), like=elman.load(tmp_path / "other"))


def test_one_sequence_with_one_answer_is_refused():
    columns = {"id": ["a"] * 3, "x": [1.0, 2.0, 3.0], "label": ["u"] * 3}
    frame = pd.DataFrame(columns)
    with pytest.raises(DataError, match="column 'id' is 'a' in all rows: one sequence"):
        elman.read_sequences(frame)
    assert len(elman.read_sequences(frame, task="tag")[1][0]) == 3
    assert elman.read_sequences(frame, features="x", layout="one")[2].id is None
    X, _, _ = elman.read_sequences(frame.drop(columns="label"))
    assert len(X) == 1


def test_what_looks_like_an_id_or_a_time_may_be_none(frame):
    X, _, info = elman.read_sequences(frame, label="failed", time="none")
    assert info.time is None
    assert X.names == ("at", "temp [°C]", "gear=down", "gear=up")
    X, _, info = elman.read_sequences(frame, id="none", time="none")
    assert (info.id, len(X)) == (None, 1)
    assert X.names[:2] == ("machine", "at")
    _, _, info = elman.read_sequences(frame.rename(columns={"machine": "none"}), id="none")
    assert (info.id, len(info.ids)) == ("none", 20)  # a column has the name


def test_what_was_found_is_shown_in_two_lines_at_most(frame):
    _, _, info = elman.read_sequences(frame, label="failed")
    assert repr(info) == f"<Info of the table: {info}>"
    for i in range(30):
        frame = frame.assign(**{f"text{i}": "a"})
    _, _, info = elman.read_sequences(frame, label="failed")
    assert len(repr(info)) <= 161
    assert repr(info).endswith(" ...>")
