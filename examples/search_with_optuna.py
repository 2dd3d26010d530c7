"""
Search with Optuna
==================

Optuna searches for good settings of a classifier. A trial is a network; after each epoch it reports
its score on sequences kept aside, and Optuna ends it if others were better by then. ::

    pip install 'elman[optuna]'
    python examples/search_with_optuna.py
"""

import numpy as np
import optuna
from sklearn.model_selection import train_test_split

from elman import RNNClassifier
from elman.datasets import load_digits


def search(n_trials=20, max_iter=15, n_sequences=600):
    """Search, and return Optuna's study."""
    digits = load_digits()
    X, y = digits.X_train[:n_sequences], digits.y_train[:n_sequences]
    X_train, X_watched, y_train, y_watched = train_test_split(X, y, random_state=0)

    def objective(trial):
        model = RNNClassifier(
            hidden_layer_sizes=trial.suggest_categorical("units", [16, 32, 64]),
            cell=trial.suggest_categorical("cell", ["tanh", "gru", "lstm"]),
            learning_rate_init=trial.suggest_float("rate", 1e-3, 3e-2, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.3),
            max_iter=max_iter,
            random_state=0,
        )

        def report(progress):
            if progress.row is None:  # a batch, not an epoch
                return
            trial.report(progress.row["validation_score"], progress.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        model.fit(X_train, y_train, callback=report, validation_data=(X_watched, y_watched))
        trial.set_user_attr("parameters", int(model.network_.architecture.n_parameters))
        return model.best_validation_score_

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3),
    )
    study.optimize(objective, n_trials=n_trials)
    return study


if __name__ == "__main__":
    study = search()
    states = np.array([trial.state.name for trial in study.trials])
    print(f"{len(states)} trials, {np.sum(states == 'PRUNED')} of them ended early")
    print(f"best: {study.best_value:.3f} with {study.best_params}")
