import json
import os
import pickle
import re

import numpy as np
import pytest
from safetensors.numpy import save, save_file

import elman
from elman import ModelFileError, Network, RNNClassifier, RNNTagger, persistence
from elman.persistence import read_model, write_model

ARRAYS = {
    "U1": np.arange(1, 7, dtype=np.float32).reshape(2, 3),
    "V": np.array([[0.5, -2.25]]),
    "counts": np.array([3, 1]),
}
SETTINGS = {"n_features": 3, "hidden": [2], "names": ["a", "é", '"'], "rate": 0.1, "none": None}


@pytest.fixture
def path(tmp_path):
    write_model(tmp_path / "model.safetensors", "Network", SETTINGS, ARRAYS)
    return tmp_path / "model.safetensors"


def refused(path):
    """Whether it is refused, in the one way there is; any other error goes on."""
    try:
        read_model(path)
    except ModelFileError as error:
        return str(path) in str(error)
    return False


def test_what_was_written_is_read(path):
    kind, settings, arrays = read_model(path)
    assert (kind, settings) == ("Network", SETTINGS)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_numbers_of_numpy_become_plain(tmp_path):
    settings = {
        "a": np.float32(0.5),
        "b": np.int64(3),
        "c": np.array([[1, 2]]),
        "d": np.bool_(True),
    }
    write_model(tmp_path / "model", "Network", settings, ARRAYS)
    assert read_model(tmp_path / "model").settings == {"a": 0.5, "b": 3, "c": [[1, 2]], "d": True}


@pytest.mark.parametrize("order", ["F", "C", "A"])
def test_memory_layout_makes_no_difference(path, order):
    arrays = {name: array.copy(order) for name, array in ARRAYS.items()}
    arrays["U1"] = np.repeat(arrays["U1"], 2, axis=1)[:, ::2]
    before = path.read_bytes()
    write_model(path, "Network", SETTINGS, arrays)
    assert path.read_bytes() == before


def test_same_content_is_the_same_bytes(path, tmp_path):
    write_model(tmp_path / "again", "Network", SETTINGS, dict(reversed(ARRAYS.items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_same_seed_is_the_same_file(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4, 2)), rng.integers(3, size=20)
    for name in "ab":
        RNNClassifier(4, max_iter=2, random_state=5).fit(X, y).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_settings_that_are_not_plain_are_not_written(path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match="object cannot be written to a model file"):
        write_model(path, "Network", {"thing": object()}, ARRAYS)
    assert path.read_bytes() == before


# Files that are damaged, altered or foreign


def test_cut_anywhere_is_refused(path):
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert refused(path), size


@pytest.mark.parametrize("seed", [0, 1])
def test_byte_altered_anywhere_is_refused(path, seed):
    """Header, settings, digest or numbers. (An altered header may still mean the same.)"""
    whole = path.read_bytes()
    content = read_model(path)
    rng = np.random.default_rng(seed)
    for position in range(len(whole)):
        altered = bytearray(whole)
        altered[position] ^= rng.integers(1, 256)
        path.write_bytes(altered)
        if not refused(path):
            assert_same_model(read_model(path), content)


@pytest.mark.parametrize("bit", range(8))
def test_bit_flipped_in_the_numbers_is_refused(path, bit):
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for position in range(start, len(whole)):
        altered = bytearray(whole)
        altered[position] ^= 1 << bit
        path.write_bytes(altered)
        assert refused(path), position


def test_same_bytes_as_numbers_of_another_type_are_refused(path):
    whole = path.read_bytes()
    altered = whole.replace(b'"F32"', b'"I32"')
    assert altered != whole
    path.write_bytes(altered)
    with pytest.raises(ModelFileError, match="was altered after it was saved"):
        read_model(path)


def assert_same_model(actual, expected):
    assert actual[:2] == expected[:2]
    assert actual.arrays.keys() == expected.arrays.keys()
    for name, array in actual.arrays.items():
        np.testing.assert_array_equal(array, expected.arrays[name], strict=True)


def rewritten(path, **changes):
    """Write the same file with other entries in elman's own header."""
    whole = path.read_bytes()
    metadata = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
    header = json.loads(metadata["elman"]) | changes
    path.write_bytes(save(ARRAYS, {"elman": json.dumps(header)}))


@pytest.mark.parametrize("name", ["kind", "settings", "sha256", "surplus"])
@pytest.mark.parametrize("value", ["", {}, None, "RNNClassifier", "0" * 64, "é", ["a"]], ids=repr)
def test_altered_header_is_refused(path, name, value):
    rewritten(path, **{name: value})
    with pytest.raises(ModelFileError, match="was altered after it was saved"):
        read_model(path)


@pytest.mark.parametrize("version", [0, 2, "2", 1.5, [1]])
def test_another_format_version_is_refused_with_both_numbers(path, version):
    rewritten(path, format_version=version)
    expected = re.escape(f"format version {version}; this elman reads version 1")
    with pytest.raises(ModelFileError, match=expected):
        read_model(path)


@pytest.mark.parametrize("header", ["", "{", "[]", "1", "null", "{}", '{"kind": "Network"}'])
def test_header_that_is_none_is_refused(tmp_path, header):
    save_file(ARRAYS, tmp_path / "model", {"elman": header})
    assert refused(tmp_path / "model")


def test_signed_header_without_a_kind_is_refused(tmp_path):
    header = {"format_version": 1, "settings": {}}
    text = json.dumps(header, sort_keys=True)
    digest = persistence._digest(text, ARRAYS)
    save_file(ARRAYS, tmp_path / "model", {"elman": json.dumps(header | {"sha256": digest})})
    assert refused(tmp_path / "model")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_foreign_safetensors_file_is_refused(tmp_path, metadata):
    save_file(ARRAYS, tmp_path / "foreign", metadata)
    with pytest.raises(ModelFileError, match="not a model of elman's"):
        read_model(tmp_path / "foreign")


def header_of(content):
    """Where the header of a safetensors file ends, and what it says."""
    end = 8 + int.from_bytes(content[:8], "little")
    return end, json.loads(content[8:end])


@pytest.mark.parametrize("place", ["first", "behind", "last", "spaced"])
def test_what_can_be_read_can_be_replaced(path, place):
    """Another program may have written entries beside elman's, and the header in another order."""
    whole, content = path.read_bytes(), read_model(path)
    end, header = header_of(whole)
    own = header.pop("__metadata__")
    text = {
        "first": {"__metadata__": own | {"format": "pt"}} | header,
        "behind": {"__metadata__": {"note": "{" * 10_000} | own} | header,
        "last": header | {"__metadata__": own},
        "spaced": {"__metadata__": own} | header,
    }[place]
    space = None if place == "spaced" else (",", ":")
    written = json.dumps(text, separators=space).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + whole[end:])
    assert_same_model(read_model(path), content)
    Network(2, 3, 2, seed=0).save(path)
    assert Network.load(path)


@pytest.mark.parametrize("note", ['{"elman": "x"}', ',"elman":"x"'])
def test_a_file_that_only_speaks_of_elman_is_not_replaced(tmp_path, note):
    save_file({"elman": ARRAYS["V"]}, tmp_path / "foreign", {"note": note})
    with pytest.raises(ModelFileError, match="not a model of elman's"):
        read_model(tmp_path / "foreign")
    before = (tmp_path / "foreign").read_bytes()
    with pytest.raises(FileExistsError, match="is not a model file that elman wrote"):
        Network(2, 3, 2, seed=0).save(tmp_path / "foreign")
    assert (tmp_path / "foreign").read_bytes() == before


def test_a_damaged_model_can_be_saved_again(path):
    """As the message advises."""
    whole = path.read_bytes()
    for damaged in (whole[:60], whole[:-1], whole.replace(b'"F32"', b'"X32"')):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="Save the model again"):
            read_model(path)
        Network(2, 3, 2, seed=0).save(path)
        assert Network.load(path)


def test_foreign_file_of_numbers_that_numpy_lacks_is_not_said_to_be_damaged(tmp_path):
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "foreign").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ModelFileError, match="not a model of elman's"):
        read_model(tmp_path / "foreign")


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(200))


@pytest.mark.parametrize(
    "content",
    [b"", PNG, b"PK\x03\x04" * 9, b"\xff" * 64, bytes(8), b"\x02" + bytes(7) + b"{}", b"{}"],
    ids=["empty", "png", "zip", "ones", "zeros", "empty header", "json"],
)
def test_file_of_another_format_is_refused(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"is not a model|but not a model of elman's"):
        read_model(tmp_path / "model")


def test_damaged_file_is_called_damaged(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ModelFileError, match=r"is damaged: it was cut short, .* Save the model again"
    ):
        read_model(path)


def test_what_a_file_lacks_is_named(tmp_path):
    elman.Network(2, 3, 2).save(tmp_path / "model")
    kind, settings, arrays = read_model(tmp_path / "model")
    write_model(
        tmp_path / "model", kind, {n: settings[n] for n in settings if n != "hidden"}, arrays
    )
    with pytest.raises(ModelFileError, match=r"do not make a model: 'hidden' is missing\. Save"):
        elman.load(tmp_path / "model")


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for size in range(1, 60):
        (tmp_path / "model").write_bytes(rng.bytes(size))
        assert refused(tmp_path / "model")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2"])
def test_numbers_numpy_does_not_have_are_refused(path, dtype):
    """Another program can write them, with elman's own metadata copied."""
    size = {"BF16": 2}.get(dtype, 1)
    header = json.dumps(
        {
            "__metadata__": {"elman": '{"format_version": 1}'},
            "V": {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]},
        }
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3 * size))
    assert refused(path)


@pytest.mark.parametrize("load", [read_model, Network.load, RNNClassifier.load, RNNTagger.load])
def test_missing_file_speaks_for_itself(tmp_path, load):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_directory_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name):
        read_model(tmp_path)


def test_reading_unpickles_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    model = RNNClassifier(3, max_iter=1, random_state=0)
    model.fit(rng.standard_normal((9, 4, 2)), np.array(["a", "b", "c"] * 3)).save(
        tmp_path / "model"
    )

    def refuse(*arguments, **keywords):
        raise AssertionError("a pickle was read")

    for name in ("loads", "load", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr("builtins.eval", refuse)
    assert RNNClassifier.load(tmp_path / "model").classes_.tolist() == ["a", "b", "c"]


def test_file_that_is_cut_while_it_is_loaded(path, monkeypatch):
    """It is read, not mapped: a map's pages go with the file, and the process with them."""
    load = persistence.load

    def cut_first(content):
        path.write_bytes(b"")
        return load(content)

    monkeypatch.setattr(persistence, "load", cut_first)
    assert read_model(path).settings == SETTINGS


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for load in (read_model, Network.load, RNNClassifier.load, elman.load):
        with pytest.raises(OSError, match="pipe is a pipe; expected a file"):
            load(tmp_path / "pipe")


def with_header(path, header, numbers=b""):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + numbers)


@pytest.mark.parametrize(
    "claim",
    [
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2**64], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F128", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "C64", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
    ],
    ids=str,
)
def test_array_that_is_not_in_the_file_is_refused(path, claim):
    with_header(path, {"__metadata__": {"elman": "{}"}, "V": claim}, bytes(4))
    assert refused(path)


@pytest.mark.parametrize("depth", [10, 100, 500, 900, 1000, 2000, 100_000])
def test_nested_header_is_refused(path, depth):
    """Python gives up on JSON at one depth when it reads it, and at another when it writes it."""
    nested = "[" * depth + "]" * depth
    text = '{"format_version": 1, "sha256": "", "kind": "Network", "settings": ' + nested + "}"
    path.write_bytes(save(ARRAYS, {"elman": text}))
    with pytest.raises(ModelFileError, match="was altered after it was saved"):
        read_model(path)


def test_header_that_would_take_more_memory_than_there_is(path, monkeypatch):
    path.write_bytes(save(ARRAYS, {"elman": "[" + "[]," * 100_000 + "[]]"}))
    monkeypatch.setattr("elman._memory.available_memory", lambda: 1_000_000)
    with pytest.raises(MemoryError, match=r"header of a model file needs 0.01 GB of memory"):
        read_model(path)


# Numbers that are none


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["U1", "V"])
def test_numbers_that_are_not_finite_are_not_written(path, name, value):
    before = path.read_bytes()
    array = ARRAYS[name].copy()
    array[-1, -1] = value
    with pytest.raises(ValueError, match=f"^{name} has values that are NaN or infinite"):
        write_model(path, "Network", SETTINGS, ARRAYS | {name: array})
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_read(path, monkeypatch, value):
    with monkeypatch.context() as another:  # an older program, or another
        another.setattr(persistence, "_require_finite", lambda arrays: None)
        write_model(path, "Network", SETTINGS, ARRAYS | {"V": np.array([[0.5, value]])})
    with pytest.raises(ModelFileError, match="V has values that are NaN or infinite"):
        read_model(path)


# Writing


def test_write_replaces_and_leaves_nothing_beside(path):
    write_model(path, "Network", {"other": 1}, ARRAYS)
    assert read_model(path).settings == {"other": 1}
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_model(path, monkeypatch):
    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device.*model\.safetensors"):
        write_model(path, "Network", {"other": 1}, ARRAYS)
    assert read_model(path).settings == SETTINGS
    assert list(path.parent.iterdir()) == [path]


def test_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        write_model(tmp_path / "no" / "model", "Network", SETTINGS, ARRAYS)


def test_path_may_be_text_and_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model("model", "Network", SETTINGS, ARRAYS)
    assert read_model("model").settings == SETTINGS
