"""The command line's first lines: ``python -m elman``, and the command ``elman``.

From here on, also while the rest is imported, Ctrl-C prints one word and ends with exit code 1.
"""

# The C module behind `signal`, which takes longer to import than all of this file.
import _signal  # type: ignore[import-not-found]
import os


def leave(number: int, frame: object) -> None:
    """End this process at once. Nothing can catch that, or turn it into another error."""
    try:  # noqa: SIM105 (as above)
        os.write(2, b"interrupted\n")
    except OSError:  # nobody reads it
        pass
    os._exit(1)


def handle_with(handler: object) -> None:
    """Set the handler of the signals that ask a process to end, except of ignored ones (nohup)."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, handler)


def main() -> None:
    """Run the command line."""
    handle_with(leave)
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:  # closed (">&-"): the next file opened would take its place
            os.open(os.devnull, os.O_RDWR)
    from elman import cli

    try:
        cli.main()
    finally:
        handle_with(_signal.SIG_IGN)  # the work is done: a signal must not change the exit code


if __name__ == "__main__":
    main()
