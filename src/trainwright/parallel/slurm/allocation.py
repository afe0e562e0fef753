"""Within an allocation (salloc, or a batch script of one's own): the command is a step of it, which srun starts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence

from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.slurm.options import SlurmOptions
from trainwright.parallel.slurm.script import program, srun_words

INTERACTIVE = "4294967290"
"""The number of the step in which salloc runs a shell on the first node, which is no step of a run."""


def in_step(environment: Mapping[str, str] | None = None) -> bool:
    """Whether srun has started this process as one of a step."""
    found = os.environ if environment is None else environment
    return found.get("SLURM_STEP_ID", INTERACTIVE) != INTERACTIVE


def in_allocation(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process belongs to a job, which steps can be started in."""
    found = os.environ if environment is None else environment
    return bool(found.get("SLURM_JOB_ID"))


def become_step(command: Command, options: SlurmOptions) -> None:
    """Become srun, which does the command on the nodes of this allocation; its code is that of this process.

    Raises ConfigError for more than the allocation has: srun would wait for it.
    """
    refuse_more(options, os.environ)
    found = shutil.which("srun")
    if found is None:
        fix = "add Slurm's programs to the PATH; launch=local runs on this machine"
        raise ConfigError("srun was not found", where="launch.type: slurm", fix=fix)
    words = [*step_words(options), *shlex.split(program(options)), *command.words, *(["--traceback"] if command.whole else [])]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(found, words)


def step_words(options: SlurmOptions) -> list[str]:
    """srun with what was asked for; what was not is that of the allocation."""
    words = srun_words(options)
    given = options.model_fields_set
    size = [f"--nodes={options.nodes}"] if "nodes" in given else []
    if "devices" in given and options.devices != "auto":
        nodes = options.nodes if "nodes" in given else int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
        size += [f"--ntasks={nodes * options.devices}", f"--ntasks-per-node={options.devices}"]
    return [words[0], *size, *words[1:]]


def refuse_more(options: SlurmOptions, environment: Mapping[str, str]) -> None:
    """Raise ConfigError for more nodes, or more processes on one, than an allocation has."""
    job, given = environment.get("SLURM_JOB_ID", ""), options.model_fields_set
    nodes = int(environment.get("SLURM_JOB_NUM_NODES", "1"))
    if "nodes" in given and options.nodes > nodes:
        fix = f"ask for {nodes}, or leave launch.nodes out"
        raise ConfigError(f"{options.nodes} nodes are too many", where="launch.nodes", why=f"the allocation {job} has {nodes}", fix=fix)
    fewest = min(read_counts(environment.get("SLURM_JOB_CPUS_PER_NODE", "")), default=0)
    if "devices" in given and options.devices != "auto" and fewest and options.devices * (options.cpus or 1) > fewest:
        each = f" of {options.cpus} processors" if options.cpus else ""
        why = f"the allocation {job} has {fewest} processors on a node"
        raise ConfigError(f"{options.devices} processes{each} are too many", where="launch.devices", why=why, fix="ask for fewer")


def read_counts(text: str) -> Sequence[int]:
    """The numbers of `2(x2),4`, one for each kind of node."""
    return [int(each) for each in re.findall(r"(\d+)(?:\(x\d+\))?", text)]
