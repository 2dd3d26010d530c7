"""How much memory is at hand, so that a size can be refused before it is taken."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Where control groups (of containers, batch systems) have their numbers, in versions 2 and 1: the
# folder, the limit, the memory in use, and the part of it that is cached files, which the system can
# free.
_GROUPS = {
    2: ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    1: (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def available_memory() -> int:
    """Return how many bytes of memory this process can still take.

    The least of what the machine has available, what the limits of its control groups leave, and
    what its own limit on address space (``ulimit -v``) leaves; ``sys.maxsize`` where none of these
    is known.
    """
    left = [*_by_machine(), *_by_groups(), *_by_own_limit()]
    return max(0, min(left, default=sys.maxsize))


def require_memory(n_bytes: int, what: str) -> None:
    """Refuse what needs more memory than there is.

    Raises
    ------
    MemoryError
        With both sizes.
    """
    available = available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what} needs {n_bytes / 1e9:,.2f} GB of memory; {available / 1e9:,.2f} GB are available."
        )


def _by_machine() -> Iterator[int]:
    sizes = [line.split() for line in _lines("/proc/meminfo")]
    available = [int(kilobytes) * 1024 for name, kilobytes, *_ in sizes if name == "MemAvailable:"]
    if available:
        yield available[0]
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _by_groups() -> Iterator[int]:
    for line in _lines("/proc/self/cgroup"):
        number, controllers, group = line.rstrip("\n").split(":", 2)
        if number == "0":
            version = 2
        elif "memory" in controllers.split(","):
            version = 1
        else:
            continue
        root, limit, usage, cached = _GROUPS[version]
        folder = Path(root, group.lstrip("/"))
        for each in (folder, *folder.parents):  # a group has what the groups around it leave
            try:
                n_cached = [int(s.split()[1]) for s in _lines(each / "memory.stat") if cached in s]
                n_used = int((each / usage).read_text())
                yield int((each / limit).read_text()) - n_used + sum(n_cached[:1])
            except (OSError, ValueError):  # not there, or "max"
                pass
            if each == Path(root):
                break


def _by_own_limit() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = [int(line.split()[0]) for line in _lines("/proc/self/statm")]
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - pages[0] * resource.getpagesize()


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
