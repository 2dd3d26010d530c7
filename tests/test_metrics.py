import numpy as np
import pytest
from sklearn.metrics import f1_score, get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from elman import DataError, RNNClassifier, RNNTagger
from elman.metrics import StepScorer

rng = np.random.default_rng(0)
X = [rng.choice([-1.0, 1.0], (n, 1)) for n in rng.integers(1, 15, 40)]
Y = [np.where(np.cumsum(x) > 0, "up", "down") for x in X]
STACK = rng.choice([-1.0, 1.0], (40, 6, 1))
BINARY = (STACK.cumsum(axis=1)[:, :, 0] > 0).astype(int)


def tagger(**params):
    return RNNTagger(5, **{"max_iter": 4, "random_state": 0, "batch_size": 10} | params)


@pytest.mark.parametrize(
    "name", ["accuracy", "f1_macro", "balanced_accuracy", "roc_auc", "neg_log_loss"]
)
def test_score_is_scikit_learns_of_all_steps_in_a_row(name):
    class Flat(RNNClassifier):
        """Answers a list of sequences with the steps of all."""

        def predict_proba(self, X):
            return np.concatenate(list(fitted.predict_proba(X)))

        def predict(self, X):
            return np.concatenate(list(fitted.predict(X)))

    fitted = tagger().fit(X, Y)
    flat = Flat()
    flat._fitted = fitted._fitted
    assert StepScorer(name)(fitted, X, Y) == get_scorer(name)(flat, X, np.concatenate(Y))


def test_accuracy_is_the_taggers_score():
    fitted = tagger().fit(STACK, BINARY)
    assert StepScorer("accuracy")(fitted, STACK, BINARY) == fitted.score(STACK, BINARY)


def test_steps_of_weight_zero_are_left_out():
    fitted = tagger().fit(X, Y)
    padded = [np.concatenate([x, np.ones((2, 1))]) for x in X]
    labels = [np.concatenate([y, ["<PAD>"] * 2]) for y in Y]
    weights = [np.concatenate([np.ones(len(y)), [0, 0]]) for y in Y]
    scorer = StepScorer("f1_macro")
    assert scorer(fitted, padded, labels, sample_weight=weights) == scorer(fitted, X, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(("data", "labels"), [(X, Y), (STACK, BINARY)], ids=["ragged", "array"])
def test_search_by_a_metric_has_a_score_for_each_candidate(data, labels, n_jobs):
    grid = {"learning_rate_init": [1e-9, 0.03]}
    search = GridSearchCV(
        tagger(max_iter=15), grid, scoring=StepScorer("f1_macro"), cv=2, n_jobs=n_jobs
    ).fit(data, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"learning_rate_init": 0.03}


def test_scorers_of_ones_own_are_taken():
    scorer = StepScorer(make_scorer(f1_score, pos_label="up"))
    assert np.isfinite(cross_val_score(tagger(), X, Y, scoring=scorer, cv=2)).all()


def test_answers_of_cross_validation_are_put_together():
    answers = cross_val_predict(tagger(), X, Y, cv=3)
    assert [len(a) for a in answers] == [len(x) for x in X]
    assert cross_val_predict(tagger(), STACK, BINARY, cv=3).shape == BINARY.shape
    # Equal lengths in a list are no array, by accident or not.
    assert cross_val_predict(tagger(), list(STACK), list(BINARY), cv=3).shape == (40,)


def test_what_it_cannot_score_is_refused_in_words():
    with pytest.raises(ValueError, match="'f2' is not a valid scoring value"):
        StepScorer("f2")
    classifier = RNNClassifier(3, max_iter=1).fit(STACK, BINARY[:, -1])
    with pytest.raises(
        TypeError,
        match=r"an RNNTagger or RNNStepRegressor, .*; got a RNNClassifier",
    ):
        StepScorer("f1_macro")(classifier, STACK, BINARY[:, -1])
    with pytest.raises(ValueError, match="scoring is None; expected a name"):
        StepScorer(None)
    with pytest.raises(DataError, match="expected both text, or both numbers"):
        StepScorer("accuracy")(tagger().fit(STACK, BINARY), STACK, BINARY.astype(str))


@pytest.mark.parametrize("first", ["passthrough", FunctionTransformer(lambda X: [-x for x in X])])
def test_taggers_at_the_end_of_a_pipeline_are_scored(first):
    pipeline = make_pipeline(first, tagger()).fit(X, Y)
    assert StepScorer("accuracy")(pipeline, X, Y) == pipeline.score(X, Y)


def test_searches_over_taggers_are_scored():
    search = GridSearchCV(make_pipeline(None, tagger()), {}, scoring=StepScorer("f1_macro"), cv=2)
    scores = cross_val_score(search, X, Y, scoring=StepScorer("f1_macro"), cv=2)
    assert np.isfinite(scores).all()
