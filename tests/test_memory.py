"""How much memory is at hand."""

import os
import re
import resource
import subprocess
import sys

import pytest

from elman import _memory
from elman._memory import available_memory, require_memory

linux = pytest.mark.skipif(not os.path.exists("/proc/meminfo"), reason="Linux's")  # noqa: PTH110


@linux
def test_no_more_than_the_machine_has():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < available_memory() <= total


@linux
def test_own_limit_counts():
    program = "from elman._memory import available_memory; print(available_memory())"
    limit = 300_000_000

    def set_limit():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=set_limit, capture_output=True, check=True
    )
    assert limit - 100_000_000 < int(done.stdout) < limit


GROUPS = {
    "version 2": (
        "0::/outer/inner\n",
        {
            "outer/memory.max": "700\n",
            "outer/memory.current": "300\n",
            "outer/memory.stat": "anon 200\ninactive_file 50\nactive_file 7\n",
            "outer/inner/memory.max": "max\n",
            "outer/inner/memory.current": "100\n",
            "outer/inner/memory.stat": "inactive_file 1\n",
        },
        700 - 300 + 50,
    ),
    "version 1": (
        "5:cpu,cpuacct:/x\n4:memory:/job\n",
        {
            "memory.limit_in_bytes": "9223372036854771712\n",
            "memory.usage_in_bytes": "10\n",
            "memory.stat": "inactive_file 1\ntotal_inactive_file 2\n",
            "job/memory.limit_in_bytes": "500\n",
            "job/memory.usage_in_bytes": "400\n",
            "job/memory.stat": "inactive_file 20\ntotal_inactive_file 30\n",
        },
        500 - 400 + 30,
    ),
    "a container that sees its own group as the root": (
        "0::/somewhere/else\n",
        {"memory.max": "900", "memory.current": "300", "memory.stat": ""},
        600,
    ),
}


@pytest.mark.parametrize(("own", "files", "expected"), GROUPS.values(), ids=GROUPS)
def test_limits_of_control_groups(tmp_path, monkeypatch, own, files, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    lines = _memory._lines
    monkeypatch.setattr(
        _memory, "_lines", lambda p: own.splitlines() if p == "/proc/self/cgroup" else lines(p)
    )
    groups = {n: (str(tmp_path), *names) for n, (_, *names) in _memory._GROUPS.items()}
    monkeypatch.setattr(_memory, "_GROUPS", groups)
    assert min(_memory._by_groups()) == expected
    assert available_memory() == expected


def test_nothing_is_left_of_a_limit_that_is_passed(monkeypatch):
    monkeypatch.setattr(_memory, "_by_own_limit", lambda: [-5])
    assert available_memory() == 0


def test_where_nothing_is_known_anything_goes(monkeypatch):
    for name in ("_by_machine", "_by_groups", "_by_own_limit"):
        monkeypatch.setattr(_memory, name, list)
    assert available_memory() == sys.maxsize
    require_memory(10**18, "a dream")


def test_refusal_names_both_sizes(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 2_000_000_000)
    require_memory(2_000_000_000, "the file")
    expected = "the file needs 2.01 GB of memory; 2.00 GB are available."
    with pytest.raises(MemoryError, match=re.escape(expected)):
        require_memory(2_010_000_000, "the file")
