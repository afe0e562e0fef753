"""What the member that leads decides, from what all say: a round, an end of it, the next one, or the end of all. Touches no file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from trainwright.parallel.agent import INTERRUPTED, REFUSED
from trainwright.parallel.elastic.notes import Note, Round, name_member
from trainwright.parallel.failures import Failure, Told, first_cause, with_rank
from trainwright.parallel.start import describe

LAST_CALL = 1.0
"""Seconds that the first round waits for more members once enough are there."""


@dataclass(frozen=True)
class Rules:
    """What a person asks for."""

    least: int
    most: int | None
    restarts: int
    timeout: float
    """Seconds that too few members wait for others."""
    silence: float


@dataclass(frozen=True)
class Outcome:
    """What follows from a round that has ended."""

    because: str = ""
    failed: bool = False
    """Whether a rank failed, so that another round is a restart."""
    code: int | None = None
    """How all ends; None where it goes on."""
    failure: Failure | None = None
    refused: Mapping[str, str] | None = None
    unclear: bool = False
    """Whether it may turn out within a moment that a member is lost."""


class Leading:
    """The decisions of one member while it leads; `clock` is its own."""

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self.rules, self._clock = rules, clock
        self.finishing = False
        """Whether the run is finished but for what is made of it, so that nobody new is of any use."""
        self.waits_for = 0
        """How many members are missing."""
        self._few_since: float | None = None
        self._enough_since: float | None = None
        self._ended_since: float | None = None

    def decide(self, plan: Round | None, alive: Mapping[int, Note], known: Mapping[int, Note], newest: int) -> Round | None:
        """The plan as it is from now on; None where nothing changes.

        `alive`: the notes of those that are there, `known` of all that ever were; `newest`: the step of the newest checkpoint.
        """
        if plan is None:
            return self._gather(None, Outcome(), alive, newest)
        if plan.over is not None:
            return None
        here = [alive[number] for number in plan.members if number in alive]
        if not all(note.round == plan.number and note.state in ("ended", "leaving") for note in here):
            self._ended_since = None
            return self._interrupt(plan, alive, known)
        self._ended_since = self._clock() if self._ended_since is None else self._ended_since
        outcome = self._conclude(plan, alive, known)
        if outcome.unclear and self._clock() - self._ended_since < self.rules.silence + 1:
            return None
        if outcome.code is not None:
            return self._end(plan, outcome.code, outcome.failure)
        if outcome.failed and plan.restarts >= self.rules.restarts:
            return self._end(plan, outcome.failure.exit_code if outcome.failure else 1, outcome.failure)
        return self._gather(plan, outcome, alive, newest)

    def _interrupt(self, plan: Round, alive: Mapping[int, Note], known: Mapping[int, Note]) -> Round | None:
        """End the round where a member is gone, a rank has failed, or a member waits and may take part."""
        if plan.stop == "cut":
            return None
        lost = [number for number in plan.members if number not in alive and not _left(known, number)]
        failed = [alive[each] for each in plan.members if each in alive and _has_failed(alive[each], plan)]
        if lost:
            return _stop(plan, "cut", f"{_names(lost, known)} {_was(lost)} lost")
        if failed:
            return _stop(plan, "cut", f"a rank of {failed[0].name()} failed")
        if plan.stop:
            return None
        gone = [number for number in plan.members if number not in alive]
        if gone:
            return _stop(plan, "leave", f"{_names(gone, known)} left")
        waiting = [number for number, note in alive.items() if note.state == "waiting" and str(number) not in plan.refused]
        more = [number for number in waiting if number not in plan.members]
        if more and not self.finishing and (self.rules.most is None or len(plan.members) < self.rules.most):
            return _stop(plan, "leave", f"{_names(more, known)} joined")
        return None

    def _conclude(self, plan: Round, alive: Mapping[int, Note], known: Mapping[int, Note]) -> Outcome:
        notes = [known[number] for number in plan.members if number in known and known[number].round == plan.number]
        if any(note.state in ("ended", "leaving") and note.code == 0 for note in notes):
            return Outcome(code=0)
        failures = [made for note in notes for text in note.failures if (made := Failure.from_json(text)) is not None]
        first = first_cause(failures)
        lost = [number for number in plan.members if number not in alive and not _left(known, number)]
        left = [number for number in plan.members if _left(known, number)]
        gone = "; ".join(f"{_names(each, known)} {word}" for each, word in ((lost, f"{_was(lost)} lost"), (left, "left")) if each)
        if first is not None and first.exit_code == REFUSED:
            return self._refuse(plan, with_rank(first, failures, sum(plan.devices)), alive)
        if first is not None and not first.consequence and not first.interrupted:
            return Outcome(describe(first), failed=True, failure=with_rank(first, failures, sum(plan.devices)))
        if gone:
            return Outcome(gone)
        if plan.stop:
            return Outcome(plan.stop_because)
        if first is not None and first.interrupted:
            return Outcome(code=INTERRUPTED, failure=first, unclear=True)
        return Outcome(describe(first), failed=True, failure=first, unclear=True)

    def _refuse(self, plan: Round, first: Failure, alive: Mapping[int, Note]) -> Outcome:
        """A mistake that came with a member goes with it; else it ends all."""
        stay = [number for number in plan.members if number not in plan.joined and number in alive]
        new = [number for number in plan.joined if number in alive]
        if not stay or not new:
            return Outcome(code=REFUSED, failure=first)
        told = {str(number): first.to_json() for number in new}
        names = ", ".join(plan.name(number) for number in new)
        return Outcome(f"{names} {_was(new)} refused: {describe(first)}", refused=told)

    def _gather(self, plan: Round | None, outcome: Outcome, alive: Mapping[int, Note], newest: int) -> Round | None:
        """The next round, once enough members wait for it."""
        refused = {**(plan.refused if plan is not None else {}), **(outcome.refused or {})}
        ready = [number for number, note in alive.items() if note.state in ("waiting", "ended") and str(number) not in refused]
        most, now = self.rules.most, self._clock()
        self.waits_for = max(self.rules.least - len(ready), 0)
        if self.waits_for:
            self._enough_since = None
            self._few_since = now if self._few_since is None else self._few_since
            if refused and plan is not None and refused != dict(plan.refused):
                return replace(plan, refused=refused, revision=plan.revision + 1)
            return self._too_few(plan, len(ready)) if now - self._few_since >= self.rules.timeout else None
        self._few_since = None
        self._enough_since = now if self._enough_since is None else self._enough_since
        if plan is None and (most is None or len(ready) < most) and now - self._enough_since < LAST_CALL:
            return None
        self._enough_since = self._ended_since = None
        return _next_round(plan, outcome, [alive[number] for number in ready[:most]], newest, refused)

    def _too_few(self, plan: Round | None, here: int) -> Round | None:
        """The end of a run whose members have waited long enough for others."""
        seconds, least = self.rules.timeout, self.rules.least
        what = f"{here} of {least} members {'is' if here == 1 else 'are'} there, and no other came in {seconds:g} s"
        fix = "give the same command in another shell or on another machine; launch.min asks for fewer, launch.timeout waits longer"
        code = REFUSED if plan is None else INTERRUPTED
        told = Failure(0, (Told(what, where=f"launch.min={least}", fix=fix),), code, interrupted=plan is not None)
        return self._end(plan or EMPTY, code, told)

    def _end(self, plan: Round, code: int, failure: Failure | None) -> Round:
        over = {"code": code, "failure": None if failure is None else failure.to_json()}
        return replace(plan, over=over, revision=plan.revision + 1)


EMPTY = Round(1, "", (), (), (), (), "", 0)
"""The plan of a run that never had enough members."""


def _next_round(plan: Round | None, outcome: Outcome, notes: list[Note], newest: int, refused: Mapping[str, str]) -> Round:
    before = () if plan is None else plan.members
    restarts = 0 if plan is None else plan.restarts
    again = outcome.failed and restarts == 0
    members = tuple(note.number for note in notes)
    return Round(
        number=1 if plan is None else plan.number + 1,
        token=secrets.token_hex(8),
        members=members,
        hosts=tuple(note.host for note in notes),
        devices=tuple(note.devices for note in notes),
        machines=tuple(note.machine for note in notes),
        address=notes[0].address,
        port=notes[0].port,
        because=_because(plan, outcome, notes),
        restarted=members == before,
        restarts=restarts + outcome.failed,
        newest=newest if plan is None or again else plan.newest,
        joined=tuple(note.number for note in notes if note.number not in before) if plan is not None else (),
        refused=refused,
    )


def _because(plan: Round | None, outcome: Outcome, notes: list[Note]) -> str:
    """Why there is this round: what ended the one before, and who is new."""
    if plan is None:
        return ""
    new = [note.name() for note in notes if note.number not in plan.members]
    joining = outcome.because.endswith(" joined")
    if joining and not new:
        return f"{outcome.because}, and went again"
    return "; ".join([*([] if joining else [outcome.because]), *([f"{', '.join(new)} joined"] if new else [])])


def _stop(plan: Round, how: str, because: str) -> Round:
    return replace(plan, stop=how, stop_because=plan.stop_because or because, revision=plan.revision + 1)


def _has_failed(note: Note, plan: Round) -> bool:
    return note.round == plan.number and note.state == "ended" and note.code not in (0, INTERRUPTED)


def _left(known: Mapping[int, Note], number: int) -> bool:
    """Whether a member went because somebody asked it to."""
    return number in known and known[number].state == "leaving"


def _names(numbers: list[int], known: Mapping[int, Note]) -> str:
    return ", ".join(known[number].name() if number in known else name_member(number, "?") for number in numbers)


def _was(numbers: list[int]) -> str:
    return "was" if len(numbers) == 1 else "were"
