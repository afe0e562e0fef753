"""Times, signals, limits and scripts of Slurm's, and a job that begins again: what needs no Slurm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commands import trainwright_command
from trainwright.config.errors import ConfigError
from trainwright.parallel.slurm.allocation import in_step, refuse_more
from trainwright.parallel.slurm.asking import Machines, memory_of, requeue_delay, requeues_by_code
from trainwright.parallel.slurm.early import REQUEUES
from trainwright.parallel.slurm.options import SlurmOptions, check_line
from trainwright.parallel.slurm.records import this_job
from trainwright.parallel.slurm.script import requeue_lines
from trainwright.parallel.slurm.signals import EarlySignal
from trainwright.parallel.slurm.times import JobTime, read_limit

HOUR = 3600


@pytest.mark.parametrize(
    ("text", "seconds", "slurms"),
    [
        ("4h", 4 * HOUR, "04:00:00"),
        ("90m", 90 * 60, "01:30:00"),
        ("90 min", 90 * 60, "01:30:00"),
        ("1d12h", 36 * HOUR, "1-12:00:00"),
        ("1h30m", 90 * 60, "01:30:00"),
        ("0.5 h", 30 * 60, "00:30:00"),
        ("90 s", 90, "00:02:00"),
        ("1-00:00:00", 24 * HOUR, "1-00:00:00"),
        ("1-6", 30 * HOUR, "1-06:00:00"),
        ("2-3:30", 51 * HOUR + 1800, "2-03:30:00"),
        ("4:00:00", 4 * HOUR, "04:00:00"),
        ("100:00:00", 100 * HOUR, "4-04:00:00"),
    ],
)
def test_times_are_read_as_people_and_as_slurm_write_them(text: str, seconds: int, slurms: str) -> None:
    found = JobTime.parse(text)
    assert (found.seconds, found.slurms) == (seconds, slurms)
    assert JobTime.parse(str(found)) == found


@pytest.mark.parametrize("text", ["banana", "", "4", "4 parsecs", "10 steps", "1:30", "30 s", "-1h", "4h!", 4, True, None])
def test_what_is_no_time_is_refused_with_a_fix(text: object) -> None:
    with pytest.raises(ConfigError) as told:
        JobTime.parse(text)
    assert told.value.fix


def test_limits_are_read_as_slurm_prints_them() -> None:
    printed = {"infinite": None, "UNLIMITED": None, "n/a": None, "30:00": 1800, "5": 300, "1-00:00:00": 86400, "2-12:30:00": 217800}
    assert {text: read_limit(text) for text in printed} == printed


def test_signals_are_those_on_which_a_run_saves() -> None:
    read = {text: str(EarlySignal.parse(text)) for text in ("USR1@120", "sigterm@5min", "HUP @ 60", "off", False)}
    assert read == {"USR1@120": "USR1@120", "sigterm@5min": "TERM@300", "HUP @ 60": "HUP@60", "off": "off", False: "off"}
    for wrong in ("USR2@60", "FOO@60", "USR1", "USR1@0", "USR1@99999", "@60", 5, "USR1@soon"):
        with pytest.raises(ConfigError):
            EarlySignal.parse(wrong)


def test_resources_memory_and_settings_are_read_as_slurm_prints_them() -> None:
    found = Machines(1, 64, 512_000, "gpu:a100:4(S:0-1),gpu:h100:2(IDX:0,1),fs:1,(null)", "idle").resources
    assert found == {"gpu": 6, "gpu:a100": 4, "gpu:h100": 2, "fs": 1}
    assert [memory_of(text) for text in ("32G", "4000M", "500", "1T", "2048K", "1.5GB")] == [32768, 4000, 500, 1048576, 2, 1536]
    codes = {"75": True, "7,75": True, "70-80": True, "(null)": False, "175": False, "7,5": False}
    assert {text: requeues_by_code({"RequeueExit": text}) for text in codes} == codes
    assert (requeue_delay({}), requeue_delay({"AuthInfo": "socket=/x,cred_expire=5"})) == (121, 6)
    assert requeue_delay({"AuthInfo": "cred_expire=2"}) == 121


def test_lines_of_ones_own_are_options_of_sbatch() -> None:
    assert [check_line(each) for each in ("#SBATCH --constraint=a100", "-C a100")] == ["--constraint=a100", "-C a100"]
    ours = ("--open-mode=append", "-o x.log", "--nodes=2", "-N2", "--mail-type=END -p short")
    for line in (*ours, "module load cuda", "--mail-type=END\nrm x", "--comment='open", ""):
        with pytest.raises(ConfigError):
            check_line(line)
    words = {"mem": "3G", "cpus_per_task": 2, "slurm_partition": "a", "num_nodes": 3}
    found = SlurmOptions.model_validate(words)
    assert (found.memory, found.cpus, found.partition, found.nodes) == ("3G", 2, "a", 3)


def test_a_step_is_told_from_the_shell_of_an_allocation_and_a_member_from_its_array() -> None:
    assert [in_step({"SLURM_STEP_ID": each}) for each in ("0", "12")] == [True, True]
    assert [in_step(each) for each in ({}, {"SLURM_JOB_ID": "1"}, {"SLURM_STEP_ID": "4294967290"})] == [False, False, False]
    array = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "1"}
    assert (this_job(array), this_job({"SLURM_JOB_ID": "18"}), this_job({})) == ("17_1", "18", "")


def test_more_than_an_allocation_has_is_refused() -> None:
    allocation = {"SLURM_JOB_ID": "17", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_CPUS_PER_NODE": "8(x1),4"}
    refuse_more(SlurmOptions(nodes=2, devices=2, cpus=2), allocation)
    for options in (SlurmOptions(nodes=3), SlurmOptions(devices=5), SlurmOptions(devices=3, cpus=2)):
        with pytest.raises(ConfigError, match="too many") as told:
            refuse_more(options, allocation)
        assert "the allocation 17 has" in told.value.why


@pytest.mark.parametrize(
    ("options", "by_exit", "restarts", "scontrol", "expected"),
    [
        ({}, False, 0, True, (75, "requeue 17")),
        ({}, False, 0, False, (75, "")),
        ({}, True, 0, True, (75, "")),
        ({"requeue": "scontrol"}, True, 0, True, (75, "requeue 17")),
        ({"requeue": "exit"}, True, 0, True, (75, "")),
        ({"requeue": "never"}, True, 0, True, (1, "")),
        ({"requeue": "never"}, False, 0, True, (75, "")),
        ({"requeues": 2}, False, 1, True, (75, "requeue 17")),
        ({"requeues": 2}, False, 2, True, (75, "")),
        ({"requeues": 2}, True, 2, True, (1, "")),
        ({"requeues": 2, "requeue": "scontrol"}, True, 2, True, (1, "")),
    ],
)
def test_a_script_requeues_its_job_as_it_is_told(
    options: dict[str, object], by_exit: bool, restarts: int, scontrol: bool, expected: tuple[int, str], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    if scontrol:
        (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
        (tmp_path / "scontrol").chmod(0o755)
    text = "code=75\njob=17\n" + requeue_lines(SlurmOptions.model_validate(options), by_exit) + 'exit "$code"\n'
    environment = {"PATH": str(tmp_path), "SLURM_RESTART_COUNT": str(restarts)}
    done = subprocess.run(["/bin/bash", "-c", text.replace("$(date '+%F %T')", "now")], env=environment, capture_output=True, text=True)
    assert (done.returncode, asked.read_text().strip() if asked.exists() else "") == expected, done.stdout


def test_the_signal_of_a_job_before_its_run_listens_is_no_failure() -> None:
    program = "import os, signal; from trainwright.parallel.slurm.early import *; leave_to_come_back(); signal.raise_signal(signal.SIGUSR1)"
    for told, code in ({REQUEUES: "USR1"}, 75), ({REQUEUES: "TERM"}, -signal.SIGUSR1), ({}, -signal.SIGUSR1):
        done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **told}, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert ("had not begun" in done.stderr) == (code == 75)


def test_a_requeued_job_without_a_checkpoint_says_so_and_why(tmp_path: Path) -> None:
    rows = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    words = ["train", "t.csv", "--target", "y", "trainer.max_epochs=1", "evaluation.baselines=[]", "evaluation.report=false"]
    words += ["evaluation.importance=false", "run.device=cpu"]
    first = trainwright_command(*words, "run.dir=runs/one", folder=tmp_path, SLURM_JOB_ID="17")
    assert first.returncode == 0 and "HAS NO CHECKPOINT" not in first.stderr
    assert json.loads((tmp_path / "runs/one/run.json").read_text())["job"] == "17"
    again = {"SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": "1"}
    elsewhere = trainwright_command(*words, "run.dir=runs/two", folder=tmp_path, **again)
    assert "job 17 was requeued (restart 1) and HAS NO CHECKPOINT" in elsewhere.stderr
    assert "runs/one, and this one begins another directory, runs/two" in elsewhere.stderr
    assert "HAS NO CHECKPOINT" in (tmp_path / "runs/two/log.txt").read_text()
    (tmp_path / "runs/three").mkdir()
    (tmp_path / "runs/three/run.json").write_text(json.dumps({"format": 1, "status": "running", "name": "three"}))
    never = trainwright_command(*words, "run.dir=runs/three", "--resume", folder=tmp_path, **again)
    assert "none was ever written in" in never.stderr, never.stderr
