"""Forgeries: files that are whole, with digests and checksums that are right, and make no sense.

Model files are written by elman's own writer, from settings and arrays of which one was replaced by
something odd. Archives hold pickles, claim to be larger than they are, or are bombs: little on the
disk, and a lot in memory.
"""

import gzip
import io
import json
import pickle
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from safetensors.numpy import save

import elman
from attack import files, require_sentence
from elman import persistence
from elman.data import read_idx, read_npz

PROMISE = "refused in one sentence, or a model that works; no code runs, and little memory is taken"
N = 200
MEGABYTES = 50  # what a forged file may cost

# The text of JSON: some of it says what Python's own writer would not.
ODD = [
    *("null", "true", "-1", "0", "1", "2", "0.5", "1e400", "-1e400", "NaN", "9" * 400, "1e-320"),
    *('""', '"x"', '"tanh"', '"<U500000000"', '"|O"', '"O8"', '"i4,i4"', '"<M8[D]"', '"\\u0000"'),
    *("[]", "[[]]", "[null]", "{}", '{"a": 1}', "[1, 2, 3]", '["a", "a", "a"]', "[3, 2, 1]"),
    *('["x", 1, null]', "[true, false]", "[1000000000]", "[1e308, 1e308, 1e308]", "4294967296"),
    "\"__import__('pathlib').Path('harm').touch()\"",
    '{"__reduce__": ["builtins.exec", "raise SystemExit"]}',
    '"' + "x" * 100_000 + '"',
    "[" * 400 + "]" * 400,
    "[" * 100_000 + "]" * 100_000,
]
ODD_ARRAYS = [
    lambda array: np.full_like(array, np.nan),
    lambda array: np.full_like(array, np.inf),
    lambda array: np.zeros_like(array),
    lambda array: np.full_like(array, np.finfo(array.dtype).max),
    lambda array: np.full_like(array, np.finfo(array.dtype).smallest_subnormal),
    lambda array: -array,
    lambda array: array.astype(np.float16),
    lambda array: array.astype(np.float64),
    lambda array: array.astype(int),
    lambda array: array > 0,
    lambda array: array.T,
    lambda array: array.ravel(),
    lambda array: array[..., None],
    lambda array: array[:0],
    lambda array: array[:1],
    lambda array: array.ravel()[0],
    lambda array: np.concatenate([array, array]),
    lambda array: np.zeros((0, 1 << 40), array.dtype),
]


def tries(rng, scale, folder):
    """Forge a file, read it."""
    originals = []
    for name, model in files.models().items():
        model.save(folder / name)
        originals.append((name, persistence.read_model(folder / name)))
    harm = folder / "harm"
    archives = [*_archives(folder, harm), *_claims(folder)]
    for i in range(N * scale):
        if i < len(archives):
            what, read = archives[i]
        else:
            name, model = originals[i % len(originals)]
            change = _with_odd_array if rng.random() < 0.3 else _with_odd_setting
            what, header, arrays = change(rng, *model)
            what = f"{name}, {what}"
            read = partial(_model, folder / "forged", header, arrays)
        yield what, partial(_harmless, harm, read)


def _harmless(harm, read):
    with _little_memory():
        outcome = read()
    assert not harm.exists(), "it ran code"
    return outcome


@contextmanager
def _little_memory():
    """Hold a block to a peak of memory, where the system tells it."""
    peak = Path("/proc/self/clear_refs")
    if not peak.exists():
        yield
        return
    peak.write_text("5")  # the peak is what is in use now
    before = _in_memory("VmRSS")
    yield
    taken = _in_memory("VmHWM") - before
    assert taken < MEGABYTES << 20, f"it took {taken >> 20} MB"


def _in_memory(what):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) << 10


# Models


def _with_odd_setting(rng, kind, settings, arrays):
    """Replace, somewhere in the header, a value by an odd one; or leave it out."""
    header = {"format_version": 1, "kind": kind, "settings": settings}
    header = json.loads(json.dumps(header))  # a copy
    place, key, path = header, None, []
    while True:
        keys = [*(place if isinstance(place, dict) else range(len(place)))]
        key = keys[rng.integers(len(keys))]
        path.append(str(key))
        if not place[key] or not isinstance(place[key], dict | list) or rng.random() < 0.2:
            break
        place = place[key]
    value = ODD[rng.integers(len(ODD))]
    if rng.random() < 0.1:
        value = "left out"
        del place[key]
        return f"{'.'.join(path)} {value}", json.dumps(header, sort_keys=True), arrays
    place[key] = "FORGED"
    text = json.dumps(header, sort_keys=True).replace('"FORGED"', value)
    return f"{'.'.join(path)} is {value:.60}", text, arrays


def _with_odd_array(rng, kind, settings, arrays):
    """Replace an array by an odd one; or leave it out; or add one."""
    name = sorted(arrays)[rng.integers(len(arrays))]
    forged = dict(arrays)
    which = int(rng.integers(len(ODD_ARRAYS) + 2))
    if which < len(ODD_ARRAYS):
        forged[name] = np.ascontiguousarray(ODD_ARRAYS[which](arrays[name]))
        # which makes a number an array of one
    elif which == len(ODD_ARRAYS):
        del forged[name]
    else:
        forged[f"{name}\n"] = arrays[name]
    header = {"format_version": 1, "kind": kind, "settings": settings}
    return f"array {name}, change {which}", json.dumps(header, sort_keys=True), forged


def _model(path, text, arrays):
    """Sign a model's header and arrays, and read it; if it is one, it has to work."""
    try:
        header = persistence._dump(json.loads(text))
        digest = persistence._digest(header, arrays)
    except (RecursionError, ValueError):  # what Python cannot write it cannot sign either
        digest = "0" * 64
    signed = f'{text[:-1]}, "sha256": "{digest}"}}'
    path.write_bytes(save(arrays, {"elman": signed}))
    try:
        model = elman.load(path)
    except (elman.ElmanError, MemoryError) as error:
        require_sentence(error, *(() if isinstance(error, MemoryError) else [path]))
        return "refused"
    network = model if isinstance(model, elman.Network) else model.network_
    assert np.isfinite(network.parameters.vector).all(), "it has weights that are no numbers"
    try:
        answers = _answers(model)
    except elman.DataError as error:
        require_sentence(error)
        return "refused when it is to answer"
    if isinstance(model, elman.Network) and np.isnan(answers).any():
        return "a network of numbers so large that it answers NaN"
    assert np.isfinite(answers).all(), "an estimator answers NaN"
    assert np.allclose(answers.sum(axis=-1), 1, atol=1e-5), "probabilities without a sum of 1"
    model.save(path)
    elman.load(path)
    return "a model that works"


def _answers(model):
    if isinstance(model, elman.Network):
        return model.forward(files.X)
    X = files.X.reshape(files.N, -1) if model.step_size == files.D else files.X
    return np.concatenate([*model.predict_proba(X)], axis=None).reshape(-1, len(model.classes_))


def _claims(folder):
    """Model files that claim arrays which are not in them."""
    claims = [
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [2**64], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "<U500000000", "shape": [1], "data_offsets": [0, 4]},
    ]
    for i, claim in enumerate(claims):
        header = json.dumps({"__metadata__": {"elman": "{}"}, "V": claim}).encode()
        path = folder / f"claims {i}.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        yield f"model that claims {claim}", partial(_refused, elman.load, path)


# Archives


class Touches:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _archives(folder, harm):
    """Forged .npz and IDX files: what each is, and a function that reads it."""
    in_array = np.empty(1, object)
    in_array[0] = Touches(harm)
    pickles = [pickle.dumps(Touches(harm)), pickle.dumps(in_array), pickle.dumps(in_array, 0)]
    for member in ("X", "y", "lengths"):
        for i, pickled in enumerate(pickles):
            path = folder / f"pickle {member} {i}.npz"
            _zip(path, {member: _npy("|O", (1,), pickled)}, rest=member != "X")
            yield path.name, partial(_refused, read_npz, path)
        path = folder / f"bomb {member}.npz"
        _zip(path, {member: _npy("<f4", (1 << 26,), bytes(1 << 28))}, rest=member != "X")
        yield path.name, partial(_bomb, read_npz, path)

    path = folder / "bomb nobody asks for.npz"
    _zip(path, {"other": _npy("<f4", (1 << 26,), bytes(1 << 28))}, rest=True)
    yield path.name, partial(_read_at_once, path)
    path = folder / "pickle nobody asks for.npz"
    _zip(path, {"other": _npy("|O", (1,), pickles[1])}, rest=True)
    yield path.name, partial(_read_at_once, path)

    claims = {
        "10 GB, by its header": ("<f4", (2_500_000_000,)),
        "more than there are numbers": ("<f8", (10**9, 10**9, 10**9)),
        "text of 2 GB a word": ("<U500000000", (1,)),
        "an axis below zero": ("<f4", (-1,)),
        "fields": ([("a", "<f4"), ("b", "|O")], (1,)),
        "no axes": ("<f4", ()),
        "no numbers": ("<f4", (0, 2)),
    }
    for claim, (dtype, shape) in claims.items():
        path = folder / f"claims {claim}.npz"
        _zip(path, {"X": _npy(dtype, shape, bytes(24))})
        yield path.name, partial(_refused, read_npz, path)
    path = folder / "claims 10 GB everywhere.npz"
    _zip(path, {"X": _npy("<f4", (2_500_000_000,), bytes(24))})
    size = _size_of_header(path)
    content = path.read_bytes()
    for at in (content.index(b"PK\3\4") + 22, content.index(b"PK\1\2") + 24):
        content = content[:at] + (10**9 * 4).to_bytes(4, "little") + content[at + 4 :]
    path.write_bytes(
        content.replace(b"(2500000000,)", f"({10**9 - size // 4},)".encode().ljust(13))
    )
    yield path.name, partial(_refused, read_npz, path)

    for axes, name in [
        ((1 << 28,), "256 MB"),
        ((1 << 17, 1 << 17), "16 GB"),
        ((2**32 - 1,) * 9, "all"),
    ]:
        header = bytes([0, 0, 8, len(axes)]) + np.array(axes, ">u4").tobytes()
        for how, pack in {"plain": bytes, "in gzip": gzip.compress}.items():
            path = folder / f"IDX that claims {name}, {how}"
            path.write_bytes(pack(header + bytes(24)))
            yield path.name, partial(_refused, read_idx, path)
    path = folder / "IDX bomb"
    path.write_bytes(
        gzip.compress(bytes([0, 0, 8, 1]) + (1 << 28).to_bytes(4, "big") + bytes(1 << 28))
    )
    yield path.name, partial(_bomb, read_idx, path)


def _npy(dtype, shape, content):
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def _size_of_header(path):
    with zipfile.ZipFile(path) as archive:
        return len(archive.read("X.npy")) - 24


def _zip(path, members, rest=False):
    if rest:
        members = members | {"X": _npy("<f4", (2, 3, 1), bytes(24))}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def _refused(read, path):
    try:
        read(path)
    except (elman.ElmanError, MemoryError) as error:
        require_sentence(error, path)
        return "refused"
    raise AssertionError("it was read")


def _bomb(read, path):
    """Where 100 MB are available, 256 MB are refused before they are unpacked."""
    assert path.stat().st_size < 1 << 20
    with patch("elman._memory.available_memory", lambda: 10**8):
        return _refused(read, path)


def _read_at_once(path):
    X, y = read_npz(path)
    assert X.shape == (2, 3, 1)
    assert y is None
    return "what is asked for was read"
