"""A real Slurm for tests: its daemons in a temporary folder, on ports of their own, with two nodes that are both this machine.

Each process of the tests that asks has one of its own. A process beside it starts the daemons and ends them, with what they run, when
it is told to, or when whoever asked has died.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo", "scancel")
HOST = socket.gethostname().partition(".")[0]
NODES = (HOST, "another")
"""The ranks of a job look for its first node by this name."""
CONF = """
ClusterName=tw{port}
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={place}/munge.socket,cred_expire={expire}
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
JobRequeue=1
RequeueExit=75
KillWait=5
SlurmdParameters=config_overrides
DefMemPerNode=200
MaxArraySize=20
GresTypes=gpu
NodeName={host} NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=4 RealMemory=8000 State=UNKNOWN
NodeName=another NodeHostname={host} NodeAddr=127.0.0.1 Port={other} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host},another Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes={host} MaxTime=30 State=UP
PartitionName=gpus Nodes=another MaxTime=1-00:00:00 State=UP
"""


def what_is_missing() -> str:
    """Why no Slurm can be started here; empty where one can."""
    absent = [each for each in PROGRAMS if find(each) is None]
    if absent:
        return f"no Slurm here ({', '.join(absent)} not found): apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "Slurm's daemons are started by root alone"


def find(program: str) -> str | None:
    """Where a program is; daemons lie where only root's path leads."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Cluster:
    """A running Slurm."""

    place: Path

    @property
    def variables(self) -> dict[str, str]:
        """Of the environment of whatever speaks to it."""
        return {"SLURM_CONF": str(self.place / "slurm.conf")}

    def ask(self, *words: str) -> str:
        """What one of its programs prints. Raises where it fails."""
        environment = {**os.environ, **self.variables}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def configure(self, **lines: str) -> None:
        """Set lines of its configuration, an empty one away, while it runs."""
        conf = self.place / "slurm.conf"
        text = conf.read_text()
        for name, value in lines.items():
            text = re.sub(rf"(?m)^{name}=.*\n", "", text) + (f"{name}={value}\n" if value else "")
        conf.write_text(text)
        self.ask("scontrol", "reconfigure")

    def show(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says of a job."""
        return dict(each.partition("=")[::2] for each in self.ask("scontrol", "-o", "show", "job", job).split())

    def wait_for(self, job: str, *states: str, limit: float = 90) -> dict[str, str]:
        """The job, once it is in one of these states."""
        ends = time.monotonic() + limit
        while (found := self.show(job))["JobState"] not in states:
            assert time.monotonic() < ends, found
            time.sleep(0.1)
        return found

    def clear(self) -> None:
        """Cancel all jobs, and wait until the nodes are free."""
        subprocess.run(["scancel", "--full", "-s", "KILL", "-u", "root"], env={**os.environ, **self.variables}, check=False)
        subprocess.run(["scancel", "-u", "root"], env={**os.environ, **self.variables}, check=False)
        ends = time.monotonic() + 20
        while self.ask("squeue", "-h") and time.monotonic() < ends:
            time.sleep(0.1)


@contextmanager
def running_cluster(expire: int = 5) -> Iterator[Cluster]:
    """A Slurm that is there as long as the block, and this process. `expire`: seconds, at least 5, that a requeued job waits."""
    with tempfile.TemporaryDirectory(prefix="tw-slurm-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        words = [sys.executable, __file__, name, str(os.getpid()), str(expire)]
        keeper = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, text=True)
        try:
            assert keeper.stdout is not None
            said = keeper.stdout.readline().strip()
            assert said == "ready", f"Slurm did not start: {said}\n{describe_logs(place)}"
            yield Cluster(place)
        finally:
            keeper.send_signal(signal.SIGTERM)
            keeper.wait(60)
            assert keeper.stdout is not None
            keeper.stdout.close()


def describe_logs(place: Path) -> str:
    return "\n".join(each.read_text(errors="replace")[-1500:] for each in sorted(place.glob("*.out")))


def keep(place: Path, parent: int, expire: int) -> None:
    """The life of the process beside: start the daemons, wait, and end all that they have started."""
    asked, ask = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(ask, b"."))
    looking = select.poll()
    for each in (asked, os.pidfd_open(parent)):
        looking.register(each, select.POLLIN)
    started: list[subprocess.Popen[bytes]] = []
    try:
        write_files(place, expire)
        started += start_daemons(place)
        print("ready" if all_idle(place, started) else "its nodes are not idle", flush=True)
        looking.poll()
    finally:
        end_all(place, started)
        shutil.rmtree(place, ignore_errors=True)


def write_files(place: Path, expire: int) -> None:
    ports = [free_port() for _ in range(3)]
    for each in ("state", *(f"spool-{node}" for node in NODES)):
        (place / each).mkdir()
    place.chmod(0o755)  # munge wants its socket to be reached
    key = place / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    text = CONF.format(place=place, host=HOST, port=ports[0], one=ports[1], other=ports[2], expire=expire)
    (place / "slurm.conf").write_text(text.lstrip())
    (place / "gres.conf").write_text("".join(f"NodeName=another Name=gpu File=/dev/{each}\n" for each in ("null", "zero")))


def free_port() -> int:
    """A port that nobody uses now, below those where jobs meet, and among the first that no cluster beside this one looks at."""
    for port in range(10_000 + os.getpid() % 2_000 * 5, 20_000):
        with socket.socket() as bound, suppress(OSError):
            bound.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
    raise OSError("no port is free")


_given: set[int] = set()


def start_daemons(place: Path) -> list[subprocess.Popen[bytes]]:
    munge = [f"--{name}={place}/munge.{ending}" for name, ending in (("socket", "socket"), ("key-file", "key"), ("pid-file", "pid"))]
    munge += [f"--log-file={place}/munge.log", f"--seed-file={place}/munge.seed", "--foreground", "--force"]
    started = [start_daemon(place, "munged", *munge)]
    wait_until(lambda: (place / "munge.socket").exists())
    started.append(start_daemon(place, "slurmctld", "-D"))
    return [*started, *(start_daemon(place, "slurmd", "-D", "-N", node) for node in NODES)]


def start_daemon(place: Path, program: str, *words: str) -> subprocess.Popen[bytes]:
    with (place / f"{program}-{words[-1].lstrip('-')}.out").open("wb") as printed:
        return subprocess.Popen(
            [find(program) or program, *words],
            env={**os.environ, "SLURM_CONF": f"{place}/slurm.conf"},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0),  # with this process, however it ends
        )


def all_idle(place: Path, started: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Whether all nodes are ready, within a while."""

    def look() -> bool:
        environment = {**os.environ, "SLURM_CONF": f"{place}/slurm.conf"}
        if any(each.poll() is not None for each in started):
            raise OSError("a daemon has ended")
        done = subprocess.run(["sinfo", "-h", "-p", "main", "-o", "%T %D"], env=environment, capture_output=True, text=True, check=False)
        return done.stdout.strip() == f"idle {len(NODES)}"

    return wait_until(look)


def wait_until(look: object, limit: float = 30) -> bool:
    ends = time.monotonic() + limit
    while not look():  # type: ignore[operator]
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def end_all(place: Path, started: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the daemons, and what jobs have left: each process that was told of this cluster."""
    for each in reversed(started):
        each.terminate()
    for each in started:
        with suppress(subprocess.TimeoutExpired):
            each.wait(3)
        each.kill()
    told = f"SLURM_CONF={place}/slurm.conf".encode()
    for _ in range(20):
        left = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != os.getpid() and told in environment_of(pid)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.1)


def environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
