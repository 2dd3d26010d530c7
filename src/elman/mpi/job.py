"""The MPI job of this process: found by the launcher's environment variables, begun when needed."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, wraps
from itertools import pairwise
from json import loads
from threading import Timer, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

import numpy as np

from elman._json import dumps
from elman._signals import Uninterrupted
from elman._typing import Array
from elman.errors import ElmanError, RankError
from elman.mpi.messages import ENDED, INTERRUPTED, WORDS, InterruptedElsewhere, Messages, wait_for

if TYPE_CHECKING:
    from elman.engines.compiled.summing import Sum, TreeSum

SWITCH = "ELMAN_MPI"
"""The environment variable that is 0 if each rank should train its own model."""

_PROCESS = "ELMAN_MPI_PROCESS"  # the process that the launcher started; its children are no ranks
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK")

WORDS_BYTES = 1 << 14
"""The largest message with facts to compare, in bytes."""

SECONDS = 10.0
"""A wait at the beginning is reported after this time. After an error, the wait ends, with the job."""

CHECKED = 1024
"""So many parameters are compared in each update, and the following ones in the next."""

Method = TypeVar("Method", bound=Callable[..., Any])


def n_launched() -> int:
    """The number of ranks that an MPI launcher has started; 1 if this process is not one of them."""
    environment = os.environ
    if environment.get(SWITCH, "") == "0" or environment.get(_PROCESS) not in (None, _pid()):
        return 1
    sizes = [environment.get(name, "") for name in _SIZES]
    if any(name in environment for name in _RANKS):  # otherwise Slurm has started them without MPI
        sizes.append(environment.get("SLURM_STEP_NUM_TASKS", ""))
    n = max(int(size) if size.isdecimal() else 1 for size in [*sizes, "1"])
    MPI = sys.modules.get("mpi4py.MPI")
    if n == 1 and MPI is not None and MPI.Is_initialized() and not MPI.Is_finalized():
        n = int(MPI.COMM_WORLD.size)
    return n


def _pid() -> str:
    return str(os.getpid())


def ranks() -> Ranks | None:
    """The ranks of this process's job, begun if necessary; None if this process is alone.

    A fit in another thread is alone, too, because it is not known which fits belong together.

    Raises
    ------
    ElmanError
        If mpi4py is missing, or of another MPI than the launcher.
    """
    if n_launched() == 1 or current_thread() is not main_thread():
        return None
    return _begun()


def taking_part() -> Ranks | None:
    """The ranks, inside a method that they do ``together``; otherwise None."""
    if not _begun.cache_info().currsize or current_thread() is not main_thread():
        return None
    found = _begun()
    return found if found.depth else None


def rank() -> int:
    """The number of this process among those that train one model; 0 if it is alone."""
    found = ranks()
    return 0 if found is None else found.rank


def together(method: Method) -> Method:
    """Decorate a method of an estimator, so that all ranks of a job do it together."""

    @wraps(method)
    def by_all(self: Any, *arguments: Any, **options: Any) -> Any:
        found = ranks()
        if found is None:
            return method(self, *arguments, **options)
        with found:
            if self.random_state is None:
                found.share_random_numbers()
            return method(self, *arguments, **options)

    return by_all  # type: ignore[return-value]


@cache
def _begun() -> Ranks:
    n = n_launched()
    with told_of("MPI begins when all ranks have reached this point"):
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ElmanError(
                f"{n} ranks were started, and to train one model together they need mpi4py: {error}. "
                f"Run: pip install 'elman[mpi]'. Or let each train its own: {SWITCH}=0."
            ) from None
        if MPI.Is_finalized():
            raise ElmanError("MPI has been finalized; fit before that.")
        if n != MPI.COMM_WORLD.size:
            library = MPI.Get_library_version().split("\n")[0].strip("\0 ")
            raise ElmanError(
                f"{n} ranks were started, but mpi4py sees {MPI.COMM_WORLD.size}: the launcher is not "
                f"that of its MPI, which is {library}. Start it with the mpiexec of that one."
            )
        comm, request = MPI.COMM_WORLD.Idup()
        wait_for(MPI, [request])
        return Ranks(Messages(MPI, comm))


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Report a wait that takes long."""
    number = next((os.environ[name] for name in _RANKS if name in os.environ), "?")
    text = (
        f"elman: rank {number} waits for the others: {what}. All ranks of an MPI job train one model; "
        f"with {SWITCH}=0 in the environment each trains its own.\n"
    )
    timer = Timer(SECONDS, lambda: os.write(2, text.encode()))
    timer.daemon = True
    with suppress(RuntimeError):  # no new threads, at the end of the interpreter
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Ranks:
    """The ranks of an MPI job, seen from one of them. See ``Reducer``.

    Attributes
    ----------
    rank, size : int
        The number of this process, and how many there are.
    depth : int
        The number of nested methods that they are doing ``together``.
    last_words : str
        What the others are told when this process ends, if it has failed.
    """

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.rank, self.size = messages.rank, messages.size
        self.depth = 0
        self.last_words = ""
        self._n_joined = 0
        self._held: Uninterrupted | None = None
        self._share_cores()

    def __enter__(self) -> Ranks:
        """Begin something together."""
        if self.depth == 0:
            self._n_joined = 0  # after an error it may differ between ranks
        self.depth += 1
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """End it; the others are told of an error that is only here."""
        self.depth -= 1
        if self.depth:
            return
        self.messages.release()
        held, self._held = self._held, None
        try:
            if error is not None and not isinstance(error, RankError | InterruptedElsewhere):
                words = _words_of(error)
                with told_of(f"it does not go on ({words})"):
                    self.messages.leave(words)
        finally:
            if held is not None:
                held.__exit__()

    def join(self, tree: TreeSum, cuts: list[int], parameters: Array, n: int) -> Sum:
        """See ``Reducer.join``.

        Ctrl-C is let through only here, between two updates, so that all ranks stop at the same place.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C came to any rank.
        RankError
            If another rank has stopped, or has other parameters.
        """
        # part of the compiled engine, which takes long to import
        from elman.mpi.joining import DiffersError, join

        self._let_through()
        start = self._n_joined % -(-len(parameters) // CHECKED) * CHECKED
        self._n_joined += 1
        digest = np.array([crc32(parameters[start : start + CHECKED].data)], np.int64).view(
            np.uint8
        )

        exchange = self.messages.exchange
        try:
            blocks = [range(*ends) for ends in pairwise(cuts)]
            return join(exchange, self.rank, tree, blocks, n, parameters.dtype, digest)
        except DiffersError as error:
            raise RankError(
                f"rank {error.args[0]} of {self.size} has other weights than rank {self.rank}, before "
                f"update {self._n_joined:,}. A callback that changes the model has to do so in each "
                "rank alike."
            ) from None

    def any(self, flags: Array) -> Array:
        """See ``Reducer.any``."""
        self._let_through()
        packed = np.packbits(flags)
        heard = self.messages.exchange([packed] * self.size, [packed.nbytes] * self.size)
        return np.unpackbits(np.bitwise_or.reduce(heard), count=len(flags)).astype(bool)

    def share(self, rows: Array, cuts: tuple[int, ...]) -> None:
        """See ``Readers.share``."""
        self._let_through()
        parts = [rows[start:stop] for start, stop in pairwise(cuts)]
        own = np.ascontiguousarray(parts[self.rank]).reshape(-1).view(np.uint8)
        heard = self.messages.exchange([own] * self.size, [part.nbytes for part in parts])
        for part, message in zip(parts, heard, strict=True):
            part[...] = message.view(rows.dtype).reshape(part.shape)

    def _let_through(self) -> None:
        """Hold Ctrl-C back from the first exchange on, and let it through before each."""
        if self._held is None:
            self._held = Uninterrupted()
            self._held.__enter__()
        self._held.let_through()

    def compare(self, facts: Mapping[str, object]) -> None:
        """Check that all ranks are about to do the same, or have done so.

        Parameters
        ----------
        facts : mapping
            From the name of each fact in messages to its value, in words.

        Raises
        ------
        RankError
            In each rank, if one differs.
        """
        if self._held is not None:  # signals that came while a file was read
            self._held.let_through()
        own = dumps({name: str(fact)[:60] for name, fact in facts.items()})
        first, *others = map(loads, self._tell_all(own))
        for number, other in enumerate(others, 1):
            for name in first | other:
                if first.get(name) != other.get(name):
                    raise RankError(
                        f"rank {number} of {self.size} differs from rank 0 in {name}: "
                        f"{other.get(name)}, not {first.get(name)}. All ranks of an MPI job train one "
                        f"model on the same data; with {SWITCH}=0 in the environment each trains "
                        "its own."
                    )

    def share_random_numbers(self) -> None:
        """Give NumPy's global generator, which ``random_state=None`` uses, rank 0's state."""
        # scikit-learn's None means this generator, although it is the old one.
        own: Any = np.random.get_state(legacy=False)  # noqa: NPY002
        numbers = np.append(own["state"]["key"], own["state"]["pos"])
        state = numbers.astype(np.uint32).view(np.uint8)
        with told_of("they have to call fit as often as this one, and to end it"):
            received = self.messages.exchange(
                [state] * self.size, [state.nbytes] * self.size, WORDS
            )
        if self.rank:
            numbers = received[0].view(np.uint32)
            own["state"] = {"key": numbers[:-1].copy(), "pos": int(numbers[-1])}
            np.random.set_state(own)  # noqa: NPY002

    def end(self) -> None:
        """Tell the others that this process ends, and wait until they end or get the message.

        After an error, the wait is short; then the whole job is ended.
        """
        MPI = self.messages.MPI
        if MPI.Is_finalized():
            return
        error = getattr(sys, "last_value", None)
        words = self.last_words or ("" if error is None else _words_of(error))
        note = f"{ENDED} by {words}" if words else ENDED
        if not self.messages.leave(note, SECONDS if words else None):
            os.write(
                2, f"elman: rank {self.rank} ends the job: {words or 'it broke off'}\n".encode()
            )
            MPI.COMM_WORLD.Abort(1)

    def _tell_all(self, text: str) -> list[str]:
        content = np.frombuffer(text.encode(), np.uint8)
        with told_of("they have to call fit as often as this one, and to end it"):
            heard = self.messages.exchange([content] * self.size, [WORDS_BYTES] * self.size, WORDS)
        return [message.tobytes().decode() for message in heard]

    def _share_cores(self) -> None:
        """Give each rank on a machine its share of the cores: set OMP_NUM_THREADS, unless it is set."""
        if os.environ.get("OMP_NUM_THREADS") or not hasattr(os, "sched_getaffinity"):
            self._tell_all("")
            return
        machine = self.messages.MPI.Get_processor_name()
        own = dumps([machine, sorted(os.sched_getaffinity(0))])
        heard = [loads(text) for text in self._tell_all(own) if text]
        here = [cores for name, cores in heard if name == machine]
        n = len({core for cores in here for core in cores}) // len(here)
        os.environ["OMP_NUM_THREADS"] = str(max(1, n))


def _words_of(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return f"{type(error).__name__}: {error}"


def _end() -> None:
    """Tell the others that this process ends, even if it never took part: they may wait for it."""
    try:
        found = ranks()
    except ElmanError:
        return
    if found is not None:
        found.end()


atexit.register(_end)
if n_launched() > 1:
    os.environ[_PROCESS] = _pid()
