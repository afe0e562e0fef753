"""The jobs of a run, written down in its directory, and what Slurm says of them now."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError, RunError
from trainwright.files.text import read_json, write_json
from trainwright.parallel.slurm.asking import LIMIT, ask
from trainwright.runs.info import read_info

FOLDER = "slurm"
"""In the directory of a run, or of a group: scripts, logs, and which jobs there were."""
FILE = "jobs.json"
FORM = "%i|%T|%r|%L|%N|%M|%F|%K"
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "REVOKED", "PREEMPTED")
"""States of a job that has ended, and is not to begin again."""


@dataclass(frozen=True)
class Job:
    """What Slurm says of a job."""

    id: str
    state: str
    reason: str = ""
    left: str = ""
    """Time that is left of its limit."""
    nodes: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.state in OVER


def record_job(folder: Path, job: str, script: str, log: str) -> None:
    """Write down that a job was submitted for the run, or the group, in `folder`."""
    entry = {"job": job, "script": script, "log": log, "submitted": datetime.now().astimezone().isoformat()}
    write_json(folder / FOLDER / FILE, [*read_records(folder), entry])


def read_records(folder: Path) -> list[dict[str, Any]]:
    """The jobs that were submitted for what is in `folder`, the last one last; none where there were none, or nobody can read it."""
    try:
        found = read_json(folder / FOLDER / FILE)
    except RunError:
        return []
    return [each for each in found if isinstance(each, dict) and "job" in each] if isinstance(found, list) else []


def job_of(folder: Path) -> str:
    """The job that the run in `folder` belongs to: the last that was submitted for it, else the one that wrote it; empty for none."""
    records = read_records(folder)
    if records:
        return str(records[-1]["job"])
    try:
        return str((read_info(folder) or {}).get("job", ""))
    except RunError:
        return ""


def this_job(environment: Mapping[str, str] | None = None) -> str:
    """The job that this process belongs to, as Slurm's programs take it (`17`, `17_3` of an array); empty for none."""
    found = os.environ if environment is None else environment
    if found.get("SLURM_ARRAY_JOB_ID") and found.get("SLURM_ARRAY_TASK_ID"):
        return f"{found['SLURM_ARRAY_JOB_ID']}_{found['SLURM_ARRAY_TASK_ID']}"
    return found.get("SLURM_JOB_ID", "")


def read_jobs(ids: Iterable[str]) -> dict[str, Job]:
    """What Slurm says of these jobs, by one question for those that wait or run, and one more for those that are over.

    Raises ConfigError where Slurm is not there, or cannot be reached.
    """
    wanted = list(dict.fromkeys(each for each in ids if re.fullmatch(r"\d+(_\d+)?", each)))
    if not wanted:
        return {}
    parents = ",".join(dict.fromkeys(each.partition("_")[0] for each in wanted))
    found = _queued(parents)
    away = [each for each in wanted if each not in found and not any(one.startswith(f"{each}_") for one in found)]
    return found | (_ended(away) if away else {})


def _queued(ids: str) -> dict[str, Job]:
    """Those that squeue knows, members of arrays one by one."""
    try:
        told = ask(["squeue", "-h", "-a", "-r", "-t", "all", "-o", FORM, "-j", ids])
    except ConfigError as error:
        if "Invalid job id" in error.why:
            return {}
        raise
    found: dict[str, Job] = {}
    for line in told.splitlines():
        name, state, reason, left, nodes, *_ = line.split("|")
        found[name] = Job(name, state, "" if reason == "None" else reason, left, nodes)
    return found


def _ended(ids: list[str]) -> dict[str, Job]:
    """Those that are in the accounts, where the cluster keeps some."""
    program = shutil.which("sacct")
    if program is None:
        return {}
    words = [program, "-n", "-P", "-X", "-j", ",".join(ids), "-o", "JobID,State,NodeList"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT).stdout
    except subprocess.TimeoutExpired:
        return {}  # the accounts are away; what waits or runs is known
    rows = [line.split("|") for line in told.splitlines() if line.count("|") == 2]
    return {name: Job(name, state.split()[0], nodes=nodes) for name, state, nodes in rows if state}


def refuse_waiting(folder: Path, what: str = "this run") -> None:
    """Raise ConfigError where a job of the run, or the group, in `folder` waits or runs already: two would write one directory."""
    records = read_records(folder)
    if not records:
        return
    ids = [str(each["job"]) for each in records]
    jobs = read_jobs(ids)
    here = next((job for job in jobs.values() if not job.over and job.id.partition("_")[0] in ids), None)
    if here is not None:
        number = here.id.partition("_")[0]
        fix = f"wait for it, or cancel it first: scancel {number}"
        why = "two jobs would write one directory"
        raise ConfigError(f"job {number} of {what} is {here.state} already", where=str(folder), why=why, fix=fix)
