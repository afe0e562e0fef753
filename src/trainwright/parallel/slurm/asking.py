"""What Slurm's own programs say: the partitions and machines of a cluster, its settings, and jobs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainwright.config.errors import ConfigError
from trainwright.parallel.slurm.times import read_limit

PING = "try again later; `scontrol ping` asks the controller"
LIMIT = 20.0
"""Seconds that a controller may take to answer."""


@dataclass(frozen=True)
class Machines:
    """Nodes of a partition that are alike."""

    count: int
    cpus: int
    memory: int
    """MiB."""
    gres: str
    """As Slurm lists it: `gpu:a100:4(S:0-1),fs:1`."""
    state: str

    @property
    def resources(self) -> dict[str, int]:
        """Each resource beside processors and memory, with its type and without (`gpu`, `gpu:a100`), and how many a node has."""
        found: dict[str, int] = {}
        for each in re.sub(r"\([^)]*\)", "", self.gres).split(","):
            name, *rest = each.split(":")
            if not name or name == "null":
                continue
            count = int(rest.pop()) if rest and rest[-1].isdigit() else 1
            for key in {name, ":".join([name, *rest])}:
                found[key] = found.get(key, 0) + count
        return found


@dataclass(frozen=True)
class Partition:
    """A part of a cluster that jobs are submitted to."""

    name: str
    default: bool
    up: bool
    limit: int | None
    """The longest time of a job in seconds; None where there is none."""
    usual: int | None
    """The time of a job that asks for none."""
    most_nodes: int | None
    """Nodes that one job may have."""
    machines: list[Machines] = field(default_factory=list)

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return sum(each.count for each in self.machines)

    @property
    def gpus(self) -> int:
        """How many GPUs each of its nodes has, at least."""
        return min((each.resources.get("gpu", 0) for each in self.machines), default=0)


def ask(words: Sequence[str], limit: float = LIMIT) -> str:
    """What one of Slurm's programs prints. Raises ConfigError where it is not there, does not answer, or refuses, with its own words."""
    program = shutil.which(words[0])
    if program is None:
        why = f"{words[0]} was not found on the PATH: this machine is no login node of Slurm's"
        fix = "launch=local runs on this machine; else log in where Slurm is"
        raise ConfigError("Slurm is not here", where="launch.type: slurm", why=why, fix=fix)
    try:
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        why = f"{words[0]} did not answer in {limit:g} s"
        raise ConfigError("Slurm cannot be reached", where=words[0], why=why, fix=PING) from None
    if done.returncode:
        raise ConfigError("Slurm cannot be reached", where=words[0], why=own_words(done.stderr), fix=PING)
    return done.stdout


def own_words(text: str) -> str:
    """What a program of Slurm's complains of, in one line."""
    lines = [re.sub(r"^\w+: (error|fatal): ", "", each.strip()) for each in text.splitlines() if each.strip()]
    return "; ".join(dict.fromkeys(lines)) or "it said nothing"


def read_partitions() -> list[Partition]:
    """The partitions of the cluster. Raises ConfigError where Slurm is not there, or cannot be reached."""
    found: dict[str, Partition] = {}
    for line in ask(["sinfo", "-h", "-a", "-e", "-o", "%P|%a|%D|%c|%m|%G|%l|%L|%s|%T"]).splitlines():
        name, up, nodes, cpus, memory, gres, limit, usual, size, state = (each.strip() for each in line.split("|"))
        plain = name.rstrip("*")
        if plain not in found:
            most = size.rpartition("-")[2]
            found[plain] = Partition(
                plain, name.endswith("*"), up == "up", read_limit(limit), read_limit(usual), int(most) if most.isdigit() else None
            )
        if int(nodes):
            found[plain].machines.append(Machines(int(nodes), number(cpus), number(memory), gres, state))
    return list(found.values())


def number(text: str) -> int:
    """The number at the beginning of a text (`4000+`)."""
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0


def read_settings() -> dict[str, str]:
    """The settings of the controller, as `scontrol show config` has them. Raises ConfigError as `ask`."""
    pairs = (line.partition("=") for line in ask(["scontrol", "show", "config"]).splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def requeues_by_code(settings: dict[str, str], code: int = 75) -> bool:
    """Whether the controller starts a job again that ends with this code (`RequeueExit=75,80-89`)."""
    for each in re.findall(r"\d+(?:-\d+)?", settings.get("RequeueExit", "")):
        first, _, last = each.partition("-")
        if int(first) <= code <= int(last or first):
            return True
    return False


def requeue_delay(settings: dict[str, str]) -> int:
    """Seconds for which a job that is requeued waits before it may begin: as long as its credential holds, 120 where nothing is said.

    Slurm takes a time below 5 s for none.
    """
    found = re.search(r"cred_expire=(\d+)", settings.get("AuthInfo", ""))
    return (int(found[1]) if found and int(found[1]) >= 5 else 120) + 1


def memory_of(text: str) -> int:
    """MiB of an amount of memory as Slurm writes it (`32G`, `4000M`, `500`). Raises ConfigError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?\s*", text, re.IGNORECASE)
    if found is None:
        raise ConfigError(f"'{text}' is no amount of memory", fix="write for example 32G or 4000M")
    return round(float(found[1]) * {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}[found[2].upper()])
