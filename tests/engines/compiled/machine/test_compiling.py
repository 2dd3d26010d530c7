"""Compiling once, saying so once, and keeping what was compiled, but trusting nothing on disk."""

import errno
import gc
import logging
import os
import random
import runpy
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba.core import event

from elman.engines.compiled.machine import compiling
from elman.engines.compiled.machine.compiling import COMPILING
from elman.engines.compiled.machine.losses import Activation
from elman.engines.compiled.machine.pointwise import compiled
from elman.equations.losses import Poisson

SOURCE = Path(compiling.__file__)
PACKAGE = SOURCE.parents[1]


def double(x):
    return 2 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where functions are kept that are made from now on."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def said(caplog):
    """What this package says, as if it had said nothing yet; asking clears it."""
    compiling.say_once.cache_clear()
    caplog.set_level(logging.INFO, "elman")

    def ask():
        records = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        compiling.say_once.cache_clear()
        return records

    yield ask
    compiling.say_once.cache_clear()


def result_of(function=double, argument=21):
    """What a function gives in a process that has just begun."""
    return compiling.entry(function)(argument)


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


# What others see of it


def process(program, folder, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {"NUMBA_CACHE_DIR": str(folder), "PYTHONIOENCODING": "utf-8"}
        | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )


LOGGED = """
import logging
logging.basicConfig(format="%(name)s: %(message)s", level="INFO")
"""
PREDICTION = """
import numpy as np
from elman import Network
print(Network(1, 1, 2, seed=0).forward(np.ones((1, 1, 1))).tobytes().hex())
"""
DOUBLE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_compiling import double, result_of, triple
assert result_of() == 42
"""
COMMAND_LINE = f"""
import sys
from elman.cli import main
sys.argv = ["elman", "--version"]
try:
    main()
except SystemExit:
    pass
{DOUBLE}
"""


def test_first_process_logs_that_it_compiles_and_the_second_is_quiet(tmp_path):
    first, second = (process(LOGGED + PREDICTION, tmp_path) for _ in range(2))
    assert (first.stderr, second.stderr) == (f"elman.compiling: {COMPILING}\n", "")
    assert first.stdout == second.stdout
    kept = {path.name.split("-")[0] for path in files_in(tmp_path)}
    assert kept == {"packing.pack", "predicting.predict_sequences", "pointwise.Tanh.forward"}


@pytest.mark.parametrize(
    ("program", "line"), [(DOUBLE, ""), (COMMAND_LINE, f"elman: {COMPILING}\n")]
)
def test_library_prints_nothing_and_the_command_line_says_it_once(tmp_path, program, line):
    assert [process(program, tmp_path).stderr for _ in range(2)] == [line, ""]


def test_a_verbose_fit_prints_it_though_another_function_was_compiled_in_silence(tmp_path):
    program = f"""{DOUBLE}
from elman.estimators.reporting import reporting
with reporting(True, None):
    assert result_of(triple, 14) == 42
"""
    assert process(program, tmp_path).stdout == f"{COMPILING}\n"
    assert process(program, tmp_path).stdout == ""


def test_each_mode_finds_its_own_code_alone(tmp_path):
    found = [process(LOGGED + DOUBLE, tmp_path, NUMBA_BOUNDSCHECK=mode).stderr for mode in "0101"]
    line = f"elman.compiling: {COMPILING}\n"
    assert found == [line, line, "", ""]


class Handlers(event.Listener):
    """Which handler Ctrl-C has whenever Numba begins to compile."""

    def __init__(self):
        self.seen = []

    def on_start(self, _):
        self.seen.append(signal.getsignal(signal.SIGINT))

    def on_end(self, _):
        pass


@pytest.fixture
def handler():
    """Somebody's handler for Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    caught = []
    handler = lambda number, frame: caught.append(number)  # noqa: E731
    handler.caught = caught
    signal.signal(signal.SIGINT, handler)
    yield handler
    signal.signal(signal.SIGINT, before)


def test_other_peoples_functions_compile_undisturbed(handler, folder, said):
    namespace = {}
    exec("def plus_one(x): return x + 1", namespace)
    with event.install_listener("numba:compile", Handlers()) as handlers:
        assert numba.njit(namespace["plus_one"])(1) == 2
        assert numba.njit(double)(21) == 42
    assert handlers.seen == [handler] * 2
    assert said() == []
    for listeners in event._registered.values():
        assert not [one for one in listeners if type(one).__module__.startswith("elman")]


def test_ctrl_c_waits_until_a_function_is_compiled(handler, folder):
    class Interrupting(Handlers):
        def on_start(self, _):
            super().on_start(_)
            signal.raise_signal(signal.SIGINT)
            assert handler.caught == []

    with event.install_listener("numba:compile", Interrupting()) as handlers:
        assert result_of() == 42
    assert len(handlers.seen) == 1
    assert handler not in handlers.seen
    assert handler.caught == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.fixture(params=[True, False], ids=["collecting", "not collecting"])
def collecting(request):
    """Whether Python looks for garbage."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("compiles", [True, False])
def test_nobody_looks_for_garbage_until_a_function_is_compiled(collecting, folder, compiles):
    class Looking(Handlers):
        def on_start(self, _):
            self.seen.append(gc.isenabled())

    with event.install_listener("numba:compile", Looking()) as looking:
        if compiles:
            assert result_of() == 42
        else:
            with pytest.raises(numba.TypingError):
                result_of(lambda x: no_such_name)  # noqa: F821
    assert set(looking.seen) == {False}
    assert gc.isenabled() == collecting


@pytest.mark.parametrize(
    ("triple", "features", "is_said"),
    [
        ("x86_64-unknown-linux-gnu", "+sse2,+avx,-fma,+fma4", True),
        ("x86_64-apple-darwin", "", True),
        ("i686-pc-windows-msvc", "+sse2", True),
        ("x86_64-unknown-linux-gnu", "+sse2,+fma,-fma4", False),
        ("aarch64-unknown-linux-gnu", "+neon", False),
    ],
)
def test_processor_without_fma_is_named_once(said, triple, features, is_said):
    for _ in range(2):
        compiling.warn_without_fma(triple, "nehalem", features)
    records = said()
    assert len(records) == is_said
    for level, message in records:
        assert level == "WARNING"
        assert "nehalem" in message
        assert "engine='reference'" in message


def test_processor_is_the_one_compiled_for(folder, said, monkeypatch):
    asked = []
    monkeypatch.setattr(compiling, "warn_without_fma", lambda *target: asked.append(target))
    result_of()
    assert asked == [numba.core.registry.cpu_target.target_context.codegen().magic_tuple()]


# What is kept


def test_code_is_kept_for_each_signature_and_found_again(folder, said):
    assert [result_of(argument=x) for x in (21, 1.5, 21)] == [42, 3.0, 42]
    assert said() == [("INFO", COMPILING)]
    assert len(files_in(folder)) == 2
    assert [result_of(argument=x) for x in (21, 1.5)] == [42, 3.0]
    assert said() == []


def triple(x):
    return 3 * x


def test_functions_do_not_find_each_others_code(folder):
    assert [result_of(function) for function in (double, triple)] == [42, 63]
    assert [result_of(function) for function in (double, triple)] == [42, 63]
    assert len(files_in(folder)) == 2


def test_other_sources_find_no_code_and_replace_it(folder, said, monkeypatch):
    result_of()
    result_of(argument=1.5)
    result_of(triple)
    said()
    monkeypatch.setattr(compiling, "SOURCES", "0" * 64)
    assert result_of() == 42
    assert said() == [("INFO", COMPILING)]
    names = [path.name.split("-")[:2] for path in files_in(folder)]
    assert [name for name in names if name[0].endswith("double")] == [[names[0][0], "0" * 16]]
    assert len(names) == 2  # and the other function's is as it was


@pytest.fixture
def digest(tmp_path):
    """The digest of a copy of the package."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return lambda: runpy.run_path(str(copy / SOURCE.relative_to(PACKAGE)))["SOURCES"]


@pytest.mark.parametrize(
    "name", sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
)
def test_digest_is_another_once_a_source_changes(digest, tmp_path, name):
    assert digest() == compiling.SOURCES
    with (tmp_path / PACKAGE.name / name).open("a") as file:
        file.write("\n# changed\n")
    assert digest() != compiling.SOURCES


# What is damaged


@pytest.fixture
def kept(folder):
    """A whole file of compiled code."""
    result_of()
    (path,) = files_in(folder)
    return path


def damaged(content, rng):
    """A file's bytes, and what a failing disk may make of them."""
    flipped = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 8])):
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    cut = content[: rng.randrange(len(content))]
    return rng.choice(
        [bytes(flipped), cut, bytes(len(content)), cut + bytes(len(content) - len(cut))]
    )


def test_not_a_bit_of_damaged_code_is_used(kept):
    content, rng = kept.read_bytes(), random.Random(0)
    places = [*range(100), *(rng.randrange(len(content)) for _ in range(500))]
    spoilt = [content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :] for i in places]
    spoilt += [content[:i] for i in [*range(100), *places, len(content) - 1]] + [content + b"\0"]
    assert compiling.read(kept) is not None
    for one in spoilt:
        kept.write_bytes(one)
        assert compiling.read(kept) is None


def test_function_with_damaged_code_is_compiled_anew(kept, said):
    content, rng = kept.read_bytes(), random.Random(0)
    said()
    for _ in range(30):
        kept.write_bytes(damaged(content, rng))
        assert result_of() == 42
        assert said() == [("INFO", COMPILING)]
        assert result_of() == 42  # from what was mended
        assert said() == []


def test_code_of_another_name_is_not_used(folder, said):
    result_of(triple)
    (foreign,) = files_in(folder)
    result_of(double)
    (own,) = set(files_in(folder)) - {foreign}
    shutil.copy(foreign, own)
    said()
    assert result_of(double) == 42
    assert said() == [("INFO", COMPILING)]


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_not_waited_for(kept, said, make):
    kept.unlink()
    make(kept)
    said()
    assert result_of() == 42
    assert ("INFO", COMPILING) in said()


def test_processes_that_compile_at_once_do_not_get_in_each_others_way(folder):
    program = f"""{DOUBLE}
for _ in range(8):
    found = [result_of(function, x) for function in (double, triple) for x in (21, 1.5, 2j)]
    assert found == [42, 3.0, 4j, 63, 4.5, 6j], found
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for one in running:
        errors = one.communicate(timeout=120)[1]
        assert (one.returncode, errors) == (0, b"")
    kept = files_in(folder)
    assert len(kept) == 6
    assert all(compiling.read(path) is not None for path in kept)


# Where nothing can be kept


def test_without_a_place_to_keep_it_a_function_is_compiled_all_the_same(monkeypatch, said):
    def nowhere(function):
        raise RuntimeError("cannot cache function 'double': no locator available")

    monkeypatch.setattr(compiling, "CompileResultCacheImpl", nowhere)
    assert result_of() == 42
    assert said() == [("INFO", COMPILING)]


def failing_with(code):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    return fail


class Full:
    """A file on a disk that is full."""

    def __init__(self, number, *_):
        os.close(number)

    def __enter__(self):
        return SimpleNamespace(write=failing_with(errno.ENOSPC))

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("owner", "name", "failing", "message"),
    [
        (os, "open", failing_with(errno.EROFS), "Read-only file system"),
        (os, "fdopen", Full, "No space left on device"),
        (Path, "replace", failing_with(errno.EACCES), "Permission denied"),
    ],
)
def test_disk_that_takes_nothing_costs_no_more_than_a_line(
    folder, said, monkeypatch, owner, name, failing, message
):
    function = compiling.entry(double)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing)
        assert [function(21), function(1.5)] == [42, 3.0]
    compiled, (level, line) = said()
    assert compiled == ("INFO", COMPILING)
    assert level == "WARNING"
    assert message in line
    assert files_in(folder) == []
    assert result_of() == 42


def test_folder_that_vanishes_is_made_again(folder, said):
    function = compiling.entry(double)
    shutil.rmtree(folder)
    assert function(21) == 42
    assert len(files_in(folder)) == 1
    shutil.rmtree(folder)
    folder.write_text("in its place")
    assert function(1.5) == 3.0
    assert [level for level, _ in said()] == ["INFO", "WARNING"]


# Whom to trust

ME = os.geteuid() if hasattr(os, "geteuid") else None
needs_owners = pytest.mark.skipif(ME is None, reason="files have no such owners")


@needs_owners
@pytest.mark.parametrize(
    ("owner", "mode", "trusted"),
    [
        (ME, 0o644, True),
        (ME, 0o600, True),
        (0, 0o644, True),
        (SOURCE.stat().st_uid, 0o644, True),
        (54321, 0o644, False),
        (ME, 0o664, False),
        (ME, 0o646, False),
        (0, 0o666, False),
    ],
)
def test_code_is_trusted_if_its_owner_is_and_nobody_else_may_write(owner, mode, trusted):
    status = SimpleNamespace(st_uid=owner, st_mode=stat.S_IFREG | mode)
    assert compiling.is_trusted(status) == trusted


@needs_owners
def test_code_that_others_may_have_written_is_replaced(kept, said):
    kept.chmod(0o666)
    said()
    assert result_of() == 42
    (level, message), compiled = said()
    assert level == "WARNING"
    assert str(kept.parent) in message
    assert compiled == ("INFO", COMPILING)
    assert result_of() == 42
    assert said() == []


@needs_owners
def test_others_may_not_write_what_is_kept_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        result_of()
    finally:
        os.umask(before)
    (path,) = files_in(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_makes_answers_of_a_loss_is_kept_on_disk_if_it_is_ours(folder):
    class Counted(Poisson):
        pass

    for loss, n_files in ((Counted(), 0), (Poisson(), 1)):
        compiled.__wrapped__(Activation(loss), "forward", np.dtype(np.float32))
        assert len(files_in(folder)) == n_files
