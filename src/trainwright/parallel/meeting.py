"""Where the processes of a run meet: a store of torch's at an address, in a file, or in the folder of our own launcher."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from trainwright.config.errors import ConfigError
from trainwright.parallel.launched import Launched, meet_by_network, meeting_of_members, started_here, whole_number
from trainwright.parallel.listeners import who_listens
from trainwright.parallel.machines import find_ancestor

MEETING = "meeting"
"""The file in the folder of our own launcher."""
STALE = 600.0
"""Seconds before this process began that a file to meet in must not have been written."""
LAST = (
    *("SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"),
    *("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID"),
)
"""Variables that tell one start of a job from others, and are the same for all its processes."""
STARTERS = ("slurmstepd", "mpirun", "mpiexec", "mpiexec.hydra", "orterun", "orted", "prterun", "prted", "hydra_pmi_proxy", "pmi_proxy")
"""Names of the process of a launcher that starts all ranks of a machine."""
FIRST_PORT, PORTS = 20_000, 12_000
"""Ports below those that systems hand out by themselves, one of which follows from the job where nobody named one."""


def open_store(found: Launched, init: str, seconds: float) -> Any:
    """The store in which the processes find each other. Raises ConfigError for what is in the way, naming the ranks that are missing."""
    store = _store(found, init, seconds)
    await_all(store, found, seconds)
    return store


def _store(found: Launched, init: str, seconds: float) -> Any:
    if (folder := started_here()) and not meet_by_network():
        place = meeting_of_members() or str(Path(folder) / MEETING)
        return dist.FileStore(place, found.size)  # type: ignore[attr-defined]
    if init.startswith("file://"):
        return _file_store(Path(urlparse(init).path), found.size)
    if init != "env":
        return _tcp_store(found, urlparse(init).hostname or "", urlparse(init).port or 0, seconds, f"launch.init={init}")
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if port == "0":
        fix = "torchrun --standalone chooses a free one for the processes of one machine; else name one"
        raise ConfigError("MASTER_PORT=0 is no port that all ranks know", where="environment", fix=fix)
    if host and port:
        return _tcp_store(found, host, whole_number("MASTER_PORT", port), seconds, "MASTER_ADDR and MASTER_PORT")
    if on_one_machine(os.environ):
        return _one_machine_store(_own_file(os.environ), found.size)
    return _tcp_store(found, host or _first_host(found), _port_of_job(os.environ), seconds, "the first host of the job")


def _file_store(path: Path, size: int) -> Any:
    """Raises ConfigError for a file that cannot be, and one of an earlier meeting, whose ranks are long gone."""
    where = f"launch.init=file://{path}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        fix = "name a file in a folder that is there, on a disk that all machines share"
        raise ConfigError("the processes cannot meet in this file", where=where, why=f"'{path.parent}' cannot be written", fix=fix)
    age = time.time() - path.stat().st_mtime if path.exists() else 0.0
    if age > STALE:
        fix = "remove it, or name a file that is not there yet, for each start another"
        raise ConfigError("this file is from an earlier meeting", where=where, why=f"it is {age:.0f} s old", fix=fix)
    return dist.FileStore(str(path), size)  # type: ignore[attr-defined]


def _one_machine_store(path: Path, size: int) -> Any:
    """A store in a file that the last process to end removes; torch would with the last object, which a rank ends without taking apart."""
    store = dist.FileStore(str(path), size)  # type: ignore[attr-defined]
    atexit.register(_remove_once_all_left, store, path, size)
    return store


def _remove_once_all_left(store: Any, path: Path, size: int) -> None:
    with suppress(RuntimeError, OSError):
        if store.add("left", 1) == size:
            path.unlink(missing_ok=True)


def _tcp_store(found: Launched, host: str, port: int, seconds: float, said_by: str) -> Any:
    meeting = f"tcp://{host}:{port}?rank={found.rank}&world_size={found.size}"
    try:
        return next(rendezvous(meeting, timeout=timedelta(seconds=seconds)))[0]
    except (RuntimeError, ValueError) as error:  # those of torch.distributed are RuntimeErrors
        raise _explain_unreached(found, host, port, seconds, said_by, str(error)) from error


def _explain_unreached(found: Launched, host: str, port: int, seconds: float, said_by: str, error: str) -> ConfigError:
    """What to say when the meeting point cannot be opened, or found."""
    where = f"{host}:{port} ({said_by})"
    if "EADDRINUSE" in error or "address already in use" in error.lower():
        holder = who_listens(port)
        why = f"{holder} listens there" if holder else "another process listens there"
        fix = "set MASTER_PORT to another port, the same for all ranks; torchrun --standalone chooses a free one"
        return ConfigError(f"port {port} is in use", where=where, why=why, fix=fix)
    if found.rank == 0 and (joined := re.search(r"(\d+)/\d+ clients joined", error)):
        return not_all(found, int(joined[1]), [1] if found.size == 2 else [], seconds)
    if found.rank == 0:
        return ConfigError(
            "the processes cannot meet here", where=where, why=error.splitlines()[0], fix="name a host and port of this machine"
        )
    alone = f"the environment says {found.size} ranks ({found.variable}={found.size}), of which this is rank {found.rank}"
    fix = (
        f"start all of them with {found.launcher}, and look at MASTER_ADDR, MASTER_PORT and the firewall between the machines; "
        f"or unset {found.variable}"
    )
    return ConfigError(f"rank 0 was not found in {seconds:g} s", where=where, why=alone, fix=fix)


def await_all(store: Any, found: Launched, seconds: float) -> None:
    """Return when every rank has come to the store. Raises ConfigError naming those that have not after `seconds`."""
    keys = [f"arrived/{rank}" for rank in range(found.size)]
    try:
        store.set(keys[found.rank], "1")
        store.wait(keys, timedelta(seconds=seconds))
    except RuntimeError as error:
        raise _missing(store, keys, found, seconds) from error


def _missing(store: Any, keys: list[str], found: Launched, seconds: float) -> ConfigError:
    """The error that names the ranks which did not come."""
    try:
        away = [rank for rank, key in enumerate(keys) if not store.check([key])]
    except RuntimeError:
        away = [0]  # the store went with the process that has it
    return not_all(found, found.size - len(away), away, seconds)


def not_all(found: Launched, here: int, away: list[int], seconds: float) -> ConfigError:
    """The error of a meeting to which only some ranks came; `away`: the others, where they are known."""
    listed = ", ".join(map(str, away[:16])) + (f", … ({len(away)} in all)" if len(away) > 16 else "")
    missing = f" (missing: rank{'s' if len(away) > 1 else ''} {listed})" if away else ""
    what = f"{here} of {found.size} ranks arrived in {seconds:g} s{missing}"
    said = f"{found.variable}={found.size}"
    why = f"the environment says {found.size} ranks ({said})" + ("; this process is alone" if here == 1 else "")
    fix = (
        f"start all of them with torchrun, srun or mpirun, or unset {found.variable}; "
        "else look at MASTER_ADDR, the firewall, and how many tasks were started; launch.timeout waits longer"
    )
    return ConfigError(what, where="environment", why=why, fix=fix)


def on_one_machine(environment: Mapping[str, str]) -> bool:
    """Whether the launcher says that all its processes are on this machine, so that they can meet in a file of its own."""
    pairs = (("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_SIZE"), ("MPI_LOCALNRANKS", "PMI_SIZE"))
    if any(environment.get(one) and environment.get(one) == environment.get(other) for one, other in pairs):
        return True
    return environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES", "")) == "1"


def _own_file(environment: Mapping[str, str]) -> Path:
    """A file in the temporary folder whose name all processes of one start know, and those of no other start.

    The number of a job alone would not do: another cluster counts from 1 too, and a file may be left of one whose ranks were killed.
    """
    known = [*(environment.get(name, "") for name in LAST), find_ancestor(STARTERS)]
    parts = known if any(known) else [str(os.getppid())]  # a launcher of another name, as far as it is the parent of each
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"trainwright-{os.getuid()}-{digest}"


def _port_of_job(environment: Mapping[str, str]) -> int:
    known = "\0".join(environment.get(name, "") for name in LAST)
    return FIRST_PORT + int(hashlib.sha256(known.encode()).hexdigest(), 16) % PORTS


def _first_host(found: Launched) -> str:
    """The host of rank 0 as Slurm expands its list. Raises ConfigError where nobody says it."""
    listed, program = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_JOB_NODELIST"), shutil.which("scontrol")
    if listed and program:
        done = subprocess.run([program, "show", "hostnames", listed], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.split():
            return _reachable(done.stdout.split()[0], program)
    why = f"the environment says {found.size} ranks ({found.variable}={found.size}), and not where they meet"
    fix = (
        f"start all of them with torchrun, which says it, or unset {found.variable}; else set MASTER_ADDR to the host of rank 0 "
        "and MASTER_PORT to a free port there, for all ranks, or launch.init=file:///SHARED/FILE"
    )
    raise ConfigError("MASTER_ADDR is not set", where="environment", why=why, fix=fix)


def _reachable(node: str, scontrol: str) -> str:
    """A name of Slurm's as this machine can reach it: itself where it is a host's, else the address that Slurm has for it."""
    with suppress(OSError):
        socket.getaddrinfo(node, None)
        return node
    done = subprocess.run([scontrol, "-o", "show", "node", node], capture_output=True, text=True, check=False)
    found = re.search(r"NodeAddr=(\S+)", done.stdout)
    return found[1] if found else node
