"""Tokens: what X may be, and the vocabulary that numbers them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman import DataError
from elman.data import Sequences, Vocabulary, as_sequences, rows
from elman.data.tokens import holds_text, require_tokens, token_lists


@pytest.mark.parametrize(
    "X",
    [
        ["ab", "c"],
        ("ab",),
        np.array(["ab", "c"]),
        np.array(["ab", "c"], object),
        [["ab", "c"], ["d"]],
        [np.array(["ab", "c"])],
        [[], ["ab"]],
        [None, "ab"],
        "ab",
    ],
    ids=str,
)
def test_text_is_known(X):
    assert holds_text(X)


@pytest.mark.parametrize(
    "X",
    [
        [1, 2],
        [[1, 2], [3, 4]],
        np.zeros((2, 3)),
        np.array([["a", "b"]]),
        np.array([["a", 1]], object),
        [np.zeros((2, 1))],
        [[[1.0]]],
        [],
        {"a": [1]},
        {"a"},
        None,
        3,
        Sequences(np.zeros((2, 1)), np.array([0, 2])),
    ],
)
def test_numbers_and_tables_are_no_text(X):
    assert not holds_text(X)


def test_a_column_of_a_data_frame_is_text_and_a_data_frame_is_not():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["ab", "c"], "label": [0, 1]})
    assert holds_text(frame["text"])
    assert not holds_text(frame)
    assert token_lists(frame["text"]) == ["ab", "c"]


def test_columns_of_polars_and_pyarrow_are_text():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for column in (
        pl.Series(["ab", "c"]),
        pa.array(["ab", "c"]),
        pa.chunked_array([["ab"], ["c"]]),
    ):
        assert holds_text(column)
        assert token_lists(column) == ["ab", "c"]


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([["a", "b"], ("c",)], [["a", "b"], ["c"]]),
        ([np.array(["a", "b"])], [["a", "b"]]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([[[1], [2]]]), [[1, 2]]),
        ([np.array([[5], [6]])], [[5, 6]]),
        ([[np.int32(1), 2]], [[1, 2]]),
        (Sequences(np.array([[1.0], [2.0], [0.0]]), np.array([0, 2, 3])), [[1, 2], [0]]),
    ],
    ids=str,
)
def test_sequences_of_tokens_become_lists(X, expected):
    assert token_lists(X) == expected


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("ab", r"X is one text; expected a list of texts. Pass \[X\]"),
        (["a", ""], "sequence 1 of X has no steps"),
        (["a", []], "sequence 1 of X has no steps"),
        (["a", None], r"X\[1\] is of type NoneType; expected a text"),
        (["a", [1]], r"X\[1\] has whole numbers, the sequences before text"),
        ([["a", 1]], r"X\[0\] holds int, str; expected tokens"),
        ([[1.5]], r"X\[0\] holds float; expected tokens"),
        ([[True]], r"X\[0\] holds bool"),
        ([np.zeros((2, 2), int)], r"X\[0\] is of type ndarray of shape \(2, 2\)"),
        ([], "X holds no sequences"),
        (3, "X is of type int"),
    ],
    ids=str,
)
def test_what_is_no_sequence_of_tokens_is_refused(X, message):
    with pytest.raises(DataError, match=message):
        token_lists(X)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([[[1.0], [2.5]]], "X holds 2.5 in sequence 0, step 1; expected tokens, whole numbers"),
        ([[[1.0]], [[2.0], [1e300]]], r"X holds 1e\+300 in sequence 1, step 1"),
        ([[[1.0, 2.0]]], "X has 2 features a step; a token is one whole number"),
    ],
    ids=str,
)
def test_sequences_of_numbers_that_are_no_tokens_are_refused(sequences, message):
    with pytest.raises(DataError, match=message):
        token_lists(as_sequences([np.array(x) for x in sequences]))


def test_tokens_stay_in_a_large_file_until_they_are_numbered(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LARGE", 8)
    np.save(tmp_path / "X.npy", np.arange(6.0).reshape(2, 3, 1))
    sequences = as_sequences(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert sequences.unread is not None
    assert token_lists(sequences) == [[0, 1, 2], [3, 4, 5]]


def test_a_table_is_refused_with_the_column_to_pass():
    pd = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"X\['text'\]"):
        token_lists(pd.DataFrame({"text": ["ab"]}))


def test_vocabulary_is_in_ascending_order_whatever_comes_first_or_oftenest():
    assert Vocabulary.learned(["cab", "bbb"]) == Vocabulary(("a", "b", "c"), True)
    assert Vocabulary.learned([["to", "be"], ["be"]]) == Vocabulary(("be", "to"), False)
    assert Vocabulary.learned([[10, 9], [-1]]) == Vocabulary((-1, 9, 10), False)


def test_what_is_rare_shares_the_column_of_the_unknown():
    vocabulary = Vocabulary.learned(["aab", "acb"], min_frequency=2)
    assert vocabulary.tokens == ("a", "b")
    assert vocabulary.unknown == 2
    assert len(vocabulary) == 3
    assert vocabulary.encoded(["acb", "z"]).values.ravel().tolist() == [0, 2, 1, 2]


def test_a_frequency_that_nothing_has_is_refused():
    with pytest.raises(DataError, match="the most frequent one occurs 2 times"):
        Vocabulary.learned(["aab"], min_frequency=3)


@given(st.lists(st.text(min_size=1), min_size=1), st.integers(1, 3))
def test_encoding_is_a_look_up_of_each_token(texts, min_frequency):
    counts = {c: "".join(texts).count(c) for c in "".join(texts)}
    known = sorted(c for c in counts if counts[c] >= min_frequency)
    if not known:
        return
    vocabulary = Vocabulary.learned(texts, min_frequency)
    assert list(vocabulary.tokens) == known
    vocabulary.check()
    assert Vocabulary.from_settings(vocabulary.settings) == vocabulary
    encoded = vocabulary.encoded(texts)
    assert len(encoded) == len(texts)
    for text, sequence in zip(texts, encoded, strict=True):
        expected = [known.index(c) if c in known else len(known) for c in text]
        assert sequence[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("x_t", "n", "expected"),
    [("b", None, [1]), ("z", None, [2]), (["a", "b"], 2, [[0], [1]]), (np.array(["b"]), 1, [[1]])],
)
def test_a_step_is_a_token_for_each_sequence(x_t, n, expected):
    found = Vocabulary(("a", "b"), True).of_step(x_t, n, np.float64)
    assert found.tolist() == expected
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("x_t", "n", "message"),
    [
        (["a"], None, "expected one token"),
        ("a", 1, "expected a list of 1 tokens"),
        (["a"], 2, "expected a list of 2 tokens"),
        ("ab", None, "expected one character"),
        (3, None, "x_t has whole numbers; the model's tokens are text, such as 'a'"),
    ],
)
def test_a_step_that_is_no_token_is_refused(x_t, n, message):
    with pytest.raises(DataError, match=message):
        Vocabulary(("a", "b"), True).of_step(x_t, n, np.float32)


def test_a_text_is_no_list_of_words():
    vocabulary = Vocabulary(("be", "to"))
    with pytest.raises(DataError, match=r"X\[1\]\.split\(\)"):
        vocabulary.encoded([["be"], "to be"])


@pytest.mark.parametrize(
    ("tokens", "are_characters"),
    [
        ((), False),
        (("a", "a"), True),
        (("b", "a"), True),
        (("a", 1), False),
        ((True, 2), False),
        ((1.0,), False),
        ((None,), False),
        ((["a"],), False),
        (("ab",), True),
        (("a",), 1),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(tokens, are_characters):
    with pytest.raises(ValueError, match="token"):
        Vocabulary(tokens, are_characters).check()


@pytest.mark.parametrize("wrong", [-1, 3, 0.5, np.nan, np.inf])
def test_numbers_that_are_no_columns_are_refused(wrong):
    require_tokens(np.array([0.0, 2.0]), 3)
    with pytest.raises(DataError, match="expected tokens, whole numbers 0 … 2"):
        require_tokens(np.array([0.0, wrong]), 3)
