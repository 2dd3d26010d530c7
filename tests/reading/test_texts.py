"""Tables with a row a text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import elman
from elman import DataError, RNNClassifier, read_sequences
from elman.data.tokens import as_sequences_of_characters, holds_text, token_lists

pd = pytest.importorskip("pandas")

TEXTS = ["good, äh", "bad", "so\nso, 💡", "bad bad"] * 5
STARS = ["high", "low", "high", "low"] * 5


@pytest.fixture
def table():
    return pd.DataFrame({"review": TEXTS, "stars": STARS, "n": range(20)})


@given(st.lists(st.text(min_size=1), min_size=1))
def test_texts_come_back(texts):
    sequences = as_sequences_of_characters(texts, {})
    assert token_lists(sequences) == texts == list(sequences)
    assert sequences[-1] == texts[-1]
    assert holds_text(sequences)
    last = sequences.take(np.array([len(texts) - 1, 0]))
    assert token_lists(last) == [texts[-1], texts[0]]


def test_a_column_of_texts_is_read(table):
    X, y, info = read_sequences(table, text="review", label="stars")
    assert token_lists(X) == TEXTS
    assert y.tolist() == STARS
    assert repr(X) == "<20 sequences of 3 to 8 steps, characters>"
    assert "a row a text, a step a character" in str(info)
    same, _, _ = read_sequences(table, layout="text", features="review", label="stars")
    assert same.reading == X.reading


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_model_reads_other_files_as_its_own_was_read(table, tmp_path, suffix):
    path = tmp_path / f"texts.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    else:
        pytest.importorskip("pyarrow")
        table.to_parquet(path)
    X, y, _ = read_sequences(path, text="review", label="stars")
    model = RNNClassifier(8, max_iter=2, random_state=0).fit(X, y)
    again = RNNClassifier(8, max_iter=2, random_state=0).fit(TEXTS, STARS)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(TEXTS))
    model.save(tmp_path / "model.safetensors")
    loaded = elman.load(tmp_path / "model.safetensors")
    other, labels, _ = read_sequences(path, like=loaded)
    np.testing.assert_array_equal(loaded.predict(other), model.predict(TEXTS))
    assert labels.tolist() == STARS
    with pytest.raises(DataError, match="no column 'review'"):
        read_sequences(table.drop(columns="review"), like=loaded)


def test_what_holds_no_text_is_refused(table):
    with pytest.raises(DataError, match="column 'n' holds Int64; expected text"):
        read_sequences(table, text="n", label="stars")
    with pytest.raises(DataError, match="text='review' says that a row is a text; leave time out"):
        read_sequences(table, text="review", time="n")
    with pytest.raises(DataError, match=r"which one holds the texts\? Name it: text="):
        read_sequences(table, layout="text", label="stars")
    for missing in ("", None):
        table.loc[2, "review"] = missing
        with pytest.raises(DataError, match="column 'review' has no text in row 3"):
            read_sequences(table, text="review", label="stars")
    with pytest.raises(DataError, match="has one label for each"):
        read_sequences(pd.DataFrame({"a": ["b"], "y": ["c"]}), text="a", label="y", task="tag")


def test_a_file_of_texts_alone_is_read_where_its_column_is_known(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('review\nfine\n"no, not; at all"\n')
    labelled = pd.DataFrame({"review": TEXTS, "stars": STARS})
    X, y, _ = read_sequences(labelled, text="review", label="stars")
    model = RNNClassifier(8, max_iter=2, random_state=0).fit(X, y)
    for said in ({"text": "review"}, {"like": model}, {"text": "review", "separator": ","}):
        X, y, _ = read_sequences(path, **said)
        assert ([X[0], X[1]], y) == (["fine", "no, not; at all"], None)
    with pytest.raises(DataError, match=r"one column, 'review'.*say so: separator=','"):
        read_sequences(path, text="other")
