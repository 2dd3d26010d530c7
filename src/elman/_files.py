"""Files: read whole, and replaced whole."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import stat
import zlib
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

from elman._memory import require_memory

StrPath = str | os.PathLike[str]


def open_file(path: StrPath) -> BinaryIO:
    """Open a regular file for reading.

    Raises
    ------
    OSError
        If there is no such file, it cannot be read, or it is a pipe (which would be waited for), a
        device or a directory.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except PermissionError:
        raise unreadable(path) from None
    except FileNotFoundError:
        raise no_file(path) from None
    try:
        _require_regular(path, os.fstat(handle))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def no_file(path: StrPath) -> FileNotFoundError:
    """Say that there is no such file, and which one may be meant."""
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        return FileNotFoundError(f"there is no directory {folder}")
    names: list[str] = []
    with suppress(PermissionError):
        names = sorted(entry.name for entry in folder.iterdir() if entry.name != path.name)
        # a name must be alike without its .csv
        names = [name for name in names if nearest(path.stem, [Path(name).stem])]
    return FileNotFoundError(f"there is no file {path}.{nearest(path.name, names)}")


def nearest(name: str, names: list[str]) -> str:
    """`` Did you mean …?``, or nothing."""
    close = get_close_matches(name, names, 1)
    if not close:
        close = [other for other in names if other.casefold() == name.casefold()][:1]
    return f" Did you mean {close[0]!r}?" if close else ""


def read_file(path: StrPath, *, copies: int = 1) -> bytes:
    """Read a file, if there is memory for it.

    Parameters
    ----------
    path : path
    copies : int
        How much memory the caller is going to need, in multiples of the file's size.

    Raises
    ------
    MemoryError
        If there is not so much; then nothing is read.
    OSError
        See ``open_file``.
    """
    with open_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        require_memory(copies * size, f"reading {path}")
        return stream.read(size)


# How the files that elman wrote begin; a picture may also end so. For models there is is_model.
_OURS = {
    "page": rb'<!doctype html>.*<meta name="generator" content="elman">',
    "JSON": rb'\{"generator": "elman"',
    ".onnx": rb"\x08.\x12\x05elman",  # the producer's name
    ".pt": rb"PK\x03\x04.*archive/data\.pkl.*\}q\0\(X\x05\0\0\0elmanq",  # a dict's first key
    ".c": rb"/\* A recurrent network, written by elman:",
    "log": rb'\{"epoch": \d+, "loss": ',
    "picture": rb"\x89PNG.*Software\0elman|<\?xml.*<dc:title>elman<|%PDF.*/Creator \(elman\)"
    rb"|%!PS.*%%Creator: elman",
    # CSV has no place for elman's name: see cli.tables.write_table
    "table": rb'[^\r\n"]+,"[^\s",]+"\n',  # a name with spaces is quoted by others, too
}
_LOOKED_AT = 8192  # bytes at either end
_HEADER = 100_000_000  # the most bytes that safetensors allows


def is_model(header: bytes) -> bool:
    """Whether the header of a safetensors file, perhaps damaged, is that of a model of elman.

    It has an entry "elman" that is text. (Within a text, quotes would have a backslash before them.)
    """
    return re.search(rb'[{,]\s*"elman"\s*:\s*"', header) is not None


def is_ours(path: StrPath, kind: str) -> bool:
    """Whether a file is of a kind that elman writes, or empty, so that it may be replaced.

    Parameters
    ----------
    path : path
    kind : {"model", "page", "JSON", ".onnx", ".pt", ".c", "log", "picture", "table"}
    """
    with open_file(path) as stream:
        content = stream.read(_LOOKED_AT)
        if not content:
            return True
        if kind == "model":
            if content[8:9] != b"{":
                return False
            end = 8 + int.from_bytes(content[:8], "little")
            if end > 8 + _HEADER:
                return False
            return is_model((content + stream.read(max(0, end - len(content))))[8:end])
        if kind == "picture":
            size = stream.seek(0, 2)
            stream.seek(max(len(content), size - _LOOKED_AT))
            content += stream.read(_LOOKED_AT)
    return re.match(_OURS[kind], content, re.DOTALL) is not None


def require_ours_or_nothing(path: StrPath, kind: str) -> None:
    """Refuse a path with a file that is neither of this kind and elman's, nor empty (``is_ours``).

    Raises
    ------
    FileExistsError
        If there is another file.
    OSError
        If what is there cannot be read, or is no file.
    """
    if not Path(path).exists():
        return  # whether a file can be written there shows when it is written
    if not is_ours(path, kind):
        raise FileExistsError(
            f"{path} exists, and is not a {kind}{' file' * (kind != 'page')} that elman wrote. Choose "
            "another name, or remove the file first."
        )


def replace_file(path: StrPath, content: bytes) -> None:
    """Write a file so that at every moment the old content or the new is there, whole.

    A link stays, and what it points to is replaced. The new file has the old one's mode and, where
    this process may give it away, its owner.

    Raises
    ------
    OSError
        If the file cannot be written, or what is there is read-only or no file; what was there is
        as it was.
    """
    target = _target(path)
    stream, temporary = _create_beside(target, path)
    try:
        with stream:
            _copy_mode(target, stream.fileno())  # first, so that nobody else can read the content
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise _about(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(target.parent)


def try_to_replace(path: StrPath) -> None:
    """Find out before the work whether ``replace_file`` will succeed: create its temporary file.

    Raises
    ------
    OSError
        As ``replace_file`` would; if the disk is full, too.
    """
    stream, temporary = _create_beside(_target(path), path)
    try:
        with stream:
            stream.write(bytes(_ENOUGH))
    except OSError as error:
        raise _about(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


_ENOUGH = 1 << 16  # bytes: a disk that has no more is full


_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def unreadable(path: StrPath) -> PermissionError:
    """Say that a file may not be read, and what helps."""
    return PermissionError(
        f"{path} cannot be read: you have no permission. Ask its owner for it (chmod), or for a copy."
    )


def _about(path: StrPath, error: OSError) -> OSError:
    """Make an error name the file, not the temporary one."""
    if error.errno in _FORBIDDEN:
        return PermissionError(
            f"{path} cannot be written: the folder {_target(path).parent} does not permit it. Choose "
            "another folder, or ask its owner for permission (chmod)."
        )
    return OSError(error.errno, error.strerror, str(path)) if error.errno else error


def _target(path: StrPath) -> Path:
    """Follow links, and refuse what cannot be replaced."""
    target = Path(os.path.realpath(path))
    try:
        found = target.stat()
    except (FileNotFoundError, NotADirectoryError):
        if not target.parent.is_dir():
            parent = target.parent if Path(path).is_symlink() else Path(path).parent
            raise FileNotFoundError(f"there is no directory {parent}") from None
        return target
    _require_regular(path, found)
    if not found.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise PermissionError(f"{path} is read-only. Make it writable, or take another name.")
    return target


def _require_regular(path: StrPath, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"{path} is a directory; expected a file")
    kind = "pipe" if stat.S_ISFIFO(found.st_mode) else "device"
    raise OSError(f"{path} is a {kind}; expected a file")


# The name of a temporary file has its host and process, so that the files of dead processes can be
# removed. Each container counts as a host, because it numbers its processes itself.


def _host() -> str:
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 (a link that points nowhere)
    except OSError:
        processes = 0
    return f"{zlib.crc32(f'{platform.node()} {processes}'.encode()):08x}"


def _create_beside(target: Path, path: StrPath) -> tuple[BinaryIO, Path]:
    host = _host()
    _remove_leftovers(target.parent, host)
    temporary = target.parent / f".elman-{host}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(temporary, flags, 0o666)  # the system applies the umask
    except OSError as error:
        raise _about(path, error) from None
    return os.fdopen(handle, "wb"), temporary


def _remove_leftovers(directory: Path, host: str) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    if os.name != "posix":  # elsewhere one cannot ask whether a process is alive
        return
    pattern = re.compile(rf"\.elman-{host}-(\d+)-[0-9a-f]{{8}}\.tmp")
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match and entry.is_file(follow_symlinks=False) and _is_dead(int(match[1])):
                with suppress(OSError):
                    os.unlink(entry)  # noqa: PTH108


def _is_dead(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's; or no such number
        pass
    return False


def _copy_mode(target: Path, handle: int) -> None:
    try:
        found = target.stat()
    except FileNotFoundError:  # a new file; it has what the umask leaves
        return
    if os.name == "posix":
        own = os.fstat(handle)
        if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
            with suppress(PermissionError):
                os.fchown(handle, found.st_uid, found.st_gid)
        os.fchmod(handle, found.st_mode & 0o777)


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):  # a system that cannot open one, or cannot sync it
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
