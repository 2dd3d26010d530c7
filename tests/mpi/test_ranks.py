"""Ranks of an MPI job: the bits of one process, and one clear error where something goes wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from mpi import training

MPIEXEC = Path(sys.executable).with_name("mpiexec")
SECONDS = 300.0

pytest.importorskip(
    "mpi4py", reason="its own environment has it: make test-mpi", exc_type=ImportError
)
pytestmark = pytest.mark.skipif(not MPIEXEC.exists(), reason="mpiexec is not beside Python")


def command(n, *words):
    return [MPIEXEC, "-n", str(n), sys.executable, *words]


def environment(**more):
    """Of a process of its own, whatever started this one."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | more


def job(n, what, **more):
    """The output of a job that must not hang."""
    return subprocess.run(
        command(n, "-m", "mpi.training", what),
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def found(result):
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert lines, result.stderr
    return [line["found"] for line in sorted(lines, key=lambda line: line["rank"])]


@cache
def of_one_process():
    return json.loads(json.dumps(training.all_of_them()))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_any_number_of_ranks_comes_to_the_same_bits(n):
    results = found(job(n, "bits"))
    assert len(results) == n
    for result in results:
        for name, expected in of_one_process().items():
            assert result[name] == expected, name


def test_all_ranks_go_on_from_what_the_first_has_written(tmp_path):
    results = found(job(2, "checkpoints", CHECKPOINT=str(tmp_path / "run.ckpt")))
    assert results == [[of_one_process()["few sequences"]] * 3] * 2


@pytest.mark.parametrize("n", [2, 3])
def test_each_rank_reads_its_part_of_a_batch_alone(n):
    of_one = training.rows_read()
    of_ranks = found(job(n, "rows read"))
    assert [sum(batch) for batch in zip(*of_ranks, strict=True)] == of_one
    # a share, and at most the steps of a shard more: 16 sequences of 8 steps
    assert max(map(max, of_ranks)) <= max(of_one) / n + 16 * 8


@pytest.mark.parametrize("n", [2, 3])
def test_each_rank_checks_and_measures_its_part_of_a_file_alone(n):
    of_one = training.rows_read_before()
    of_ranks = found(job(n, "rows read before"))
    for name, rows in of_one.items():
        n_read = [of_rank[name] for of_rank in of_ranks]
        assert sum(n_read) == rows, name
        # a share, and at most a block of 10 rows more in each of four passes
        assert max(n_read) <= rows / n + 4 * 10, name


@pytest.mark.parametrize("n", [2, 3])
def test_all_ranks_say_what_one_has_found(n):
    message = training.not_finite()
    assert message.startswith("DataError: X contains NaN at sequence ")
    assert found(job(n, "not finite")) == [message] * n


def test_ctrl_c_while_a_file_is_read_ends_all_ranks_after_a_round():
    assert found(job(2, "interrupted")) == [["InterruptedElsewhere", 16], ["KeyboardInterrupt", 16]]


@pytest.mark.parametrize(("n", "n_then"), [(1, 3), (2, 1), (4, 2)])
def test_another_number_of_ranks_goes_on_to_the_same_bits(n, n_then, tmp_path):
    found(job(n, "stopped", FOLDER=str(tmp_path)))
    expected = {name: of_one_process()[name] for name in training.GONE_ON_WITH}
    assert found(job(n_then, "gone on", FOLDER=str(tmp_path))) == [expected] * n_then


def test_threads_in_each_rank_change_no_bit():
    results = found(job(2, "bits", OMP_NUM_THREADS="2"))
    assert results == [of_one_process()] * 2


def test_every_rank_says_what_went_wrong_and_goes_on():
    first, second, last = found(job(3, "faults"))
    differs = "rank 2 of 3 differs from rank 0 in "
    for name, where in {
        "other data": "X: data with digest ",
        "one number": "X: data with digest ",
        "fewer sequences": "the number of sequences: 9, not 10",
        "another label": "y: data with digest ",
        "another setting": "learning_rate_init: 0.5, not 0.003",
        "another version": "the version of elman: 0.0.9, not 0.1.0",
        "other validation data": "validation_data: data with digest ",
        "a model to go on from": "whether training goes on from a model: yes, not no",
    }.items():
        assert first[name].startswith(f"RankError: {differs}{where}"), first[name]
        assert last[name] == first[name]
    gone = "RankError: rank 2 of 3 does not go on: "
    assert first["not finite"].startswith(f"{gone}DataError: X contains NaN at sequence 3, step 0")
    assert last["not finite"].startswith("DataError: ")
    found_by_others = first["not finite in its file"]
    assert "another rank's X has NaN or infinity at sequence 9, step 0" in found_by_others
    assert last["not finite in its file"].startswith("DataError: X contains NaN at sequence 9")
    assert first["all raise"] == last["all raise"] == last["one raises"] == "FaultError: enough"
    assert first["one raises"] == f"{gone}FaultError: enough"
    assert first["Ctrl-C"] == "InterruptedElsewhere: "
    assert last["Ctrl-C"] == "KeyboardInterrupt: "
    for result, number in ((first, 2), (second, 2), (last, 0)):
        words = f"RankError: rank {number} of 3 has other weights than rank "
        assert result["other weights"].startswith(words)
    assert first["none"] == last["none"] == "done"
    assert [second[name] for name in second if name != "other weights"] == [
        first[name] for name in first if name != "other weights"
    ]


def errors_of(result):
    return [line for line in result.stderr.splitlines() if "Error: " in line]


@pytest.mark.parametrize("what", ["more fits", "an error before", "an end before"])
def test_a_rank_that_has_ended_is_waited_for_by_none(what):
    result = job(3, what)
    assert result.returncode != 0
    words = {
        "more fits": "rank 0 of 3 does not go on: it has ended",
        "an error before": "rank 1 of 3 does not go on: it has ended by FaultError: no data",
        "an end before": "rank 1 of 3 does not go on: it has ended",
    }[what]
    assert any(words in line for line in errors_of(result)), result.stderr


def test_a_rank_that_is_killed_ends_the_job():
    result = job(3, "killed")
    assert result.returncode != 0
    assert "KILLED BY SIGNAL: 9" in result.stdout or "Killed" in result.stdout + result.stderr


def test_ranks_may_train_each_for_itself():
    results = found(job(2, "alone", ELMAN_MPI="0"))
    assert all(not result["begun"] for result in results)
    assert all(result["parts"] == of_one_process()["parts"] for result in results)


# The command line


def train(n, directory, *options):
    return [
        *command(n, "-m", "elman", "train", "digits", "--hidden", "4"),
        *("--output", str(directory / f"{n}.safetensors"), *options),
    ]


def test_the_command_line_trains_one_model_and_reports_once(tmp_path):
    outputs = []
    for n in (1, 2):
        result = subprocess.run(
            train(n, tmp_path, "--epochs", "1"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        outputs.append(re.sub(r"\d+\.\d s|[\d,]+ sequences/s|\d\.safetensors", "", result.stdout))
    assert outputs[0] == outputs[1]
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()


def test_the_command_line_says_an_error_once(tmp_path):
    result = subprocess.run(
        command(2, "-m", "elman", "train", "no.csv", "--output", str(tmp_path / "a.safetensors")),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.count("there is no file no.csv") == 1


def test_ctrl_c_ends_all_ranks_and_the_first_saves(tmp_path):
    process = subprocess.Popen(
        train(2, tmp_path, "--epochs", "100000"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, errors = process.communicate(timeout=SECONDS)
    assert time.monotonic() - started < 60
    assert process.returncode != 0
    assert errors.count("interrupted; the weights after epoch") == 1, errors
    assert [path.name for path in tmp_path.iterdir()] == ["2.safetensors"]
