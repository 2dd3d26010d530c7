"""The files that commands write: looked at before the work, replaced whole, never lost."""

import os
import re
import stat
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from disks import full_disk
from elman import RNNClassifier
from elman.cli import app
from elman.cli.targets import Target, check_targets
from plain import plain_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices, links and modes of POSIX")

TRAIN = ["train", "data.npz", "--hidden", 3, "--epochs", 1, "--engine", "reference"]
EXPLAIN = ["explain", "model", "data.npz"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a folder with data and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 3, 2)), np.arange(20) % 2
    np.savez("data.npz", X=X, y=y)
    model = plain_model(RNNClassifier, 3, max_iter=1, random_state=0, engine="reference")
    model.fit(X, y).save("model")
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture
def unread(monkeypatch):
    """Let nothing be read: what is refused is refused before the work."""

    def refuse(*arguments, **keywords):
        raise AssertionError("the work began")

    monkeypatch.setattr(import_module("elman.cli.request"), "open_dataset", refuse)
    monkeypatch.setattr(import_module("elman.cli.explain"), "_labelled", refuse)


def refused(result, message):
    assert result.exit_code == 2, result.output
    words = re.sub(r"[\s│]+", " ", result.stderr)
    assert re.search(message, words), words


WRITTEN = [
    (TRAIN, "--output", "new.safetensors"),
    (TRAIN, "--plot", "new.png"),
    (EXPLAIN, "--html", "new.html"),
    (EXPLAIN, "--json", "new.json"),
]


@pytest.mark.parametrize(("command", "option", "name"), WRITTEN)
class TestEachFile:
    def test_is_replaced_if_it_is_ours(self, run, command, option, name):
        for _ in range(2):
            result = run(*command, option, name)
            assert result.exit_code == 0, result.output
        assert not list(Path().glob(".elman*"))

    def test_stays_if_it_is_not_ours(self, run, unread, command, option, name):
        Path(name).write_text("the only copy")
        message = f"{option}: {name} exists, and nothing in it says .* elman wrote.* --force"
        refused(run(*command, option, name), message)
        assert Path(name).read_text() == "the only copy"

    def test_goes_by_force(self, run, command, option, name):
        Path(name).write_text("the only copy")
        assert run(*command, option, name, "--force").exit_code == 0
        assert Path(name).read_bytes() != b"the only copy"

    def test_may_be_empty(self, run, command, option, name):
        Path(name).touch()
        assert run(*command, option, name).exit_code == 0

    def test_is_not_what_is_read(self, run, unread, command, option, name):
        before = Path("data.npz").read_bytes()
        os.link("data.npz", name)
        for path in ("data.npz", "./data.npz", name):
            refused(
                run(*command, option, path, "--force"), f"{option}: .* is the file that is read"
            )
        assert Path("data.npz").read_bytes() == before

    def test_is_a_file(self, run, unread, command, option, name):
        os.mkfifo("pipe")
        Path("folder").mkdir()
        Path("device").symlink_to("/dev/null")
        for path in ("pipe", "device", "/dev/null", "folder"):
            for force in ([], ["--force"]):
                refused(run(*command, option, path, *force), "is a (pipe|device|directory)")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_is_not_read_only(self, run, unread, command, option, name):
        Path(name).touch()
        Path(name).chmod(0o444)
        refused(run(*command, option, name), f"{name} is read-only")

    def test_has_a_name_that_there_can_be(self, run, unread, command, option, name):
        refused(run(*command, option, "n" * 256), "File name too long")
        refused(run(*command, option, f"nowhere/{name}"), "there is no directory nowhere")
        refused(run(*command, option, f"model/{name}"), "Not a directory|no directory model")

    def test_has_a_name_as_long_as_there_are(self, run, command, option, name):
        long = Path(name).stem + "w" * 243 + Path(name).suffix
        assert run(*command, option, long[-255:]).exit_code == 0

    def test_keeps_link_and_mode(self, run, command, option, name):
        Path("folder").mkdir()
        Path("folder/file").touch()
        Path("folder/file").chmod(0o640)
        Path(name).symlink_to("folder/file")
        assert run(*command, option, name).exit_code == 0
        assert Path(name).is_symlink()
        assert Path("folder/file").stat().st_size > 100
        assert stat.S_IMODE(Path("folder/file").stat().st_mode) == 0o640

    def test_full_disk_is_found_before_the_work(self, run, unread, command, option, name):
        with full_disk(1000):
            result = run(*command, option, name)
        assert result.exit_code == 1
        assert re.match("error: .*File too large: '(data|new).*'\n", result.stderr)
        assert not Path(name).exists()

    def test_full_disk_after_the_work_leaves_the_old_file(
        self, run, monkeypatch, command, option, name
    ):
        assert run(*command, option, name).exit_code == 0
        before = Path(name).read_bytes()
        monkeypatch.setattr("elman.cli.targets.try_to_replace", lambda path: None)
        with full_disk(len(before) // 2):
            result = run(*command, option, name)
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        assert f"File too large: '{name}'" in result.stderr
        assert Path(name).read_bytes() == before
        assert not list(Path().rglob(".elman*"))

    def test_what_came_meanwhile_stays(self, run, monkeypatch, command, option, name):
        def come(path):
            if path == Path(name):
                path.write_text("just begun")

        monkeypatch.setattr("elman.cli.targets.try_to_replace", come)
        result = run(*command, option, name)
        assert result.exit_code == 1
        assert Path(name).read_text() == "just begun"
        (saved,) = re.findall(r"was saved to (\S+) instead", result.stderr)
        assert Path(saved).stat().st_size > 100
        assert Path(saved).is_relative_to(Path("cache").resolve())


def test_targets_are_not_one_another(run, unread):
    refused(
        run(*TRAIN, "--output", "a.png", "--plot", "./a.png"), "--plot: .*also the file of --output"
    )
    refused(run(*EXPLAIN, "--html", "a", "--json", "a"), "--json: a is also the file of --html")
    Path("b").symlink_to("a")
    refused(run(*EXPLAIN, "--html", "a", "--json", "b"), "--json: b is also the file of --html")


def test_model_to_explain_is_an_input(run, unread):
    for option in ("--html", "--json"):
        refused(run(*EXPLAIN, option, "model", "--force"), "model is the file that is read")


@pytest.mark.parametrize("name", ["t10k-labels-idx1-ubyte", "MNIST/raw/t10k-labels.idx1-ubyte"])
def test_files_of_mnist_are_inputs(run, unread, name):
    path = Path("mnist", name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"digits")
    arguments = ["train", "mnist", "--data-dir", "mnist", "--force"]
    refused(run(*arguments, "--output", path), "is the file that is read")


def test_file_of_another_suffix_is_an_input(run, unread):
    os.link("data.npz", "recordings.data")
    for arguments in (["train"], ["explain", "model"]):
        option = "--output" if arguments == ["train"] else "--html"
        command = [*arguments, "recordings.data", option, "recordings.data", "--force"]
        refused(run(*command), "is the file that is read")


def test_nothing_is_written_into_a_folder_that_is_read(run, unread):
    Path("folder/up").mkdir(parents=True)
    for name in ("folder/m.safetensors", "folder/up/m.safetensors"):
        result = run("train", "folder", "--output", name)
        refused(result, "--output: .* would be in the folder that is read, folder.*another folder")
    os.chdir("folder")
    refused(run("train", "."), r"folder\.safetensors would be in the folder that is read")
    refused(run("inspect", ".", "--plot", "up/p.png"), "--plot: up/p.png would be in the folder")
    check_targets([Target(Path("../m.safetensors"), "--output", "model")], [Path()])
    check_targets([Target(Path(".m.safetensors"), "--output", "model")], [Path()])


@pytest.mark.parametrize("kind", ["model", "page", "JSON", "picture"])
def test_what_is_ours_of_another_kind_stays(run, kind):
    run(*TRAIN, "--output", "a.model", "--plot", "a.picture.png")
    run(*EXPLAIN, "--html", "a.page", "--json", "a.JSON")
    files = {"model": "a.model", "page": "a.page", "JSON": "a.JSON", "picture": "a.picture.png"}
    check_targets([Target(Path(files.pop(kind)), "--option", kind)], [])
    for name in files.values():
        with pytest.raises(Exception, match=f"exists, and nothing in it says that it is a {kind}"):
            check_targets([Target(Path(name), "--option", kind)], [])


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><title>made with elman</title>",
        b"\x89PNG\r\n\x1a\n" + bytes(300),
        b'{"elman": 1}',
        b"%PDF-1.4 elman",
        bytes(8) + b'{"__metadata__":{"format":"pt"}}',
        b"elman",
    ],
)
@pytest.mark.parametrize("kind", ["model", "page", "JSON", "picture"])
def test_what_resembles_ours_stays(tmp_path, content, kind):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Exception, match="exists, and nothing in it says"):
        check_targets([Target(tmp_path / "file", "--option", kind)], [])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "eps", "ps"])
def test_pictures_that_can_say_whose_they_are(run, suffix):
    for _ in range(2):
        result = run(*TRAIN, "--plot", f"curve.{suffix}")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("suffix", ["jpg", "pgf", "txt"])
def test_pictures_that_cannot_say_whose_they_are(run, unread, suffix):
    refused(run(*TRAIN, "--plot", f"curve.{suffix}"), "no kind of picture that can be drawn: png")
    assert not Path(f"curve.{suffix}").exists()


def test_neither_here_nor_there(tmp_path, monkeypatch):
    """The error is that of the place that was asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(path):
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'file'}'"):
        Target(tmp_path / "file", "--output", "model").save(write)


def test_places_elsewhere(tmp_path, monkeypatch):
    """The user's cache; and where that is not to be written to, a new folder of temporary files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def write(path):
        if path.parent.exists() and path.parent != tmp_path:
            path.write_text("model")
        else:
            raise OSError("no")

    target = Target(tmp_path / "file.safetensors", "--output", "model")
    saved = target.save(write)
    assert saved.parent == tmp_path / "cache" / "elman" / "saved"
    assert re.fullmatch(rf"file-\d{{8}}-\d{{6}}-{os.getpid()}\.safetensors", saved.name)
    (tmp_path / "cache" / "elman" / "saved").rename(tmp_path / "cache" / "before")
    (tmp_path / "cache" / "elman" / "saved").touch()
    saved = target.save(write)
    assert saved.parent.parent == tmp_path / "temporary"
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    assert saved.read_text() == "model"
