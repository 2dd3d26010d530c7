"""Files are read whole, and replaced whole."""

import errno
import os
import pickle
import re
import socket
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from disks import full_disk
from elman import _files
from elman._files import (
    is_ours,
    open_file,
    read_file,
    replace_file,
    require_ours_or_nothing,
    try_to_replace,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices, links and modes of POSIX")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    return tmp_path / "file"


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


# Replacing


@pytest.mark.parametrize("n", [0, 1, 100_000])
def test_content_is_written(path, n):
    replace_file(path, bytes(n))
    assert path.read_bytes() == bytes(n)
    assert names(path.parent) == ["file"]


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace", "os.fchmod"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, BrokenError])
def test_failed_write_leaves_all_as_it_was(path, monkeypatch, failing, error):
    def fail(*arguments, **keywords):
        raise error("disk full")

    monkeypatch.setattr(failing, fail)
    with pytest.raises(error, match="disk full"):
        replace_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["file"]


def test_full_disk_leaves_all_as_it_was(path):
    with full_disk(1000), pytest.raises(OSError, match=r"'.*file'") as raised:
        replace_file(path, bytes(100_000))
    assert raised.value.errno == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["file"]


def test_content_is_on_the_disk_before_the_old_file_goes(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (calls.append("replace"), replace(self, target))
    )
    replace_file(path, b"new")
    assert calls == ["fsync", "replace", "fsync"]  # at last the directory's


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_mode_is_kept(path, mode):
    path.chmod(mode)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_content_is_never_open_to_more_than_the_file_is(path, monkeypatch):
    path.chmod(0o600)
    modes = []

    def look(handle):
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))

    monkeypatch.setattr(os, "fsync", look)
    replace_file(path, b"new")
    assert modes[0] == 0o600


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_of_a_new_file_is_left_to_the_umask(tmp_path, monkeypatch, umask, mode):
    """Which is of the whole process, and not to be changed for a moment either."""
    before = os.umask(umask)

    def refuse(mask):
        raise AssertionError("the umask was changed")

    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "umask", refuse)
            replace_file(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_owner_is_kept(path):
    os.chown(path, 12345, 54321)
    replace_file(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


@pytest.mark.parametrize("relative", [True, False])
def test_link_stays_and_its_target_is_replaced(path, relative):
    folder = path.parent / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("../file" if relative else path)
    replace_file(folder / "link", b"new")
    assert (folder / "link").is_symlink()
    assert path.read_bytes() == b"new"
    assert names(folder) == ["link"]


def test_link_to_nothing_yet(tmp_path):
    (tmp_path / "link").symlink_to("file")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_name_as_long_as_there_are(tmp_path):
    replace_file(tmp_path / ("n" * 255), b"new")
    assert names(tmp_path) == ["n" * 255]


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replace_file("file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


# What cannot be replaced


def fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def linked_device(tmp_path):
    (tmp_path / "device").symlink_to("/dev/null")
    return tmp_path / "device"


def directory(tmp_path):
    (tmp_path / "directory").mkdir()
    return tmp_path / "directory"


def linked_nowhere(tmp_path):
    (tmp_path / "link").symlink_to("nowhere/file")
    return tmp_path / "link"


def read_only(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o444)
    return tmp_path / "file"


def circle(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path / "circle"


@pytest.mark.parametrize("write", [lambda path: replace_file(path, b"new"), try_to_replace])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fifo, "pipe is a pipe; expected a file"),
        (linked_device, "device is a device; expected a file"),
        (lambda tmp_path: Path("/dev/null"), "/dev/null is a device"),
        (directory, "directory is a directory; expected a file"),
        (linked_nowhere, "there is no directory .*nowhere$"),
        (lambda tmp_path: tmp_path / "no" / "file", "there is no directory .*no$"),
        (read_only, "file is read-only"),
        (circle, "circle"),
        (lambda tmp_path: tmp_path / ("n" * 256), "File name too long"),
    ],
)
def test_what_is_no_file_to_replace_stays(tmp_path, make, message, write):
    path = make(tmp_path)
    before = names(tmp_path)
    with pytest.raises(OSError, match=message):
        write(path)
    assert names(tmp_path) == before
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("write", [lambda path: replace_file(path, b"new"), try_to_replace])
def test_a_folder_that_takes_no_files_is_named(tmp_path, monkeypatch, write, number):
    """Whatever user runs the tests: the system administrator may write anywhere."""

    def refuse(path, flags, mode=0o777):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("elman._files.os.open", refuse)
    message = (
        f"{tmp_path / 'file'} cannot be written: the folder {tmp_path} does not permit it. Choose"
    )
    with pytest.raises(PermissionError, match=re.escape(message)):
        write(tmp_path / "file")


def test_a_file_that_may_not_be_read_is_named(path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("elman._files.os.open", refuse)
    message = f"{path} cannot be read: you have no permission. Ask its owner"
    with pytest.raises(PermissionError, match=f"^{re.escape(message)}"):
        open_file(path)


def test_trying_changes_nothing(path):
    before = path.stat()
    try_to_replace(path)
    try_to_replace(path.parent / "other")
    assert path.stat() == before
    assert names(path.parent) == ["file"]


def test_trying_finds_a_full_disk(path):
    with full_disk(1000), pytest.raises(OSError, match=r"'.*file'"):
        try_to_replace(path)
    assert names(path.parent) == ["file"]


# Temporary files


def left_by(process, folder, host=None):
    name = f".elman-{host or _files._host()}-{process}-0123abcd.tmp"
    (folder / name).write_bytes(b"half a mod")
    return name


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_what_a_dead_process_left_is_removed(path, dead):
    left_by(dead, path.parent)
    replace_file(path, b"new")
    assert names(path.parent) == ["file"]
    left_by(dead, path.parent)
    try_to_replace(path)
    assert names(path.parent) == ["file"]


def test_what_others_write_stays(path, dead):
    folder = path.parent
    stay = [
        left_by(os.getpid(), folder),
        left_by(os.getppid(), folder),
        left_by(10**30, folder),
        left_by(dead, folder, host="00000000"),
        f".elman-{_files._host()}-{dead}-0123abcd.tmp.mine",
        f".elman-{_files._host()}-{dead}-0123abcd.tmp ",
        f"elman-{_files._host()}-{dead}-0123abcd.tmp",
    ]
    for name in stay[4:]:
        (folder / name).touch()
    (folder / f".elman-{_files._host()}-{dead}-89abcdef.tmp").symlink_to("file")
    before = names(folder)
    replace_file(path, b"new")
    assert names(folder) == before


def test_killed_while_it_writes(path):
    """What it leaves has the name that the next one looks for."""
    program = (
        "import os, signal, sys\n"
        "from elman import _files\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "_files.replace_file(sys.argv[1], b'new')\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert killed.returncode < 0
    assert len(names(path.parent)) == 2
    assert path.read_bytes() == b"old"
    try_to_replace(path)
    assert names(path.parent) == ["file"]


# Reading


def test_file_is_read(path):
    assert read_file(path) == b"old"


def a_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    return tmp_path / "socket"


@pytest.mark.parametrize("make", [fifo, linked_device, directory, a_socket])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with pytest.raises(OSError, match=r"pipe|device|directory|socket"):
        read_file(make(Path()))


def test_more_than_memory_is_refused_before_it_is_taken(path, monkeypatch):
    """A file with a hole: as large as it says, and yet nothing on the disk."""
    with path.open("wb") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(
        MemoryError, match=r"reading .*file needs 4,398.05 GB of memory; [\d.,]+ GB"
    ):
        read_file(path)
    path.write_bytes(b"old")
    monkeypatch.setattr("elman._memory.available_memory", lambda: 5)
    assert read_file(path) == b"old"
    with pytest.raises(MemoryError):
        read_file(path, copies=2)


def test_file_that_grows_meanwhile_is_read_as_large_as_it_was(path, monkeypatch):
    require = _files.require_memory

    def grow(*arguments):
        with path.open("ab") as stream:
            stream.write(bytes(1000))
        require(*arguments)

    monkeypatch.setattr(_files, "require_memory", grow)
    assert read_file(path) == b"old"


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("model", b'{"deps":{"elman":"1.0"}}', False),  # whose length would be beyond all headers
        ("table", b'id,"max_temp"\n1,2\n', True),
        ("table", b'id,"max temp"\n1,2\n', False),
        ("log", b'{"epoch": 1, "loss": 0.5}\n', True),
        ("log", b'{"epoch": 1, "train_loss": 0.5}\n', False),
    ],
)
def test_whose_a_file_is(tmp_path, kind, content, expected):
    (tmp_path / "file").write_bytes(content)
    assert is_ours(tmp_path / "file", kind) == expected


def test_a_new_name_is_not_compared_with_others(tmp_path, monkeypatch):
    monkeypatch.setattr("elman._files.nearest", None)
    require_ours_or_nothing(tmp_path / "new", "model")


def test_a_link_to_nothing_is_not_its_own_suggestion(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"there is no file \S*link\.$"):
        open_file(tmp_path / "link")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"elman": "{}", "V": 1}, True),
        ({"V": "elman", "U": 1}, False),
        ({"elmans": "{}", "V": 1}, False),
    ],
)
def test_whose_a_file_for_pytorch_is(tmp_path, state, expected):
    """As torch.save writes it: a zip archive with a pickle, not compressed."""
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(state, 2))
    assert is_ours(tmp_path / "m.pt", ".pt") == expected
