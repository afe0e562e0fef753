"""What the member that leads decides, and what the others see of it: told by tables, with clocks that nobody sets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainwright.config.errors import ConfigError, Interrupted, RunError, TrainwrightError
from trainwright.parallel.agent import Ending
from trainwright.parallel.elastic.again import failed, newest_step, tell_given_up, words_again
from trainwright.parallel.elastic.crew import Crew
from trainwright.parallel.elastic.facts import refuse_another
from trainwright.parallel.elastic.leading import LAST_CALL, Leading, Rules
from trainwright.parallel.elastic.member import Member
from trainwright.parallel.elastic.notes import Folder, Note, Round
from trainwright.parallel.elastic.presence import Presence
from trainwright.parallel.failures import Failure, RankLost
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.signals import Signals

BROKEN = Failure.of(0, TrainwrightError("broken")).to_json()
LOST = Failure.of(1, RankLost("another process has ended")).to_json()
LEFT = Failure.of(0, Interrupted("SIGTERM: stopped and saved at step 3")).to_json()
WRONG = Failure.of(1, ConfigError("rank 1 was not given what rank 0 was")).to_json()


def note(number: int, **more: Any) -> Note:
    """A member on a machine of its own, whose process nobody here can see."""
    host = f"node-{number}"
    given = {"token": "t", "machine": host, "place": f"elsewhere {number}", "pid": 1, "began": "1", "devices": 2, "port": 4000 + number}
    return Note(**{"number": number, "host": host, "address": host, "state": "waiting", **given, **more})


class Group:
    """Members as the one that leads sees them."""

    def __init__(self, least: int = 1, most: int | None = 2, restarts: int = 1) -> None:
        self.now, self.plan, self.newest = 0.0, None, -1
        self.alive: dict[int, Note] = {}
        self.known: dict[int, Note] = {}
        self.leading = Leading(Rules(least, most, restarts, 60.0, 4.0), lambda: self.now)
        self.plan: Round | None

    def say(self, number: int, **more: Any) -> None:
        made = replace(self.known[number], **more) if number in self.known else note(number, **more)
        self.alive[number] = self.known[number] = made

    def go(self, number: int) -> None:
        del self.alive[number]

    def decide(self, after: float = 0.0) -> Round | None:
        self.now += after
        made = self.leading.decide(self.plan, dict(sorted(self.alive.items())), self.known, self.newest)
        self.plan = made or self.plan
        return made

    def runs(self, *numbers: int) -> Round:
        """All of them in a round that has begun."""
        for number in numbers:
            self.say(number)
        self.decide()
        plan = self.decide(after=LAST_CALL) or self.plan
        assert plan is not None and plan.members == numbers
        for number in numbers:
            self.say(number, state="running", round=plan.number)
        return plan

    def all_end(self, code: int, *failures: str, numbers: tuple[int, ...] | None = None, **more: Any) -> None:
        for number in numbers or tuple(self.alive):
            if self.alive[number].state == "running":
                self.say(number, state="ended", code=code, failures=failures, **more)


def test_the_first_round_waits_a_moment_for_more_and_not_once_all_are_there() -> None:
    group = Group(most=3)
    group.say(1)
    assert group.decide() is None and group.leading.waits_for == 0
    group.say(2)
    plan = group.decide(after=LAST_CALL)
    assert plan is not None
    assert (plan.members, plan.devices, plan.address, plan.port, plan.one_machine) == ((1, 2), (2, 2), "node-1", 4001, False)
    full = Group(most=2)
    full.say(1)
    full.say(2)
    assert full.decide() is not None


def test_too_few_wait_say_so_and_end() -> None:
    group = Group(least=2)
    group.say(1)
    assert group.decide() is None and group.leading.waits_for == 1
    assert group.decide(after=59) is None
    plan = group.decide(after=2)
    assert plan is not None and plan.over is not None
    assert plan.over["code"] == 2 and "1 of 2 members is there, and no other came in 60 s" in plan.over["failure"]


def test_a_member_that_joins_lets_the_others_save_and_one_too_many_waits() -> None:
    group = Group(most=2)
    group.runs(1)
    group.say(2, state="new")
    assert group.decide() is None, "it is still comparing what it was given"
    group.say(2, state="waiting")
    asked = group.decide()
    assert asked is not None and (asked.stop, asked.stop_because) == ("leave", "member 2 (node-2) joined")
    group.all_end(75, LEFT)
    plan = group.decide()
    assert plan is not None
    assert (plan.number, plan.members, plan.because, plan.restarts, plan.restarted) == (2, (1, 2), "member 2 (node-2) joined", 0, False)
    for number in (1, 2):
        group.say(number, state="running", round=2)
    group.say(3)
    assert group.decide(after=1000) is None, "there is no place for a third"


def test_nobody_is_interrupted_for_a_run_that_is_finished() -> None:
    group = Group(most=2)
    group.runs(1)
    group.leading.finishing = True
    group.say(2)
    assert group.decide(after=1000) is None


@pytest.mark.parametrize("failures", [(), (LOST,), (LEFT,)])
def test_a_member_that_is_lost_lets_the_others_begin_again_and_is_no_restart(failures: tuple[str, ...]) -> None:
    group = Group(most=3, restarts=0)
    group.runs(1, 2)
    group.go(1)
    stopped = group.decide()
    assert stopped is not None and (stopped.stop, stopped.stop_because) == ("cut", "member 1 (node-1) was lost")
    group.all_end(1, *failures)
    plan = group.decide()
    assert plan is not None
    assert (plan.members, plan.because, plan.restarts, plan.address) == ((2,), "member 1 (node-1) was lost", 0, "node-2")


def test_a_loss_that_is_seen_late_is_no_failure() -> None:
    group = Group(restarts=0)
    group.runs(1, 2)
    group.all_end(1, LOST, numbers=(2,))
    assert group.decide() is not None, "the ranks of the silent one are to end too"
    assert group.decide(after=3) is None
    group.go(1)
    plan = group.decide()
    assert plan is not None and (plan.members, plan.over) == ((2,), None)


def test_a_rank_that_fails_is_a_restart_and_too_many_end_all() -> None:
    group = Group(restarts=1)
    group.runs(1, 2)
    group.newest = 40
    group.all_end(1, BROKEN, numbers=(1,))
    assert group.decide() is not None
    group.all_end(1, LOST)
    plan = group.decide()
    assert plan is not None
    assert (plan.number, plan.restarts, plan.restarted, plan.newest, plan.because) == (2, 1, True, 40, "rank 0: broken")
    for number in (1, 2):
        group.say(number, state="running", round=2)
    group.all_end(1, BROKEN)
    plan = group.decide()
    assert plan is not None and plan.over is not None and plan.over["code"] == 1 and "broken" in plan.over["failure"]


def test_a_wrong_request_ends_all_unless_it_came_with_a_member() -> None:
    group = Group(most=2, restarts=3)
    group.runs(1)
    group.all_end(2, WRONG)
    plan = group.decide()
    assert plan is not None and plan.over is not None and plan.over["code"] == 2
    group = Group(most=2, restarts=3)
    group.runs(1)
    group.say(2)
    group.decide()
    group.all_end(75, LEFT)
    group.decide()
    for number in (1, 2):
        group.say(number, state="running", round=2)
    group.all_end(2, WRONG)
    plan = group.decide()
    assert plan is not None
    assert (plan.over, plan.members, list(plan.refused)) == (None, (1,), ["2"])
    assert plan.because.startswith("member 2 (node-2) was refused: rank 1")
    group.say(1, state="running", round=3)
    assert group.decide() is None, "it is not let in again"


def test_one_that_a_person_stops_leaves_and_the_last_one_ends_the_run() -> None:
    group = Group(least=1)
    group.runs(1, 2)
    group.say(1, state="leaving", code=75, failures=(LEFT,))
    group.all_end(75, LEFT, numbers=(2,))
    plan = group.decide()
    assert plan is None or plan.members == (2,)
    group.go(1)
    plan = group.plan if plan is not None else group.decide()
    assert plan is not None and plan.members == (2,) and plan.because == "member 1 (node-1) left"
    alone = Group()
    alone.runs(1)
    alone.all_end(75, LEFT)
    assert alone.decide() is None, "perhaps a member is lost, whose ranks were asked to save"
    plan = alone.decide(after=6)
    assert plan is not None and plan.over is not None and plan.over["code"] == 75


def test_the_run_is_over_when_the_ranks_of_any_member_have_finished_it() -> None:
    group = Group()
    group.runs(1, 2)
    group.all_end(0, numbers=(2,))
    group.go(1)
    group.decide()
    assert group.plan is not None and group.plan.over == {"code": 0, "failure": None}


def test_members_are_alive_by_their_counts_and_not_by_any_clock(tmp_path: Path) -> None:
    now = [0.0]
    seen = Presence(4.0, clock=lambda: now[0])

    def look(after: float, **beats: int) -> list[int]:
        now[0] += after
        seen.look({int(name[1:]): (beat, note(int(name[1:]))) for name, beat in beats.items()})
        return list(seen.alive)

    assert look(0, m1=5, m2=9) == [1, 2]
    for beat in range(10, 15):
        assert look(0.9, m1=5, m2=beat)[-1] == 2
    assert look(0.9, m1=5, m2=15) == [2]
    assert look(0.9, m1=6, m2=16) == [2], "it comes back under another number, or not at all"
    assert look(3600, m2=17) == [2], "this process slept, and says nothing of the others"
    assert look(3600, m2=17) == [2]
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    from trainwright.parallel.machines import began_at, see_place

    began = began_at(dead)
    os.waitpid(dead, 0)
    here = Presence(4.0)
    gone = note(1, place=see_place(), pid=dead, began=began or "1")
    here.look({1: (1, gone), 2: (1, note(2, place=see_place(), pid=os.getpid(), began=began_at(os.getpid())))})
    assert list(here.alive) == [2], "a process of this machine that is gone is lost at once"


def test_notes_come_through_whole_and_torn_ones_are_left_aside(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    assert [folder.claim(), folder.claim()] == [1, 2]
    group = Group()
    plan = group.runs(1, 2)
    said = note(1, state="ended", failures=(BROKEN,), plan=plan)
    assert folder.write(said, 3)
    assert folder.read() == {1: (3, said), 2: None}
    path = folder.path / "member-0001"
    path.write_bytes(path.read_bytes()[:-9])
    assert folder.read()[1] is None
    folder.remove(1)
    assert not folder.write(said, 4), "its file is gone: the others took it for lost"
    folder.remove(2)
    folder.sweep()
    assert not folder.path.exists()


def test_one_that_was_taken_for_lost_comes_back_under_another_number(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = Command(("train", "t.csv"), run_dir=str(tmp_path / "run"))
    made = Member(Crew(command, 1, LaunchOptions(), tmp_path, Signals()), Rules(1, None, 0, 60.0, 4.0), "")
    made.note = replace(made.note, state="ended", round=3)
    made.folder.write_facts(1, {})
    made.folder.remove(1)  # by another member
    made._say()
    assert (made.note.number, made.note.state, made.note.round) == (2, "waiting", 0)
    assert "was taken for lost by the others, and comes back" in capfd.readouterr().err
    assert made.folder.read()[2] == (1, made.note)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".run.members").write_text("")
    with pytest.raises(RunError, match="the members of this run cannot meet") as told:
        Folder(tmp_path / "run").claim()
    assert "run.dir=/shared" in told.value.fix


def test_other_settings_and_versions_are_told_by_name() -> None:
    with pytest.raises(ConfigError) as told:
        refuse_another({"version of torch": "2.13", "a": "1"}, {"version of torch": "2.12", "a": "1"}, "member 1 (b)", "runs/x")
    assert told.value.why == "version of torch is 2.13 here, and 2.12 there" and "same on every machine" in told.value.fix
    refuse_another({"a": "1"}, {"a": "1"}, "member 1 (b)", "runs/x")


@pytest.mark.parametrize(
    ("words", "given", "run", "expected"),
    [
        (("train", "t.csv", "run.dir=x"), {"run_dir": "x"}, "/x", "train t.csv run.dir=x --resume"),
        (("train", "t.csv", "run.dir=x", "--resume"), {"run_dir": "x", "resume": True}, "/x", "train t.csv run.dir=x --resume"),
        (("train", "t.csv", "--", "--own"), {}, "/runs/t/1", "train t.csv run.dir=/runs/t/1 --resume -- --own"),
        (("train", "t.csv"), {}, None, "train t.csv"),
        (("resume", "x", "--devices", "2"), {"run_dir": "x", "resume": True}, "/x", "resume x --devices 2"),
        (("resume", "x", "--fork", "a.b=1", "launch.devices=2"), {"run_dir": "x"}, "/y", "resume /y launch.devices=2"),
    ],
)
def test_a_command_is_given_again_so_that_it_goes_on(words: tuple[str, ...], given: dict[str, Any], run: str | None, expected: str) -> None:
    again = words_again(Command(words, **given), None if run is None else Path(run))
    assert " ".join(again) == expected


@pytest.mark.parametrize(
    ("code", "heard", "expected"), [(0, [], False), (1, [], True), (7, [], True), (2, [], False), (75, [], False), (1, [15], False)]
)
def test_what_was_asked_for_and_what_is_wrong_at_every_start_is_no_failure(code: int, heard: list[int], expected: bool) -> None:
    assert failed(Ending(code, None), heard) == expected


def test_the_newest_checkpoint_is_known_by_its_name(tmp_path: Path) -> None:
    assert newest_step(None) == newest_step(tmp_path) == -1
    for name in ("step-00000040", "step-00000100", ".step-00000200.tmp", "weights-00000300"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert newest_step(tmp_path) == 100
    told = tell_given_up(Ending(1, Failure.from_json(BROKEN)), 2, 40, 100)
    assert (
        told.failure is not None
        and "started again 2 times" in told.failure.told[0].notes[0]
        and "of step 100 now" in told.failure.told[0].notes[0]
    )
