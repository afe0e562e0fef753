"""The members of a group as one array of jobs: each a task of it, which comes back by itself."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from pathlib import Path

from trainwright.config.errors import EXIT_FAILED, ConfigError
from trainwright.files.whole import remove_empty
from trainwright.parallel.launchers.base import Members
from trainwright.parallel.slurm.asking import read_settings
from trainwright.parallel.slurm.options import SlurmOptions
from trainwright.parallel.slurm.records import FOLDER, Job, read_jobs, read_records
from trainwright.parallel.slurm.script import command_body
from trainwright.parallel.slurm.submission import SCRIPT, Plan, make_plan, sbatch_options, submit_script
from trainwright.parallel.slurm.waiting import FIRST, LONGEST
from trainwright.runs.directory import folder_name

SHOWN = 8
"""Members whose numbers are told."""
LARGEST = 1001
"""MaxArraySize where a controller says nothing of it."""


def jobs_of_group(folder: Path) -> list[Job]:
    """The members of the last array of a group that wait or run; none where it has none, or all are over."""
    records = read_records(folder)
    if not records:
        return []
    last = str(records[-1]["job"])
    return [each for each in read_jobs([last]).values() if not each.over and each.id.partition("_")[0] == last]


def submit_array(members: Members, options: SlurmOptions) -> str:
    """Submit the members of a group, and say what is to be known of them; the number of the array.

    Raises ConfigError, before anything is written, for what cannot be.
    """
    plan = make_plan(options, members.device)
    most, count = int(read_settings().get("MaxArraySize", LARGEST)), len(members.names)
    if count > most:
        why = f"MaxArraySize of this cluster is {most}, the most that one array can have"
        fix = "make groups of fewer: fewer --seeds, --folds or values in --grid"
        raise ConfigError(f"{count} members are too many", where="trainwright sweep", why=why, fix=fix)
    parallel = members.parallel or options.parallel
    folder = members.folder.absolute()
    log = Path(str(folder).replace("%", "%%")) / FOLDER / "job-%A_%a.log"
    indices = f"--array=0-{count - 1}" + (f"%{parallel}" if parallel else "")
    sbatch = [indices, *sbatch_options(plan, options.name or folder_name(folder.name), log)]
    try:
        job = submit_script(folder, plan, sbatch, array_body(members, options), ["trainwright", "sweep", str(folder)])
    except BaseException:
        (folder / FOLDER / SCRIPT).unlink(missing_ok=True)
        remove_empty([folder / FOLDER])
        raise
    print(describe_array(plan, job, members, parallel), flush=True)
    return job


def array_body(members: Members, options: SlurmOptions) -> str:
    """The run of the member whose number the task has; it prints into the file beside its configuration, as anywhere."""
    lines = ["", "case $SLURM_ARRAY_TASK_ID in"]
    for number, (name, words) in enumerate(zip(members.names, members.commands, strict=True)):
        printed = shlex.quote(str(members.folder.absolute() / f"{name}.txt"))
        lines.append(f"  {number}) printed={printed} command=({shlex.join(words)}) ;;")
    lines += ["esac", 'exec >>"$printed" 2>&1']
    return "\n".join(lines) + command_body(options, '"${command[@]}"')


def describe_array(plan: Plan, job: str, members: Members, parallel: int | None) -> str:
    """What is to be known of an array that was submitted."""
    there, more = shlex.quote(str(members.folder)), ", …" if len(members.names) > SHOWN else ""
    each = f"{plan.request.nodes} × {plan.request.tasks} processes" if plan.request.nodes * plan.request.tasks > 1 else "1 process"
    at_once = f", at most {parallel} at a time" if parallel else ""
    where = ",".join(one.name for one in plan.request.partitions)
    rows = {
        "members": ", ".join(f"{job}_{number} {name}" for number, name in enumerate(members.names[:SHOWN])) + more,
        "jobs": f"{job}_0 to {job}_{len(members.names) - 1} in partition {where}: each {each}, {plan.options.time}{at_once}",
        "group": str(members.folder),
        "logs": f"{there}/{members.names[0]}.txt" + (", …" if len(members.names) > 1 else ""),
        "then": f"each is {plan.comes_back}" if plan.options.requeue != "never" else plan.comes_back,
        "watch": f"trainwright sweep {there}; trainwright runs {there} --slurm",
        "cancel": f"scancel {job}, or one of them: scancel {job}_0",
    }
    return "\n".join(f"{name + ':':<9}{text}" for name, text in rows.items())


def say_waiting(jobs: list[Job]) -> None:
    """Say that members of a group wait or run already, so that no others are submitted."""
    states = ", ".join(f"{count} {state}" for state, count in Counter(each.state for each in jobs).items())
    job = jobs[0].id.partition("_")[0]
    print(f"job {job} of this group is there already ({states}): nothing more is submitted; scancel {job} ends it", file=sys.stderr)


def wait_for_array(job: str) -> int:
    """0 once all members have ended well, 1 where one has not; a signal leaves them be."""
    pause, told = FIRST, ""
    try:
        while True:
            jobs = [each for each in read_jobs([job]).values() if each.id.partition("_")[0] == job]
            states = ", ".join(f"{count} {state}" for state, count in sorted(Counter(each.state for each in jobs).items()))
            if states != told:
                print(f"job {job}: {states}", file=sys.stderr, flush=True)
                told, pause = states, FIRST
            if all(each.over for each in jobs):
                return 0 if all(each.state == "COMPLETED" for each in jobs) else EXIT_FAILED
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST)
    except KeyboardInterrupt:
        print(f"job {job} goes on; scancel {job} ends it", file=sys.stderr)
        return 130
