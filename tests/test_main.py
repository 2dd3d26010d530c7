"""The command line's first lines."""

import os
import signal
import subprocess
import sys
from itertools import cycle

import pytest

import elman

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")

# A child is interrupted when it begins to import one of these.
PLACES = ["elman.cli", "typer", "inspect", "rich", "elman.cli.train", "numpy", "sklearn", "numba"]
PROGRAM = """
import os, signal, sys
place, number = sys.argv[1], int(sys.argv[2])
sys.modules.pop(place, None)  # what counts which lines run has some of them already

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == place:
            try:
                os.kill(os.getpid(), number)
            except BaseException:
                print("caught", name)
                raise
sys.meta_path.insert(0, Interrupts())
sys.argv = ["elman", "train", "digits", "--epochs", "1", "--hidden", "4"]
from elman.__main__ import main
main()
"""


def test_interrupted_while_it_starts(tmp_path):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, place, str(int(number))],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place, number in zip(PLACES, cycle([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
    ]
    results = {
        place: (*process.communicate(), process.returncode)
        for place, process in zip(PLACES, running, strict=True)
    }
    assert results == dict.fromkeys(PLACES, ("", "interrupted\n", 1))


def test_next_to_nothing_is_imported_before_interrupts_are_heeded():
    program = (
        "import sys; before = set(sys.modules); import elman.__main__; "
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"__future__", "_signal", "elman", "elman.__main__"}


def test_nohup_is_obeyed(tmp_path):
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from elman.__main__ import handle_with, leave\n"
        "handle_with(leave)\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('went on', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("went on\n", "interrupted\n", 1)


def test_file_does_not_take_the_place_of_a_closed_stream(tmp_path):
    """The word for standard error would be written into it."""
    program = (
        "import os, signal\n"
        "from elman import __main__, cli\n"
        "def command():\n"
        "    with open('file', 'w'):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main = command\n"
        "__main__.main()\n"
    )
    (tmp_path / "program.py").write_text(program)
    command = f"{sys.executable} program.py >&- 2>&- <&-"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path).returncode == 1
    assert (tmp_path / "file").read_text() == ""


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "elman", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"elman {elman.__version__}, ")


def test_without_numbas_compiler_there_is_the_reference_engine(tmp_path):
    command = [sys.executable, "-m", "elman", "train", "digits", "--epochs", "1", "--hidden", "2"]
    compiled, reference = (
        subprocess.run(
            [*command, *more],
            cwd=tmp_path,
            env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
            capture_output=True,
            text=True,
        )
        for more in ([], ["--engine", "reference"])
    )
    assert (compiled.returncode, compiled.stdout) == (1, "")
    assert compiled.stderr.startswith("error: the compiled engine needs Numba's")
    assert compiled.stderr.endswith("Unset it, or choose --engine reference.\n")
    assert compiled.stderr.count("\n") == 1
    assert (reference.returncode, reference.stderr) == (0, "")
