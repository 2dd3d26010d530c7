"""What export takes, and what it says where something is missing or cannot be."""

import re
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from elman import ElmanError, Network, RNNClassifier
from elman.exporting.extras import require
from leaving import network


@pytest.mark.parametrize("name", ["m", "m.h5", "m.safetensors"])
def test_an_unknown_suffix_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"expected one that says what to write: .onnx, .pt"):
        network("tanh", np.float32).export(tmp_path / name)


@pytest.mark.parametrize(
    ("package", "suffix", "extra"), [("onnx", ".onnx", "onnx"), ("torch", ".pt", "torch")]
)
def test_a_missing_package_is_named_with_its_command(package, suffix, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ElmanError, match=rf"needs {package}, .*pip install 'elman\[{extra}\]'"):
        network("tanh", np.float32).export(tmp_path / f"m{suffix}")


def test_a_package_that_is_there_and_broken_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("import surely_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_there"):
        require("broken_one", "x", "this")


def test_what_is_not_fitted_or_gives_no_answers_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        RNNClassifier().export(tmp_path / "m.c")
    made = network("tanh", np.float32)
    made.parameters["V"][0, 0] = np.nan
    with pytest.raises(ElmanError, match="NaN or infinite"):
        made.export(tmp_path / "m.c")
    with pytest.raises(ElmanError, match="complex128 cannot be exported"):
        network("tanh", np.float32).astype(complex).export(tmp_path / "m.c")
    with pytest.raises(ElmanError, match="readout='mean' answers a sequence once"):
        network("tanh", np.float32, readout="mean").export(tmp_path / "m.c", every_step=True)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "m.c"
    network("tanh", np.float32).export(path)
    before = path.read_text()
    with pytest.raises(ElmanError, match="bidirectional"):
        network("tanh", np.float32, bidirectional=True).export(path)
    assert path.read_text() == before
    network("gru", np.float32).export(path)
    assert path.read_text() != before


@pytest.mark.parametrize(
    ("name", "package"), [("m.onnx", "onnx"), ("M.ONNX", "onnx"), ("m.pt", "torch"), ("m.c", "sys")]
)
def test_what_elman_exported_is_replaced_and_nothing_else(name, package, tmp_path):
    pytest.importorskip(package)
    path = tmp_path / name
    path.touch()
    large = Network(3, [4] * 60, 2, seed=0)  # a file names its weights before it has them
    for model in (network("tanh", np.float32), large, network("gru", np.float64)):
        model.export(path)
    for foreign in (b"int main(void) { return 0; } /* elman */", path.read_bytes()[1:]):
        path.write_bytes(foreign)
        kind = re.escape(path.suffix.lower())
        with pytest.raises(FileExistsError, match=f"exists, and is not a {kind} file that elman"):
            network("tanh", np.float32).export(path)
        assert path.read_bytes() == foreign
