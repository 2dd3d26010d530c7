"""
Track a training with MLflow
============================

MLflow records a training: its parameters, a curve epoch by epoch, and the model in three forms. These
are elman's own file, which ``elman.load`` reads without running code, and the same model as ONNX and
as C. ::

    pip install 'elman[mlflow,onnx]'
    python examples/track_with_mlflow.py
"""

import tempfile
from pathlib import Path

import mlflow

from elman import RNNClassifier
from elman.datasets import load_digits


def track(store, max_iter=15, n_sequences=600):
    """Train under the eyes of MLflow; return the run's number and the model."""
    digits = load_digits()
    X, y = digits.X_train[:n_sequences], digits.y_train[:n_sequences]
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("digits")
    model = RNNClassifier(32, cell="gru", max_iter=max_iter, early_stopping=True, random_state=0)
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params(model.get_params())

        def log(progress):
            if progress.row is not None:  # after an epoch
                row = {name: value for name, value in progress.row.items() if name != "epoch"}
                mlflow.log_metrics(row, step=progress.epoch)

        model.fit(X, y, callback=log)
        mlflow.log_metric("test_accuracy", model.score(digits.X_test, digits.y_test))
        model.save(Path(folder, "model.safetensors"))
        for suffix in (".onnx", ".c"):
            model.export(Path(folder, f"model{suffix}"))
        mlflow.log_artifacts(folder, "model")
    return run.info.run_id, model


if __name__ == "__main__":
    number, model = track("sqlite:///mlflow.db")
    print(
        f"run {number}: {model.n_iter_} epochs; next: mlflow ui --backend-store-uri sqlite:///mlflow.db"
    )
