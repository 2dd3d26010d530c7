"""The examples run, each where its library is installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("default")  # others' own
def test_optuna_searches_and_ends_trials():
    pytest.importorskip("optuna")
    study = load("search_with_optuna").search(n_trials=5, max_iter=5, n_sequences=120)
    states = [trial.state.name for trial in study.trials]
    assert len(states) == 5
    assert set(states) <= {"COMPLETE", "PRUNED"}
    best = study.best_trial
    assert 0.2 < best.value <= 1
    assert len(best.intermediate_values) == 5
    assert best.user_attrs["parameters"] > 500


@pytest.mark.filterwarnings("default")
def test_mlflow_has_parameters_curve_and_model(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("onnx")
    import elman

    monkeypatch.chdir(tmp_path)  # files go to ./mlruns
    store = "sqlite:///mlflow.db"
    number, model = load("track_with_mlflow").track(store, max_iter=3, n_sequences=120)
    client = mlflow.MlflowClient(store)
    run = client.get_run(number)
    assert run.data.params["cell"] == "gru"
    assert 0 < run.data.metrics["test_accuracy"] <= 1
    curve = [metric.value for metric in client.get_metric_history(number, "loss")]
    np.testing.assert_array_equal(curve, model.loss_curve_)
    folder = Path(mlflow.artifacts.download_artifacts(run_id=number, artifact_path="model"))
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".onnx", ".c"}
    back = elman.load(folder / "model.safetensors").network_.parameters.vector
    np.testing.assert_array_equal(back, model.network_.parameters.vector)


def test_a_character_model_learns_from_the_manual():
    example = load("write_like_the_manual")
    text, kept = example.texts()
    assert len(text) > 200_000
    assert len(kept) > 20_000
    model = example.trained(text[:60_000], n_units=32, n_epochs=16)
    bits = example.bits_a_character(model, kept[:10_000])
    assert bits < 3.5  # 4.7 if it knew how often each comes
    assert len(model.sample(30, prompt="The ", random_state=0)) == 30
