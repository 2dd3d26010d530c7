"""The command line's first lines: ``python -m elman``, and the command ``elman``.

From here on Ctrl-C ends in one word and exit code 1, while the rest is imported too.
"""

# What signal is made of: signal itself takes longer to import than all this.
import _signal  # type: ignore[import-not-found]
import os


def leave(number: int, frame: object) -> None:
    """End this process at once. Nothing can catch that, or turn it into another error."""
    try:  # noqa: SIM105 (as above)
        os.write(2, b"interrupted\n")
    except OSError:  # nobody there to read it
        pass
    os._exit(1)


def handle_with(handler: object) -> None:
    """Set the handler of what asks a process to end, except where it is ignored (nohup)."""
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
        handle_with(_signal.SIG_IGN)  # it is done, and its exit code stands


if __name__ == "__main__":
    main()
