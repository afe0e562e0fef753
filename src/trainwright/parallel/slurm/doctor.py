"""What a cluster of Slurm's has, and what this process is told by whoever started it, for `trainwright doctor --cluster`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from trainwright.config.errors import ConfigError
from trainwright.parallel.launched import SPELLINGS
from trainwright.parallel.slurm.asking import Partition, ask, read_partitions, read_settings, requeue_delay, requeues_by_code
from trainwright.parallel.slurm.times import describe_seconds
from trainwright.runs.doctor import Finding

SHARED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cephfs", "ceph", "fuse.ceph-fuse", "glusterfs", "wekafs", "panfs", "orangefs", "cifs")
"""Kinds of file systems that several machines see."""
SLOW = 30
"""Seconds of waiting from which a requeue is worth a word to the administrators."""


def slurm_findings() -> list[Finding]:
    """Version, partitions, limits and how a job comes back; one line where Slurm is not here, or does not answer."""
    if shutil.which("sbatch") is None:
        return [Finding("cluster", "Slurm", "not here (no sbatch)", "note", "log in where Slurm is; launch=local runs on this machine")]
    try:
        version, partitions, settings = ask(["sbatch", "--version"]).split()[-1], read_partitions(), read_settings()
    except ConfigError as error:
        return [Finding("cluster", "Slurm", f"{error.what}: {error.why}", "note", error.fix)]
    name = settings.get("ClusterName", "")
    return [
        Finding("cluster", "Slurm", f"{version}, cluster {name}" if name else version),
        *(describe_partition(each) for each in partitions),
        *requeue_findings(settings),
        Finding("cluster", "arrays", f"indices below {settings.get('MaxArraySize', 'an unknown number')} (MaxArraySize)"),
        accounting_finding(settings),
    ]


def describe_partition(partition: Partition) -> Finding:
    """Nodes, what they have, and the longest time."""
    kinds = []
    for each in partition.machines:
        resources = ", ".join(f"{count} {name}" for name, count in sorted(each.resources.items()))
        kinds.append(
            f"{each.count} {each.state} × {each.cpus} CPUs, {each.memory / 1024:.3g} GiB" + (f", {resources}" if resources else "")
        )
    longest = "no limit of time" if partition.limit is None else f"up to {describe_seconds(partition.limit)}"
    value = f"{'; '.join(kinds) or 'no nodes'}; {longest}" + (" (default)" if partition.default else "")
    if partition.up:
        return Finding("cluster", f"partition {partition.name}", value)
    return Finding(
        "cluster", f"partition {partition.name}", f"down; {value}", "note", "jobs wait there until it is up: launch.partition=NAME"
    )


def requeue_findings(settings: dict[str, str]) -> list[Finding]:
    """How a job that was saved comes back, and how long that takes."""
    by_exit, delay = requeues_by_code(settings), requeue_delay(settings)
    code = f"RequeueExit={settings.get('RequeueExit', '(null)')}: " + (
        "a job that ends with 75 comes back" if by_exit else "not by exit code"
    )
    way = "" if by_exit else "; its script runs scontrol requeue"
    allowed = settings.get("JobRequeue", "1") == "1"
    made = [Finding("cluster", "requeue", code + way + ("" if allowed else "; JobRequeue=0, so each job asks for it (--requeue)"))]
    value = f"about {delay} s from the end of a job to its next start (cred_expire)"
    fix = "administrators can shorten it: AuthInfo=cred_expire=10 in slurm.conf" if delay > SLOW else ""
    return [*made, Finding("cluster", "requeue delay", value, "note" if fix else "ok", fix)]


def accounting_finding(settings: dict[str, str]) -> Finding:
    """Whether jobs that are over can still be asked about."""
    kept = "none" not in settings.get("AccountingStorageType", "none")
    value = "kept: sacct knows jobs that are over" if kept else "none: a job is forgotten some minutes after its end"
    return Finding("cluster", "accounts", value)


def environment_findings() -> list[Finding]:
    """What this process is told by a launcher, and whether other machines see the directory that it stands in."""
    names = dict.fromkeys(["SLURM_JOB_ID", "SLURM_STEP_ID", "MASTER_ADDR", "MASTER_PORT", *(each for row in SPELLINGS for each in row[1:])])
    told = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    made = [Finding("cluster", "started by", " ".join(told) or "no launcher: this process is alone")]
    return [*made, shared_finding(Path.cwd())]


def shared_finding(place: Path) -> Finding:
    """Whether a folder lies on a disk that other machines see, as far as its kind tells."""
    done = subprocess.run(["stat", "-f", "-c", "%T", str(place)], capture_output=True, text=True, check=False)
    kind = done.stdout.strip()
    if kind in SHARED:
        return Finding("cluster", "shared disk", f"{place} is on {kind}, which other machines see")
    why = f"{place} is on {kind or 'an unknown file system'}, which may be this machine's alone"
    fix = "for several nodes, put data and runs on a disk that all of them see: run.dir=/shared/…"
    return Finding("cluster", "shared disk", why, "note", fix)
