"""The process that asks for a run on Ray: it has Ray Train start the workers, shows what rank 0 says, hands on signals, tells the end."""

from __future__ import annotations

import codecs
import logging
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from trainwright.parallel.agent import Ending
from trainwright.parallel.elastic.again import going_on_from, newest_step, tell_given_up
from trainwright.parallel.failures import Failure, Told, first_cause, with_rank
from trainwright.parallel.launchers.base import Command, Program
from trainwright.parallel.launchers.on_ray.cluster import Shares, choose_shares, open_cluster, ray_settings, remove_leftovers, say_waiting
from trainwright.parallel.launchers.on_ray.mailbox import Ended, Mailbox
from trainwright.parallel.launchers.on_ray.options import RayOptions
from trainwright.parallel.launchers.on_ray.request import Request
from trainwright.parallel.signals import Signals

log = logging.getLogger("trainwright.launch")

LOOK = 0.2
"""Seconds between two looks at whether the workers have ended."""
MUCH = 200 << 20
"""Bytes of data sent that are worth a word."""


def run_command(command: Command, options: RayOptions) -> Ending:
    """Have a command done by workers of Ray's, and say how they ended. Raises ConfigError where there is no such cluster."""
    command.name_run()  # looks at place, columns and data, before Ray is there
    started_as = tuple(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
    with ray_settings(), ended_by_signal() as ended, open_cluster(options) as ray:
        shares = choose_shares(ray, options, command.device)
        plain = Command(command.words, run_dir=command.run_dir, resume=command.resume, whole=command.whole)  # without what cannot be sent
        request = Request(plain, **_common(options, shares, command.threads), interpreter=started_as)
        return Driver(ray, options, shares, request).run()[0]
    return Ending(ended[0], None)


@contextmanager
def ended_by_signal() -> Iterator[list[int]]:
    """While Ray is started, and ended, a signal leaves the block; what it gives is then the exit code.

    Ray listens to TERM itself, from some point on, and leaves the program.
    """
    code = [0]
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)) if main else None
    try:
        yield code
    except KeyboardInterrupt:
        code[0] = 130
    except SystemExit:
        code[0] = 128 + signal.SIGTERM
    finally:
        if main:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def run_program(program: Program, options: RayOptions) -> Any:
    """What a call of a program gives on rank 0 of workers of Ray's; raises what ended them."""
    from trainwright.parallel.programs import give_outcome  # imports torch

    sent = pickle.dumps(program.work)
    if len(sent) > MUCH:
        log.warning("%.1f GB are sent to each worker; data in a file that all machines see are read there instead", len(sent) / 1e9)
    with ray_settings(), open_cluster(options, len(sent)) as ray, tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place:
        shares = choose_shares(ray, options, program.device)
        request = Request(call=ray.put(sent), **_common(options, shares, program.threads))
        ending, result, errors = Driver(ray, options, shares, request, program.console).run()
        for rank, error in errors.items():
            (Path(place) / f"rank-{rank}.error").write_bytes(error)
        (Path(place) / "result").write_bytes(result)
        return give_outcome(ending, Path(place))


def _common(options: RayOptions, shares: Shares, threads: int) -> dict[str, Any]:
    said = options.resources.CPU
    return {"threads": threads or (max(1, int(said)) if said else 0), "gpus": shares.gpus, "tee": options.tee, "restarts": options.restarts}


@dataclass
class Driver:
    """One run on Ray, seen from the process that waits for it."""

    ray: Any
    options: RayOptions
    shares: Shares
    request: Request
    console: TextIO | None = None
    """Where rank 0 is shown, if not on the standard streams."""
    signals: Signals = field(default_factory=Signals)
    attempt: int = 0
    ended: dict[int, Ended] = field(default_factory=dict)
    """How the ranks of the last attempt ended, as far as they have."""
    run_place: Path | None = None
    before: int = -1
    """The newest checkpoint when workers were started again first."""
    error: Exception | None = None
    """What Ray says of a run that it could not bring to its end."""

    def run(self) -> tuple[Ending, bytes, dict[int, bytes]]:
        """How the ranks ended, what rank 0 gave, and the errors that could be sent."""
        say_waiting(self.ray, self.shares)
        self._handed, self._failure = 0, ""
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self.mailbox = self.ray.remote(num_cpus=0, max_restarts=0)(Mailbox).remote()
        with self.signals.listening():
            fitting = threading.Thread(target=self._fit, name="ray", daemon=True)
            fitting.start()
            while fitting.is_alive():
                self._take_in()
                self._hand_on()
                if self.signals.came and not self.attempt:
                    break  # nobody is there to hear it
            self._take_in(waits=False)
        errors = {rank: each.error for rank, each in self.ended.items() if each.error}
        result: bytes = self.ray.get(self.mailbox.take_result.remote()) if not errors else b""
        remove_leftovers(self.request.token)
        return self._ending(), result, errors

    def _fit(self) -> None:
        """Ray Train's part, in a thread: it would take the signals otherwise."""
        from trainwright.parallel.launchers.on_ray.training import train_on_ray

        with tempfile.TemporaryDirectory(prefix="trainwright-ray-", ignore_cleanup_errors=True) as storage:
            try:
                train_on_ray({"request": self.request, "mailbox": self.mailbox}, self.options, self.shares, storage)
            except Exception as error:  # noqa: BLE001  (told in `_ending`, by what the ranks have said)
                self.error = error

    def _hand_on(self) -> None:
        """To the ranks; not in the handler of the signal, which may come in the middle of a call of Ray's."""
        for number in self.signals.came[self._handed :]:
            self.mailbox.signal.remote(number)
            self._handed += 1

    def _take_in(self, waits: bool = True) -> None:
        """Show and keep what has come, for about a second, or until something does."""
        asked = self.mailbox.take.remote(waits=waits)
        ready: list[Any] = []
        while not ready and self._handed == len(self.signals.came):
            ready, _ = self.ray.wait([asked], timeout=LOOK)
        self._hand_on()
        for kind, content in self.ray.get(asked):
            if kind == "begun":
                self._begin(*content)
            elif kind == "ended":
                self._note_end(*content)
            else:
                self._show(kind, content)

    def _begin(self, attempt: int, because: str, run: str) -> None:
        self.attempt, self.ended = attempt, {}
        if attempt == 1:
            return
        self.run_place = Path(run) if run else None
        newest = newest_step(self.run_place)
        self.before = newest if attempt == 2 else self.before
        where = going_on_from(newest)
        log.warning("%s; all ranks begin again %s (restart %d of %d)", because, where, attempt - 1, self.options.restarts)

    def _note_end(self, attempt: int, ended: Ended) -> None:
        if attempt == self.attempt:
            self.ended[ended.rank] = ended

    def _show(self, stream: str, content: bytes) -> None:
        text = self._decoders[stream].decode(content)
        place = self.console or getattr(sys, stream)
        with suppress(OSError, ValueError, AttributeError):
            place.write(text)
            place.flush()

    def _failures(self) -> list[Failure]:
        found = [Failure.from_json(each.failure) for each in self.ended.values() if each.failure]
        return [each for each in found if each is not None]

    def _ending(self) -> Ending:
        if self.signals.came and not self.attempt:
            return Ending(128 + self.signals.came[0], None)
        failures = self._failures()
        if all(each.consequence for each in failures):
            failures += self._lost_workers()
        first = first_cause(failures)
        if first is None:
            return Ending(0, None)
        if first.exit_code > 128 or (self.signals.came and first.exit_code == 130):  # a person ended it, and knows
            return Ending(first.exit_code, None, failures)
        ending = Ending(first.exit_code, with_rank(first, failures, self.shares.workers), failures)
        return tell_given_up(ending, max(self.attempt - 1, 0), self.before, newest_step(self.run_place))

    def _lost_workers(self) -> list[Failure]:
        """What Ray says of workers that ended before they could say how their ranks did."""
        if self.error is None:
            return []
        lost: dict[int, Any] = getattr(self.error, "worker_failures", {})
        found = [Failure(rank, (_told_by_ray(error),)) for rank, error in lost.items() if rank not in self.ended]
        return found or [Failure(0, (_told_by_ray(self.error),))]


def _told_by_ray(error: BaseException) -> Told:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "ModuleNotFoundError" in str(error):
        fix = "every machine of the cluster needs Trainwright and your own modules, in the same versions"
        return Told("a worker of Ray's cannot begin", why=lines[-1][:400], fix=fix)
    fix = "its machine may have gone, or run out of memory; launch.restarts=3 starts the workers again, and `ray status` shows the cluster"
    return Told("Ray lost this worker", why=f"{type(error).__name__}: {lines[-1] if lines else ''}"[:400], fix=fix)
