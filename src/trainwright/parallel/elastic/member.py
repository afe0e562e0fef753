"""A member of a run: it says that it lives, follows the plan of the one that leads, leads where it is the oldest, and starts its ranks."""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import replace
from pathlib import Path

from trainwright.parallel.agent import HURRIED, INTERRUPTED, REFUSED, Agent, Ending, show_on_stderr
from trainwright.parallel.child_environment import free_port
from trainwright.parallel.commands import Ranks
from trainwright.parallel.elastic.again import going_on_from, is_finished, newest_step, tell_given_up
from trainwright.parallel.elastic.crew import Crew
from trainwright.parallel.elastic.facts import facts_of, refuse_another
from trainwright.parallel.elastic.leading import Leading, Rules
from trainwright.parallel.elastic.notes import Folder, Note, Round
from trainwright.parallel.elastic.presence import Presence
from trainwright.parallel.failures import Failure
from trainwright.parallel.machines import began_at, machine, see_place
from trainwright.parallel.start import MEETING, Start

BEAT = 0.4
"""Seconds between two signs of life."""
LOOK = 0.1
"""Seconds between two looks at the others, for each of a few of them; a large group looks less often."""
SEEN = 1.0
"""Seconds that the last words of a member stay, for the others to see."""
LOCKED = 10.0
"""Seconds in which ranks that a lost member has left behind leave the run."""
TRACEBACK = 8000
"""Characters of a traceback that are handed on."""


class Over(Exception):
    """The run is over for this member."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Member:
    """This command among the members of its run."""

    def __init__(self, crew: Crew, rules: Rules, address: str) -> None:
        self.crew, self.rules = crew, rules
        self.run = crew.command.run_dir
        self.folder = Folder(Path(os.path.abspath(self.run)))
        self.presence = Presence(rules.silence)
        self.leading = Leading(rules, time.monotonic)
        self.plan: Round | None = None
        self._address = address or socket.gethostname()
        self._beat, self._beaten_at, self._looked_at, self._told = 0, 0.0, 0.0, ""
        self._cut_at: float | None = None
        self.note = self._introduce()

    def _introduce(self) -> Note:
        number = self.folder.claim()
        return Note(
            number=number,
            token=secrets.token_hex(8),
            host=socket.gethostname(),
            machine=machine(),
            place=see_place(),
            pid=os.getpid(),
            began=began_at(os.getpid()),
            devices=self.crew.here,
            address=self._address,
            port=free_port(),
        )

    def take_part(self) -> Ending:
        """Do the command with the others, for as long as there is something to do. Raises ConfigError where they do something else."""
        try:
            facts = facts_of(self.crew.command)
            self.folder.write_facts(self.note.number, facts)
            self._say()
            self._compare(facts)
            self.note = replace(self.note, state="waiting")
            while True:
                plan = self._await_round()
                ending = self._take_turn(plan)
                if self.crew.heard:
                    return self._leave(ending)
        except Over as over:
            return over.ending
        finally:
            self.folder.remove(self.note.number)
            self._leave_folder()

    def _compare(self, facts: dict[str, str]) -> None:
        """Hold what this member was given against what the oldest of the others was, once it has shown that it lives."""
        self._pause()
        while (oldest := next((each for each in self._others() if each < self.note.number), None)) is not None:
            if self._has_shown_life(oldest):
                refuse_another(facts, self.folder.read_facts(oldest), self.presence.known[oldest].name(), self.run)
                return
            self._pause()
        self._take_over(facts)

    def _take_over(self, facts: dict[str, str]) -> None:
        """Where all members of this run were lost before it was over, go on with it. Raises ConfigError where they did something else."""
        known = [number for number in self.presence.lost if number in self.presence.known]
        lost = {number: each for number in known if (each := self.folder.read_facts(number))}
        same = [number for number, each in lost.items() if each == facts]
        if lost and not same and not self.crew.command.resume:
            newest = max(lost)
            refuse_another(facts, lost[newest], self.presence.known[newest].name(), self.run, lost=True)
        plans = [plan for number in same if (plan := self.presence.known[number].plan) is not None and plan.over is None]
        if plans:
            self.plan = replace(max(plans, key=lambda each: each.order), restarts=0, stop="", stop_because="")

    def _others(self) -> list[int]:
        return [number for number in self.presence.alive if number != self.note.number]

    def _has_shown_life(self, number: int) -> bool:
        note = self.presence.known[number]
        return note.place == see_place() or self.presence.beats(number) > 1

    def _await_round(self) -> Round:
        """The next round that this member takes part in."""
        self._say()
        while True:
            self._look()
            plan = self.plan
            if plan is not None and plan.number > self.note.round and self.note.number in plan.members and not plan.over:
                return plan
            if self.crew.signals.came:
                raise Over(self._leave(Ending(128 + self.crew.signals.came[0], None)))
            self._tell_wait()
            time.sleep(LOOK / 4)

    def _take_turn(self, plan: Round) -> Ending:
        """Start the ranks of this member for a round, and say how they ended."""
        self.note = replace(self.note, state="running", round=plan.number)
        self._cut_at, self._told = None, ""
        self._say()
        self._tell_round(plan)
        if plan.stop:  # it ended before it began here
            ending = Ending(INTERRUPTED, None)
        else:
            if plan.members[0] == self.note.number:
                self._await_lock()
            ending = self.crew.do(self._ranks(plan), self._start(plan), again=plan.number > 1, beside=self._beside)
        heard = self.crew.heard
        failures = [replace(each, traceback=each.traceback[-TRACEBACK:]) for each in ending.failures]
        asked = self.crew.left and all(each.consequence or each.interrupted for each in failures)
        self.note = replace(
            self.note,
            state="leaving" if heard else "ended",
            code=INTERRUPTED if asked else ending.code,
            failures=tuple(each.to_json() for each in failures),
            port=free_port(),
        )
        self._say()
        return ending

    def _start(self, plan: Round) -> Start:
        """What the ranks are told of the round."""
        others = plan.number > 1 and not plan.restarted
        return Start(plan.number, plan.restarts, self.rules.restarts, len(plan.members), others, plan.because)

    def _ranks(self, plan: Round) -> Ranks:
        """Those of the round that this member starts, and where all meet."""
        place = plan.members.index(self.note.number)
        here = sum(devices for devices, each in zip(plan.devices, plan.machines, strict=True) if each == self.note.machine)
        meeting = str(self.folder.meeting(plan)) if plan.one_machine else "env"
        address = "127.0.0.1" if plan.one_machine else plan.address
        more = {"GROUP_RANK": str(place), MEETING: meeting, "MASTER_ADDR": address, "MASTER_PORT": str(plan.port)}
        return Ranks(self.note.devices, sum(plan.devices[:place]), sum(plan.devices), here, tuple(more.items()))

    def _beside(self, agent: Agent) -> None:
        """While the ranks run: do as the plan says, and as one does whom the others have taken for lost."""
        self._look()
        plan = self.plan
        if plan is None or agent.heard:
            return
        lost = plan.number > self.note.round or (plan.number == self.note.round and self.note.number not in plan.members)
        if lost or plan.stop == "cut":
            self._cut_at = time.monotonic() + (0.0 if lost else HURRIED) if self._cut_at is None else self._cut_at
            if time.monotonic() >= self._cut_at:
                agent.cut()
        elif plan.stop == "leave":
            if not agent.leaving:
                show_on_stderr(f"{plan.stop_because}: the run is saved, and goes on with all that are there")
            agent.leave()

    def _look(self) -> None:
        """See what the others say, decide where this member leads, and say that it lives."""
        now = time.monotonic()
        pause = LOOK * max(1.0, len(self.presence.alive) / 4)
        if now - self._looked_at >= pause:
            self._looked_at = now
            self.presence.look(self.folder.read())
            self._follow()
            if self._leads() and self.note.state != "new":
                self._lead()
        if now - self._beaten_at >= BEAT:
            self._say()
        self._end_if_over()

    def _follow(self) -> None:
        """Take over the newest plan that anybody knows who is there."""
        known = [note.plan for note in self.presence.alive.values() if note.plan is not None]
        known += [self.plan] if self.plan is not None else []
        newest = max(known, key=lambda each: each.order, default=None)
        if newest is not None and (self.plan is None or newest.order > self.plan.order):
            self.plan = newest
            self._say()

    def _leads(self) -> bool:
        """Whether this is the oldest of those that are in the newest round, or of all where none of these is left."""
        alive = [number for number, note in self.presence.alive.items() if note.state != "leaving"]
        of_round = [number for number in alive if self.plan is not None and number in self.plan.members]
        return self.note.number == min(of_round or alive, default=0)

    def _lead(self) -> None:
        alive = {**self.presence.alive, self.note.number: self.note}
        known = {**self.presence.known, self.note.number: self.note}
        self.leading.finishing = is_finished(self.crew.run)
        made = self.leading.decide(self.plan, dict(sorted(alive.items())), known, newest_step(self.crew.run))
        for number in self.presence.lost:
            self.folder.remove(number)
        if made is not None:
            self.plan = made
            self._say()

    def _say(self) -> None:
        """Write down what this member is at. Where the others have taken it for lost it comes back as another one."""
        self._beat += 1
        self._beaten_at = time.monotonic()
        self.note = replace(self.note, plan=self.plan)
        if not self.folder.write(self.note, self._beat) and self.note.state != "running":
            show_on_stderr(f"{self.note.name()} was taken for lost by the others, and comes back")
            self.note, self._beat = replace(self._introduce(), state="waiting"), 1
            self.folder.write_facts(self.note.number, facts_of(self.crew.command))
            self.folder.write(self.note, self._beat)

    def _end_if_over(self) -> None:
        plan = self.plan
        if plan is None or self.note.state == "running":
            return
        told = plan.refused.get(str(self.note.number))
        if told is not None and (failure := Failure.from_json(told)) is not None:
            raise Over(Ending(failure.exit_code, failure))
        if plan.over is None or self.note.state == "leaving":
            return
        text = plan.over["failure"]
        ending = Ending(plan.over["code"], None if text is None else Failure.from_json(text))
        self._linger()
        tried = plan.restarts if ending.code not in (REFUSED, INTERRUPTED) else 0
        raise Over(tell_given_up(ending, tried, plan.newest, newest_step(self.crew.run)))

    def _leave(self, ending: Ending) -> Ending:
        """Go, since a person asked this member to; the others see it first."""
        self.note = replace(self.note, state="leaving")
        self._say()
        if self._others():
            self._linger()
        return ending

    def _linger(self) -> None:
        """Stay until the others have had time to see the last words."""
        ends = time.monotonic() + SEEN
        while self._others() and time.monotonic() < ends:
            time.sleep(LOOK)
            self.presence.look(self.folder.read())

    def _leave_folder(self) -> None:
        """Take away what is left of the run's members; a stranger leaves it to those who come back for it."""
        if not self._others() and self.note.state != "new":
            for number in self.presence.lost:
                self.folder.remove(number)
            self.folder.sweep()

    def _pause(self) -> None:
        self._look()
        time.sleep(LOOK / 4)

    def _await_lock(self) -> None:
        """Wait until ranks that a lost member left behind have left the run; they are asked to when their launcher ends."""
        ends = time.monotonic() + LOCKED
        while _is_locked(Path(self.run) / ".lock") and time.monotonic() < ends:
            self._say()
            time.sleep(LOOK / 2)

    def _tell_wait(self) -> None:
        """Say what this member waits for, once."""
        plan, mine = self.plan, self.note.number
        said = ""
        if plan is not None and mine not in plan.members and not plan.stop and self.rules.most == len(plan.members):
            said = f"{self.note.name()} waits for a place: {self.rules.most} take part (launch.max={self.rules.most})"
        elif self._leads() and self.leading.waits_for:
            missing = self.leading.waits_for
            more = f"{missing} more member{'s' if missing > 1 else ''}"
            said = f"waiting for {more} (launch.min={self.rules.least}), at most {self.rules.timeout:g} s"
        if said and said != self._told:
            self._told = said
            show_on_stderr(said)

    def _tell_round(self, plan: Round) -> None:
        if plan.because:
            ranks, count = sum(plan.devices), len(plan.members)
            on = f"{ranks} rank{'s' if ranks > 1 else ''} of {count} member{'s' if count > 1 else ''}"
            show_on_stderr(f"{plan.because}; on with {on}, {going_on_from(newest_step(self.crew.run))}")


def _is_locked(path: Path) -> bool:
    import fcntl

    try:
        number = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False
