"""The script of a job: what is asked of Slurm, the run as a step of it, and how the job comes back when the run was saved."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from trainwright.parallel.slurm.early import INTERRUPTED, REQUEUES
from trainwright.parallel.slurm.options import SlurmOptions
from trainwright.runs.directory import RESERVED

SAVED_GRACE = 120
"""Seconds that the other processes have once one has ended: they may still be writing."""

HEAD = """#!/bin/bash
{lines}

# Written by `{command}`. To submit it again: sbatch {place}
export {requeues}={signal}
export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{threads}}}  # of each process: the processors it was given
job=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}}}
job=${{job:-$SLURM_JOB_ID}}
export SLURM_JOB_END_TIME=${{SLURM_JOB_END_TIME:-$(($(date +%s) + {seconds}))}}  # older versions do not say it
"""
RUN = """
echo "$(date '+%F %T') job $job begins on $SLURM_JOB_NODELIST, start $((${{SLURM_RESTART_COUNT:-0}} + 1))"
{srun} \\
  {command}
code=$?
"""
CHOICE = """
if [ -e {config} ]; then  # the run has begun: it goes on, with the settings that it began with
  command=({again})
else
  command=({first})
fi
"""
TAIL = """
echo "$(date '+%F %T') job $job ends with code $code"
exit "$code"
"""
REQUEUE = """
if [ "$code" = {interrupted} ]; then  # saved: it goes on when the job begins again
  if {at_limit}; then
    echo "job $job was requeued ${{SLURM_RESTART_COUNT:-0}} times, and launch.requeues allows no more; continue it yourself"
{if_over}  elif command -v scontrol >/dev/null; then
    echo "$(date '+%F %T') job $job was saved: scontrol requeue $job"  # before, as the requeue ends this shell
    scontrol requeue "$job" || echo "job $job is not requeued; continue it yourself"
  else
    echo "there is no scontrol here: job $job ends with {interrupted}, on which the controller requeues it where RequeueExit says so"
  fi
fi
"""
BY_EXIT = """
if [ "$code" = {interrupted} ] && {at_limit}; then
  echo "job $job was requeued ${{SLURM_RESTART_COUNT:-0}} times, and launch.requeues allows no more; continue it yourself"
  code=1  # the controller would requeue it on {interrupted}
fi
"""
NEVER = """
if [ "$code" = {interrupted} ]; then
  code=1  # the run was saved; the controller would requeue the job on {interrupted}, and launch.requeue is never
fi
"""


def write_script(options: SlurmOptions, sbatch: Sequence[str], body: str, *, by_exit: bool, command: Sequence[str], place: Path) -> str:
    """The text of the script. `body`: the run. `by_exit`: whether the controller requeues a job that ends with 75."""
    lines = "\n".join(f"#SBATCH {each}" for each in [*map(quote_option, sbatch), *options.lines])
    seconds = options.time.seconds if options.time else 0
    shown = " ".join(shlex.join(command).split())
    told = {"requeues": REQUEUES, "signal": options.signal.name or "none", "seconds": seconds, "threads": threads_of(options)}
    head = HEAD.format(lines=lines, command=shown, place=shlex.quote(str(place)), **told)
    setup = "".join(f"{each}\n" for each in options.setup)
    return head + setup + body + requeue_lines(options, by_exit) + TAIL


def threads_of(options: SlurmOptions) -> str:
    """The processors of a process, as the shell finds them: Slurm need not bind processes to those that they were given."""
    if options.cpus:
        return str(options.cpus)
    return "$((${SLURM_CPUS_ON_NODE:-1} / ${SLURM_NTASKS_PER_NODE:-1} > 0 ? ${SLURM_CPUS_ON_NODE:-1} / ${SLURM_NTASKS_PER_NODE:-1} : 1))"


def run_body(options: SlurmOptions, run: Path, first: Sequence[str], again: Sequence[str]) -> str:
    """A run in the directory `run`: begun by the words `first`, and continued by `again` once it has begun."""
    chosen = CHOICE.format(config=shlex.quote(str(run / "config.yaml")), first=shlex.join(first), again=shlex.join(again))
    reserved = f"export {RESERVED}={shlex.quote(str(run))}\n"
    return reserved + chosen + RUN.format(srun=shlex.join(srun_words(options)), command=f'{program(options)} "${{command[@]}}"')


def command_body(options: SlurmOptions, words: str) -> str:
    """A command that begins and continues by itself; `words` as the shell reads them."""
    return RUN.format(srun=shlex.join(srun_words(options)), command=f"{program(options)} {words}")


def srun_words(options: SlurmOptions) -> list[str]:
    """srun with its options: it passes on what the shell has set, waits for processes that still save, and is told of processors."""
    made = ["srun", "--export=ALL", "--kill-on-bad-exit=0", f"--wait={SAVED_GRACE}"]
    made += [f"--cpus-per-task={options.cpus}"] if options.cpus else []
    made += ["--label"] if options.tee else []
    return [*made, *options.srun]


def program(options: SlurmOptions) -> str:
    """What runs Trainwright, as the shell reads it."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return options.command or shlex.join([sys.executable, *flags, "-m", "trainwright"])


def quote_option(text: str) -> str:
    """An option as a line of the script has it: with quotes around a value that has a space."""
    name, equals, value = text.partition("=")
    return f'{name}="{value}"' if equals and any(each.isspace() for each in value) else text


def requeue_lines(options: SlurmOptions, by_exit: bool) -> str:
    """What the script does with a run that was saved."""
    limit = options.requeues
    at_limit = "false" if limit is None else f"[ ${{SLURM_RESTART_COUNT:-0}} -ge {limit} ]"
    if options.requeue == "never":
        return NEVER.format(interrupted=INTERRUPTED) if by_exit else ""
    if options.requeue == "exit" or (options.requeue == "auto" and by_exit):
        return BY_EXIT.format(interrupted=INTERRUPTED, at_limit=at_limit) if limit is not None else ""
    if_over = "    code=1\n" if by_exit else ""
    return REQUEUE.format(interrupted=INTERRUPTED, at_limit=at_limit, if_over=if_over)
