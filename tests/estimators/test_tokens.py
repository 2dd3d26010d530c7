"""Estimators of texts and of tokens."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils._param_validation import InvalidParameterError

import elman
from elman import (
    DataError,
    ModelFileError,
    RNNClassifier,
    RNNRegressor,
    RNNStepRegressor,
    RNNTagger,
    explain,
    gradient_flow,
    load,
)
from elman.data.tokens import as_sequences_of_characters
from elman.estimators.checkpoint import digests_of
from elman.estimators.facts import facts, of_data
from elman.estimators.files import fitted_from
from elman.estimators.representation import described
from elman.inspection import permutation_importance
from elman.persistence import Model
from tolerances import VERSUS_NAIVE, relative_error

SETTINGS = {"hidden_layer_sizes": 9, "max_iter": 2, "n_members": 1, "random_state": 0}

rng = np.random.default_rng(0)
Y = rng.integers(0, 2, 40)
TEXTS = ["".join(rng.choice(list("abcd"[y : y + 3]), rng.integers(2, 9))) for y in Y]
WORDS = [[f"<{c}>" for c in text] for text in TEXTS]
INTEGERS = [[ord(c) for c in text] for text in TEXTS]


@pytest.fixture(scope="module")
def model():
    return RNNClassifier(**SETTINGS).fit(TEXTS, Y)


@pytest.fixture(scope="module")
def tagger():
    settings = SETTINGS | {"max_iter": 40}
    return RNNTagger(**settings).fit([t[:-1] for t in TEXTS], [t[1:] for t in TEXTS])


def one_hot(columns, width):
    return [np.eye(width, dtype=np.float32)[x] for x in columns]


def test_a_vocabulary_is_learned(model):
    assert model.vocabulary_ == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert model.network_.architecture.tokens
    assert model.network_.parameters["U1"].shape == (27, 5)
    assert model.n_features_in_ == 1
    assert not hasattr(model, "feature_names_in_")
    assert dict(described(model._fitted))["a step"] == "one of 4 characters, or unknown"


def test_what_is_not_known_says_nothing_at_first(model):
    assert not model.network_.parameters["U1"][:, 4].any()
    np.testing.assert_array_equal(model.predict_proba(["xyz"]), model.predict_proba(["???"]))


def test_what_is_held_out_alone_says_nothing_either():
    texts = [*TEXTS, "é"]
    model = RNNClassifier(**SETTINGS, early_stopping=True, validation_fraction=0.5)
    held_out = RNNClassifier(**SETTINGS).fit(TEXTS, Y, validation_data=(["é"], [0]))
    assert "é" not in held_out.vocabulary_
    seeds = range(20)
    absent = []
    for seed in seeds:
        U = model.set_params(random_state=seed).fit(texts, [*Y, 0]).network_.parameters["U1"]
        column = U[:, model.vocabulary_["é"]]
        absent.append(not column.any())
    assert 0 < sum(absent) < len(seeds)  # half of the sequences are held out


def test_several_networks_of_tokens_begin_so_each(monkeypatch):
    monkeypatch.setattr("elman.estimators.base.train", lambda *_, **__: None)
    several = RNNClassifier(**SETTINGS | {"n_members": 3}, engine="reference").fit(TEXTS, Y)
    U = several.network_.parameters["U1"].reshape(3, 3, 9, 5)  # gates, networks, units, tokens
    assert (U[..., -1] == 0).all()
    assert (U[..., :-1] != 0).all()
    assert (U[:, 0] != U[:, 1]).any()


def test_training_on_tokens_is_training_on_one_hot_steps():
    """The same bits after two epochs, from the same weights."""
    columns = [np.array([ord(c) - 97 for c in text]) for text in TEXTS]
    features = {"standardize": False, "differences": False, "frame": None}
    settings = SETTINGS | {"warm_start": True, "max_iter": 1, "batch_size": 16}
    of_tokens = RNNClassifier(**settings).fit(TEXTS, Y)
    of_features = RNNClassifier(**settings, **features).fit(one_hot(columns, 5), Y)
    of_features.network_.parameters.vector[...] = of_tokens.network_.parameters.vector
    for estimator, X in ((of_tokens, TEXTS), (of_features, one_hot(columns, 5))):
        estimator.set_params(max_iter=2).fit(X, Y)
    np.testing.assert_array_equal(
        of_tokens.network_.parameters.vector, of_features.network_.parameters.vector
    )
    assert of_tokens.loss_curve_[1:] == of_features.loss_curve_[1:]


@pytest.mark.parametrize(
    ("X", "settings"),
    [
        (tuple(TEXTS), {}),
        (np.array(TEXTS), {}),
        (np.array(TEXTS, object), {}),
        ([list(text) for text in TEXTS], {}),
        ([np.array(list(text)) for text in TEXTS], {}),
        (WORDS, {}),
        (INTEGERS, {"tokens": True}),
        ([np.array(x)[:, None] for x in INTEGERS], {"tokens": True}),
    ],
    ids=[
        "tuple",
        "array",
        "objects",
        "lists of characters",
        "arrays of characters",
        "words",
        "integers",
        "columns of integers",
    ],
)
def test_all_kinds_of_tokens_are_learned_alike(model, X, settings):
    other = RNNClassifier(**SETTINGS, **settings).fit(X, Y)
    np.testing.assert_array_equal(
        other.network_.parameters.vector, model.network_.parameters.vector
    )
    np.testing.assert_array_equal(other.predict(X), model.predict(TEXTS))
    assert list(other.vocabulary_.values()) == [0, 1, 2, 3]


def test_columns_of_tables_are_texts(model):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"text": TEXTS, "label": Y}, index=range(7, 7 + len(Y)))
    other = RNNClassifier(**SETTINGS).fit(table["text"], table["label"])
    np.testing.assert_array_equal(
        other.network_.parameters.vector, model.network_.parameters.vector
    )


def test_numbers_are_numbers_unless_they_are_said_to_be_tokens():
    X = rng.integers(0, 5, (20, 6))
    y = X[:, 0] > 2
    numbers = RNNClassifier(**SETTINGS).fit(X, y)
    tokens = RNNClassifier(**SETTINGS, tokens=True).fit(X, y)
    assert not numbers.network_.architecture.tokens
    assert tokens.network_.architecture.tokens
    assert not hasattr(numbers, "vocabulary_")
    with pytest.raises(DataError, match=r"X is text; this RNNClassifier was fitted on numbers"):
        numbers.predict(TEXTS)


def test_an_array_of_tokens_gives_arrays():
    X = rng.integers(0, 5, (20, 6))
    tagger = RNNTagger(**SETTINGS, tokens=True).fit(X, X)
    assert tagger.predict(X).shape == (20, 6)
    assert tagger.predict(list(X)).dtype == object


@pytest.mark.parametrize(
    ("X", "settings", "message"),
    [
        ("text", {}, r"X is one text; expected a list of texts. Pass \[X\]"),
        (["a", ""], {}, "sequence 1 of X has no steps"),
        (["a", None], {}, r"X\[1\] is of type NoneType"),
        (np.array([["a", "b"], ["c", "d"]]), {}, r"X is text in two axes.*X\.tolist\(\)"),
        ([["a", 1], ["b", 2]], {}, r"X\[0\] holds int, str"),
        ([[1.5], [2.5]], {"tokens": True}, r"X\[0\] holds float"),
        (["a", "b"], {"min_frequency": 2}, "min_frequency=2 leaves no token"),
    ],
    ids=str,
)
def test_what_is_no_tokens_is_refused(X, settings, message):
    with pytest.raises(DataError, match=message):
        RNNClassifier(**SETTINGS, **settings).fit(X, [0, 1])


def test_text_that_is_said_to_be_numbers_is_refused():
    read = as_sequences_of_characters(TEXTS, {})
    for X in (TEXTS, WORDS, read):
        with pytest.raises(DataError, match="X is text, and tokens=False takes numbers"):
            RNNClassifier(**SETTINGS, tokens=False).fit(X, Y)


def test_a_switch_may_be_numpy_s():
    on, off = np.array([True, False])
    X = np.array([[[0], [1]], [[1], [0]]])
    assert RNNClassifier(**SETTINGS, tokens=on).fit(X, [0, 1]).vocabulary_ == {0: 0, 1: 1}
    assert not hasattr(RNNClassifier(**SETTINGS, tokens=off).fit(X, [0, 1]), "vocabulary_")


def test_frames_of_tokens_are_refused():
    with pytest.raises(InvalidParameterError, match="of tokens leave frame out"):
        RNNClassifier(**SETTINGS, frame=(4, 1)).fit(TEXTS, Y)


def test_other_tokens_in_prediction_are_refused(model):
    with pytest.raises(DataError, match=r"X\[0\] has whole numbers; the model's tokens are text"):
        model.predict([[1, 2]])
    words = RNNClassifier(**SETTINGS).fit(WORDS, Y)
    with pytest.raises(DataError, match=r"X\[0\]\.split\(\)"):
        words.predict(TEXTS)


def test_rare_tokens_share_the_column_of_the_unknown():
    X = [*TEXTS, "zz", "y"]
    model = RNNClassifier(**SETTINGS, min_frequency=3).fit(X, [*Y, 0, 1])
    assert model.vocabulary_ == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert model.network_.parameters["U1"][:, 4].any()  # it was learned
    np.testing.assert_array_equal(model.predict_proba(["az"]), model.predict_proba(["a?"]))


@pytest.mark.parametrize("min_frequency", [1, 12])
def test_what_has_weight_0_is_in_no_vocabulary(min_frequency):
    settings = SETTINGS | {"engine": "reference", "min_frequency": min_frequency}
    expected = RNNClassifier(**settings).fit(TEXTS, Y)
    X, weights = ["Aa" * 9, *TEXTS, "zzz"], [0, *[1] * 40, 0]
    found = RNNClassifier(**settings).fit(X, [0, *Y, 1], weights)
    assert found.vocabulary_ == expected.vocabulary_
    np.testing.assert_array_equal(found.predict_proba(TEXTS), expected.predict_proba(TEXTS))
    steps = RNNTagger(**settings).fit(
        [t + "z" for t in TEXTS], [t + "a" for t in TEXTS], [[1] * len(t) + [0] for t in TEXTS]
    )
    assert steps.vocabulary_ == expected.vocabulary_


def test_partial_fit_keeps_the_vocabulary():
    model = RNNClassifier(**SETTINGS).partial_fit(TEXTS[:20], Y[:20], classes=[0, 1])
    before = model.vocabulary_
    model.partial_fit(["xyz", *TEXTS[20:]], [0, *Y[20:]])
    assert model.vocabulary_ == before
    assert model.network_.parameters["U1"][:, len(before)].any()  # x, y and z came


def test_copies_and_files_answer_alike(model, tmp_path):
    model.save(tmp_path / "a.safetensors")
    for other in (load(tmp_path / "a.safetensors"), pickle.loads(pickle.dumps(model))):
        assert other.vocabulary_ == model.vocabulary_
        np.testing.assert_array_equal(other.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize(
    "forged",
    [
        {"tokens": ["a", "b", "c"]},
        {"tokens": ["a", "a", "c", "d"]},
        {"tokens": ["d", "c", "b", "a"]},
        {"tokens": ["a", "b", "c", 4]},
        {"tokens": ["a", "b", "c", None]},
        {"tokens": ["a", "b", "c", ["d"]]},
        {"tokens": ["a", "b", "c", "dd"]},
        {"tokens": 4},
        {"tokens": "abcd", "are_characters": "yes"},
        {"are_characters": None},
    ],
    ids=str,
)
def test_a_forged_vocabulary_is_refused(model, forged):
    kind, settings, arrays = model._model()
    settings = settings | {"vocabulary": settings["vocabulary"] | forged}
    with pytest.raises((ValueError, TypeError)):
        fitted_from(Model(kind, settings, arrays), model._answers, model._make_engine(), 0)


def test_a_vocabulary_where_none_belongs_is_refused(model):
    kind, settings, arrays = model._model()
    del settings["vocabulary"]
    with pytest.raises(ValueError, match="a vocabulary belongs to a network of tokens"):
        fitted_from(Model(kind, settings, arrays), model._answers, model._make_engine(), 0)
    other = RNNClassifier(**SETTINGS).fit(np.zeros((4, 3)), [0, 1, 0, 1])
    kind, settings, arrays = other._model()
    settings["vocabulary"] = {"tokens": ["a"], "are_characters": True}
    with pytest.raises(ValueError, match="a vocabulary belongs to a network of tokens"):
        fitted_from(Model(kind, settings, arrays), other._answers, other._make_engine(), 0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_step_by_step_as_the_whole_text(model, engine):
    model = clone(model).set_params(engine=engine).fit(TEXTS, Y)
    state = model.initial_state()
    for token in TEXTS[0]:
        answer, state = model.step(token, state)
    expected = model.predict_proba(TEXTS[:1])[0]
    if engine == "compiled":
        np.testing.assert_array_equal(answer, expected)
    assert relative_error(answer, expected) < VERSUS_NAIVE[np.dtype(np.float32)]
    state = model.initial_state(2)
    answers, state = model.step(["a", "?"], state)
    expected = model.predict_proba(["a", "?"])
    assert relative_error(answers, expected) < VERSUS_NAIVE[np.dtype(np.float32)]
    with pytest.raises(DataError, match="expected a list of 2 tokens"):
        model.step("a", state)


def test_a_state_keeps_its_vocabulary(model):
    other = clone(model).fit(TEXTS, Y)
    state = other.initial_state()
    expected, _ = other.step("a", state)
    other.fit([text[::-1].replace("a", "x") for text in TEXTS], Y)
    np.testing.assert_array_equal(other.step("a", state)[0], expected)
    with pytest.raises(ValueError, match="state is that of another network"):
        model.step("a", other.initial_state())


def test_labels_of_steps_may_be_texts(tagger):
    X, y = [t[:-1] for t in TEXTS], [t[1:] for t in TEXTS]
    assert tagger.classes_.tolist() == ["a", "b", "c", "d"]
    assert tagger.score(X, y) == tagger.score(X, [list(t) for t in y])
    assert set(tagger.predict(X[:1])[0]) <= set("abcd")
    with pytest.raises(DataError):
        tagger.score(X, [t + "a" for t in y])


def test_windows_of_a_long_text():
    """Truncated back-propagation carries states from window to window; over one window it is exact."""
    text = "to be or not to be, " * 30
    settings = SETTINGS | {"hidden_layer_sizes": 16, "max_iter": 60}
    model = RNNTagger(**settings, tbptt_steps=50).fit([text[:-1]], [text[1:]])
    assert model.score([text[:-1]], [text[1:]]) > 0.95
    whole = RNNTagger(**SETTINGS).fit([text[:-1]], [text[1:]])
    one_window = RNNTagger(**SETTINGS, tbptt_steps=len(text)).fit([text[:-1]], [text[1:]])
    np.testing.assert_array_equal(
        whole.network_.parameters.vector, one_window.network_.parameters.vector
    )


def test_a_sample_is_text_by_the_seed(tagger):
    first = tagger.sample(50, prompt="ab", random_state=1)
    assert isinstance(first, str)
    assert len(first) == 50
    assert set(first) <= set("abcd")
    assert first == tagger.sample(50, prompt="ab", random_state=1)
    assert first != tagger.sample(50, prompt="ab", random_state=2)
    assert len(tagger.sample(7)) == 7
    assert tagger.sample(0) == ""


def test_at_temperature_0_it_is_the_most_probable(tagger):
    prompt = "ab"
    for token in tagger.sample(10, prompt=prompt, temperature=0):
        assert token == tagger.predict([prompt])[0][-1]
        prompt += token
    assert tagger.sample(10, prompt="ab", temperature=1e-320) == prompt[2:]


def test_probabilities_of_a_sample_are_the_model_s(tagger):
    p = tagger.predict_proba(["ab"])[0][-1]
    drawn = [tagger.sample(1, prompt="ab", random_state=seed) for seed in range(1000)]
    shares = np.array([drawn.count(token) for token in "abcd"]) / len(drawn)
    assert np.abs(shares - p).max() < 4 * np.sqrt(0.25 / len(drawn))
    sharp = [tagger.sample(1, prompt="ab", temperature=0.01, random_state=s) for s in range(20)]
    assert set(sharp) == {"abcd"[p.argmax()]}


def test_words_and_integers_are_drawn_as_lists():
    for X, settings in ((WORDS, {}), (INTEGERS, {"tokens": True})):
        model = RNNTagger(**SETTINGS, **settings).fit([x[:-1] for x in X], [x[1:] for x in X])
        drawn = model.sample(5, prompt=X[0][:1], random_state=0)
        assert isinstance(drawn, list)
        assert set(drawn) <= {token for x in X for token in x}


def test_a_sample_of_what_is_no_next_token_is_refused(tagger):
    other = RNNTagger(**SETTINGS).fit(TEXTS, [[len(t)] * len(t) for t in TEXTS])
    with pytest.raises(DataError, match="sample draws the next token"):
        other.sample(3)
    numbers = RNNTagger(**SETTINGS).fit([np.zeros((3, 1))] * 4, [[0, 1, 0]] * 4)
    with pytest.raises(DataError, match="sample draws the next token"):
        numbers.sample(3)
    for temperature in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match="temperature"):
            tagger.sample(3, temperature=temperature)
    with pytest.raises(ValueError, match="n == -1"):
        tagger.sample(-1)
    with pytest.raises(DataError, match="prompt"):
        tagger.sample(3, prompt=[1])


def test_all_estimators_take_texts():
    lengths = [float(len(text)) for text in TEXTS]
    assert RNNRegressor(**SETTINGS).fit(TEXTS, lengths).predict(TEXTS).shape == (40,)
    steps = [np.arange(len(text), dtype=float) for text in TEXTS]
    assert len(RNNStepRegressor(**SETTINGS).fit(TEXTS, steps).predict(TEXTS)) == 40
    both = RNNClassifier(**SETTINGS, bidirectional=True).fit(TEXTS, Y)
    assert both.predict(TEXTS).shape == (40,)


def test_scikit_learn_splits_lists_of_texts():
    scores = cross_val_score(RNNClassifier(**SETTINGS), TEXTS, Y, cv=3)
    assert len(scores) == 3
    held_out = RNNClassifier(**SETTINGS, early_stopping=True).fit(TEXTS, Y)
    assert len(held_out.validation_scores_) == 2
    aside = RNNClassifier(**SETTINGS).fit(TEXTS, Y, validation_data=(["ab", "??"], [0, 1]))
    assert len(aside.validation_scores_) == 2


def test_a_model_of_tokens_learns():
    X = ["".join(rng.choice(list("abc"), 12)) for _ in range(200)]
    y = ["aa" in text for text in X]
    model = RNNClassifier(16, random_state=0, max_iter=100).fit(X[:150], y[:150])
    assert model.score(X[150:], y[150:]) > 0.9


def test_a_sequence_is_explained_by_the_tokens_that_occur(model):
    explanation = explain(model, TEXTS[0], Y[0])
    assert explanation.features == [repr(c) for c in sorted(set(TEXTS[0]))]
    assert all(check.passed for check in explanation.checks_)
    np.testing.assert_array_equal(explanation.x.sum(axis=1), 1)
    words = RNNClassifier(**SETTINGS).fit(WORDS, Y)
    assert explain(words, WORDS[0], Y[0]).features[0] == repr(min(WORDS[0]))


def test_gradient_flow_and_permutation_of_steps(model):
    assert gradient_flow(model, TEXTS, Y).n_sequences == 40
    found = permutation_importance(model, TEXTS, Y, over="steps", n_repeats=2, random_state=0)
    assert len(found.names) == max(map(len, TEXTS))
    with pytest.raises(DataError, match="pass over='steps'"):
        permutation_importance(model, TEXTS, Y)


def test_whole_numbers_stay_tokens_where_steps_are_permuted():
    X = np.array([[ord(c) for c in text[:2]] for text in TEXTS])[:, :, None]
    model = RNNClassifier(**SETTINGS | {"max_iter": 60}, tokens=True).fit(X, Y)
    found = permutation_importance(model, X, Y, over="steps", n_repeats=2, random_state=0)
    assert found.importances_mean.max() > 0
    listed = permutation_importance(model, list(X), Y, over="steps", n_repeats=2, random_state=0)
    np.testing.assert_array_equal(listed.importances, found.importances)


def test_ranks_of_a_job_compare_all_steps_and_what_they_stand_for():
    texts = ["abcb" * 100, "cbab" * 100]

    def known(X):
        """What is compared of a training on X."""
        model = RNNTagger(**SETTINGS, engine="reference")
        prepared = model._prepare(X, X, None, None)
        fitted, members = model._begin(None, *prepared, 1)
        trainer = model._trainer(fitted, members, model._make_optimizer(), prepared.examples)
        return facts(model, fitted, trainer) | of_data(digests_of(prepared.examples, None))

    def differing(X):
        others = known(X)
        return {name for name, fact in known(texts).items() if others[name] != fact}

    assert differing(texts) == set()
    assert differing([texts[0][:1] + "cb" + texts[0][3:], texts[1]]) == {"X", "y"}
    swapped = [text.translate(str.maketrans("abc", "xyz")) for text in texts]
    assert differing(swapped) == {"the tokens that are known"}


def test_a_file_altered_by_hand_is_refused(model, tmp_path):
    path = tmp_path / "a.safetensors"
    model.save(path)
    content = path.read_bytes()
    assert content.count(b'\\"a\\", \\"b\\"') == 1
    path.write_bytes(content.replace(b'\\"a\\", \\"b\\"', b'\\"a\\", \\"a\\"'))
    with pytest.raises(ModelFileError):
        elman.load(path)
