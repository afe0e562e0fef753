"""Worker processes that take batches ahead of time; one that dies is replaced, and nothing is lost by it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils import signal_handling

from trainwright.config.errors import FOREIGN, DataError, TrainwrightError
from trainwright.config.sent_files import SentFiles
from trainwright.data.draws import RESEEDING
from trainwright.data.rows import Rows
from trainwright.data.samples import unreadable
from trainwright.engine.interrupt import LISTENED, UNLESS_TAKEN, WaitedTooLong, Waits, too_late
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.packed import SENT, Packed, pack, unpack, widen_pipe
from trainwright.engine.pieces import batch_of
from trainwright.engine.system import Batch
from trainwright.engine.worker_checks import not_picklable, start_method

log = logging.getLogger("trainwright.engine")

AGAIN = 3
"""How often a batch is asked for again after a worker died over it."""
LOOK = 1
"""Seconds of waiting after which it is looked whether all workers are alive."""
GRACE = 5.0
"""Seconds that workers have to end by themselves."""
UNKNOWN = 255
"""The exit code of a worker whose fork server is gone: it may live."""


class BatchRequest(NamedTuple):
    """A batch to be taken: its number, the epoch from which randomness follows (None outside training), and its rows (int64, b)."""

    number: int
    epoch: int | None
    rows: np.ndarray


class Failure(NamedTuple):
    """What went wrong in a worker, as text, since the error itself may not survive the way."""

    number: int
    what: str
    where: str
    why: str
    fix: str


Answer = Packed | tuple[int, Batch] | Failure
"""What comes from a worker, its number first."""


class Died(Exception):
    """A worker ended before it gave what it was asked for."""


class RequestLine:
    """Requests one after the other; one that came to its end can be given more."""

    def __init__(self, requests: Iterator[BatchRequest]) -> None:
        self.requests = requests

    def __iter__(self) -> RequestLine:
        return self

    def __next__(self) -> BatchRequest:
        return next(self.requests)


class RequestedRows(Dataset[Any]):
    """What a worker holds: the rows, indexed by request."""

    def __init__(self, rows: Rows, seed: int, sent: int) -> None:
        """`sent`: bytes of a batch up to which it needs no shared memory."""
        self._rows, self._seed, self._sent = rows, seed, sent

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker loads the files of a person's own classes before it is given what these made."""
        return _requested_rows, (SentFiles(), self._rows, self._seed, self._sent)

    def __getitem__(self, request: BatchRequest) -> Answer:
        try:
            return pack(request.number, take_rows(self._rows, request, self._seed), self._sent)
        except FOREIGN as error:  # whatever a person's dataset raises
            found = error if isinstance(error, TrainwrightError) else unreadable(request.rows.tolist(), error)
            return Failure(request.number, found.what, found.where, found.why, found.fix)


def _requested_rows(files: SentFiles, rows: Rows, seed: int, sent: int) -> RequestedRows:
    return RequestedRows(rows, seed, sent)


def take_rows(rows: Rows, request: BatchRequest, seed: int) -> Batch:
    """The batch of a request, with the randomness of its epoch."""
    if request.epoch is not None:
        rows.begin_epoch(seed, request.epoch)
    with RESEEDING:  # in a worker nothing else is random
        return batch_of(rows, torch.from_numpy(request.rows))


def as_it_is(answer: Any) -> Any:
    """Answers are whole batches already."""
    return answer


def prepare(dtype: torch.dtype, number: int) -> None:
    """Make a worker deaf to signals, which the main process hears, and let it end when that one has ended."""
    # Ctrl-C goes to all processes of a terminal. A worker that ended by it would be taken for one that died, and be replaced.
    for each in [*LISTENED, *UNLESS_TAKEN]:
        signal.signal(each, signal.SIG_IGN)
    torch.set_default_dtype(dtype)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class DataWorkers:
    """Processes that take a line of batches ahead of time and give them in its order; they begin when the first one is asked for."""

    def __init__(
        self,
        rows: Rows,
        options: LoaderOptions,
        seed: int,
        line: Callable[[int], Iterator[BatchRequest]],
        first: int,
        *,
        pin: bool,
        name: str,
        waits: Waits,
    ) -> None:
        """`line(n)`: the requests from number n on, whose numbers rise. `first`: the number asked for first. `name`: of the rows."""
        self._waits = waits
        self._rows, self._options, self._seed, self._line, self._pin, self._name = rows, options, seed, line, pin, name
        self._method = start_method(options)
        self._iterator: Any = None
        self._requests = RequestLine(iter(()))
        self._last = first - 1

    def near(self, number: int) -> bool:
        """Whether a batch is one of those that come next."""
        return 0 < number - self._last <= self._options.workers * self._options.prefetch

    def take(self, number: int) -> Batch:
        """Batch `number`. Raises DataError when it cannot be read or time is over, TrainwrightError when workers die over and over."""
        with self._waits.hold():  # but for the wait itself: a signal must not tear what begins and ends processes
            return self._take(number)

    def _take(self, number: int) -> Batch:
        for died in range(AGAIN + 1):
            try:
                if self._iterator is None:
                    self._begin(number)
                answer = self._answer(number)
            except Died as error:
                why = self._deaths() or str(error)
                self.close(now=True)
                if died == AGAIN:
                    fix = "give the workers less to hold (trainer.loader.workers, trainer.loader.prefetch), or trainer.loader.workers: 0"
                    what = f"workers died {AGAIN + 1} times over one batch"
                    raise TrainwrightError(what, where=f"{self._name} batch {number}", why=why, fix=fix) from error
                log.warning("a data worker died (%s); new ones take %s batch %d again", why, self._name, number)
            else:
                break
        self._last = number
        if isinstance(answer, Failure):
            raise DataError(answer.what, where=answer.where, why=answer.why, fix=answer.fix)
        return unpack(answer)

    def begin_again(self, number: int) -> None:
        """Take the line from `number` on once more, with the processes that gave all of it before."""
        self._last = number - 1
        # To start processes takes seconds, more than many an evaluation: those of the last one wait, and are given the line again.
        if self._iterator is not None:
            self._requests.requests = self._line(number)
            for _ in range(self._options.workers * self._options.prefetch):
                self._iterator._try_put_index()

    def close(self, now: bool = False) -> None:
        """End the processes: within seconds by themselves, or `now`."""
        iterator, self._iterator = self._iterator, None
        if iterator is None:
            return
        if now:
            _kill(iterator)
        # torch waits for its workers without end, and one that hangs in a read (a network disk) would keep a finished run from ending.
        killer = threading.Timer(GRACE, _kill, [iterator])
        killer.start()
        try:
            iterator._shutdown_workers()
        finally:
            killer.cancel()
            killer.join()
            _kill(iterator)
            for process in iterator._workers:
                process.join()

    def _begin(self, number: int) -> None:
        options, self._requests = self._options, RequestLine(self._line(number))
        if self._method == "forkserver":
            begin_server()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on numbers of workers and on pickling, which is told better below
            loader = DataLoader(
                RequestedRows(self._rows, self._seed, 0 if self._pin else SENT),  # what is pinned is a tensor
                batch_size=None,
                sampler=self._requests,  # an endless one, without a length
                collate_fn=as_it_is,
                num_workers=options.workers,
                prefetch_factor=options.prefetch,
                multiprocessing_context=self._method,
                pin_memory=self._pin,
                timeout=LOOK,
                worker_init_fn=partial(prepare, torch.get_default_dtype()),
                generator=torch.Generator(),  # the default one is the step's
            )
            try:
                self._iterator = iter(loader)
            except (TypeError, AttributeError, pickle.PicklingError) as error:
                raise not_picklable(self._rows, error) from error
        widen_pipe(self._iterator._worker_result_queue._reader)
        # torch raises from a signal handler when a worker dies, which could tear a step; here it is seen when a batch is awaited
        signal_handling._remove_worker_pids(id(self._iterator))  # type: ignore[attr-defined]
        self._iterator._worker_pids_set = False

    def _answer(self, number: int) -> Answer:
        """The answer with this number; those before it were asked for and are not wanted."""
        try:
            with self._waits:
                return self._await_batch(number)
        except WaitedTooLong:  # also where a worker stops in the midst of giving a batch, so that what it gives never ends to come
            raise self._late(number) from None

    def _await_batch(self, number: int) -> Answer:
        begun, limit = time.monotonic(), self._options.timeout
        # The loader's own time limit is a look at its workers, after which it can be asked again: it ends no wait of ours.
        while True:
            try:
                answer: Answer = next(self._iterator)
            except (RuntimeError, OSError, EOFError) as error:
                if not str(error).startswith("DataLoader timed out") or not self._pinning():
                    raise Died(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
                if limit is not None and time.monotonic() - begun > limit.seconds:
                    raise WaitedTooLong from None
                continue
            if answer[0] == number:
                return answer

    def _pinning(self) -> bool:
        thread = getattr(self._iterator, "_pin_memory_thread", None)
        return thread is None or thread.is_alive()

    def _late(self, number: int) -> DataError:
        rows = next(self._line(number)).rows.tolist()
        self.close(now=True)
        limit = None if self._options.timeout is None else self._options.timeout.seconds
        return too_late(self._name, number, rows, limit, "the workers")

    def _deaths(self) -> str:
        """How the dead ended: `killed by SIGKILL, as when memory runs out`."""
        processes = [] if self._iterator is None else self._iterator._workers
        ended = wait([process.sentinel for process in processes], timeout=LOOK)  # one may be about to end
        for process in processes:
            if process.sentinel in ended:
                process.join(LOOK)  # its files are closed before its code is known
        said = {
            f"killed by {signal.Signals(-code).name}" + (", as when memory runs out" if -code == signal.SIGKILL else "")
            if code < 0
            else f"ended with code {code}"
            for code in (process.exitcode for process in processes)
            if code
        }
        return ", ".join(sorted(said))


def begin_server() -> None:
    """Begin Python's fork server, with what workers need imported once; both it and the resource tracker are deaf to USR1.

    Slurm may send that signal to all processes of a job, of which only the main one should act on it.
    """
    from multiprocessing import forkserver, resource_tracker

    multiprocessing.set_forkserver_preload(["__main__", __name__])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        resource_tracker.ensure_running()
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(iterator: Any) -> None:
    for process in iterator._workers:
        if process.is_alive() or process.exitcode == UNKNOWN:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
