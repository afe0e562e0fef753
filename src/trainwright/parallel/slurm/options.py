"""`launch: {type: slurm, …}`: what a job asks Slurm for. Imports no torch."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal, refusal
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.slurm.asking import memory_of
from trainwright.parallel.slurm.signals import EarlySignal
from trainwright.parallel.slurm.times import JobTime

SETTINGS: dict[str, str] = {
    **dict.fromkeys(("--nodes", "-N"), "launch.nodes"),
    **dict.fromkeys(("--ntasks", "-n", "--ntasks-per-node"), "launch.devices"),
    **dict.fromkeys(("--time", "-t"), "launch.time"),
    **dict.fromkeys(("--partition", "-p"), "launch.partition"),
    **dict.fromkeys(("--account", "-A"), "launch.account"),
    **dict.fromkeys(("--qos", "-q"), "launch.qos"),
    **dict.fromkeys(("--cpus-per-task", "-c"), "launch.cpus"),
    **dict.fromkeys(("--job-name", "-J"), "launch.name"),
    **dict.fromkeys(("--requeue", "--no-requeue"), "launch.requeue"),
    **dict.fromkeys(("--wait", "-W"), "launch.wait"),
    **dict.fromkeys(("--array", "-a"), "trainwright sweep"),
    "--mem": "launch.memory",
    "--gres": "launch.gres",
    "--gpus-per-node": "launch.gpus",
    "--signal": "launch.signal",
}
"""Options of sbatch that have a setting of ours."""
OUR_LOG = ("--output", "-o", "--error", "-e", "--open-mode", "--chdir", "-D", "--parsable")
"""Those that say where the log of the job lies, and that it is appended to."""


class SlurmOptions(LaunchOptions):
    """A job of Slurm's: the command submits it, and it goes on by itself until the run is finished."""

    other_words: ClassVar[dict[str, str]] = {
        "num_nodes": "nodes",
        "nnodes": "nodes",
        "tasks_per_node": "devices",
        "ntasks_per_node": "devices",
        "gpus_per_node": "gpus",
        "cpus_per_task": "cpus",
        "mem": "memory",
        "time_limit": "time",
        "job_name": "name",
        "srun_args": "srun",
        "slurm_partition": "partition",
        "slurm_account": "account",
        "slurm_qos": "qos",
        "slurm_setup": "setup",
        "slurm_time": "time",
        "array_parallelism": "parallel",
        "slurm_array_parallelism": "parallel",
        "slurm_srun_args": "srun",
        "slurm_mem": "memory",
    }

    type: str = "slurm"
    nodes: int = Field(default=1, ge=1)
    """Machines; `devices` processes run on each."""
    time: JobTime | None = None
    """How long the job may run before it is requeued: `4h`, `90 min`, `1-12:00:00`. Needed to submit."""
    partition: str = ""
    """The partition; default: that of the cluster."""
    account: str = ""
    """The account that pays."""
    qos: str = ""
    """The quality of service."""
    cpus: int | None = Field(default=None, ge=1)
    """Processors of each process; default: Slurm's, which is 1."""
    memory: str = ""
    """Memory on each node: `32G`; default: the partition's."""
    gpus: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """GPUs on each node; `auto`: one for each process where all nodes of the partition have GPUs, and `run.device` is not `cpu`."""
    gres: str = ""
    """Other resources of each node, as Slurm writes them: `gpu:a100:2`."""
    name: str = ""
    """The name of the job; default: that of the run."""
    signal: EarlySignal = EarlySignal("USR1", 120)
    """What the processes are sent before the time is over, and how many seconds before; `off`: nothing, and it does not come back."""
    requeue: Literal["auto", "scontrol", "exit", "never"] = "auto"
    """How a saved run comes back: its script asks `scontrol`, or its `exit` code 75 does it where the controller's RequeueExit has that."""
    requeues: int | None = Field(default=None, ge=0)
    """The most times that a job is requeued by its script; default: as often as it takes."""
    lines: list[str] = []
    """More options of sbatch, as on its command line: `["--constraint=a100", "--mail-type=FAIL"]`."""
    setup: list[str] = []
    """Lines of the job's shell before the run begins: `["module load cuda"]`."""
    srun: list[str] = []
    """More options of srun: `["--container-image=nvcr.io#nvidia/pytorch:26.05-py3"]`."""
    command: str = ""
    """What runs Trainwright there, as the shell reads it: `apptainer exec --nv image.sif python -m trainwright`; default: this Python."""
    wait: bool = False
    """Wait until the job has ended, and end with its code."""
    parallel: int | None = Field(default=None, ge=1)
    """Members of a sweep that run at the same time; default: as many as there is room for."""

    @field_validator("memory")
    @classmethod
    def _is_an_amount(cls, value: str) -> str:
        if value:
            refusal(memory_of)(value)
        return value

    @field_validator("lines")
    @classmethod
    def _are_options(cls, value: list[str]) -> list[str]:
        return [refusal(check_line)(each) for each in value]

    @field_validator("partition", "account", "qos", "gres", "name", "command")
    @classmethod
    def _is_a_single_line(cls, value: str) -> str:
        if "\n" in value:
            raise as_refusal(ConfigError(f"{value!r} is several lines", fix="write one"))
        return value

    @field_validator("setup", "srun")
    @classmethod
    def _are_single_lines(cls, value: list[str]) -> list[str]:
        broken = next((each for each in value if "\n" in each), None)
        if broken is not None:
            raise as_refusal(ConfigError(f"{broken!r} is several lines", fix="make each an entry of the list"))
        return value


def check_line(text: str) -> str:
    """A line of one's own as options of sbatch. Raises ConfigError for what is none, and for options that have a setting of ours."""
    line = re.sub(r"^\s*#SBATCH\s+", "", text).strip()
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if not words or not re.match(r"-{1,2}[A-Za-z]", words[0]) or "\n" in line:
        fix = "write it as on its command line: --constraint=a100; lines of the shell: launch.setup"
        raise ConfigError(f"'{text}' is no option of sbatch", fix=fix)
    for word in words:
        refuse_ours(word.partition("=")[0] if word.startswith("--") else word[:2], line)
    return line


def refuse_ours(name: str, line: str) -> None:
    """Raise ConfigError for an option of sbatch that is not for a line of one's own."""
    if name in SETTINGS:
        raise ConfigError(f"'{line}' has a setting of its own", fix=f"use {SETTINGS[name]}")
    if name in OUR_LOG:
        why = "a job that is requeued would begin its log anew" if name == "--open-mode" else ""
        fix = "leave it out: the log lies in the run's directory, and every start of the job is appended to it"
        raise ConfigError(f"'{line}' is not for a line of one's own", why=why, fix=fix)
