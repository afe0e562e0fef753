"""Runs on Ray, as real processes of a real Ray: what comes of them is what comes of `--devices`, and what can be wrong is told."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_cluster import ray_cluster

from commands import command_process, trainwright_command
from trainwright.parallel.failures import Failure
from trainwright.parallel.launchers.on_ray.request import Request
from trainwright.parallel.launchers.on_ray.worker import RankProcess, Seat

pytestmark = pytest.mark.slow

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'trainwright[ray]'")
PARTS = """
import os, signal, time
from pathlib import Path
import trainwright as tw

def once(name):
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

def wait_for_checkpoint(step):
    # It is written while the next steps are made: how far it is after one of them depends on the machine.
    ends = time.monotonic() + 60
    while not list(Path("killed/checkpoints").glob(f"step-*{step:04}/manifest.json")) and time.monotonic() < ends:
        time.sleep(0.01)

class Killed(tw.Callback):
    every_rank = True

    class Config(tw.ConfigModel):
        type: str = "killed"

    def __init__(self, config):
        self.config = config

    def on_train_batch_end(self, session, system, batch, index):
        if session.rank == 1 and session.step == 9 and once("first"):
            wait_for_checkpoint(8)
            os.kill(os.getpid(), signal.SIGKILL)
        if session.rank == 0 and session.step == 17 and once("second"):
            wait_for_checkpoint(16)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)  # it dies with its worker, which may take a while to die: another checkpoint would be written
        if session.rank == 1:
            print("rank 1 made", session.step, flush=True)
            if session.step == 22 and once("third"):
                wait_for_checkpoint(20)
                raise ValueError("the sensor is off")

class Slow(tw.Callback):
    every_rank = True

    class Config(tw.ConfigModel):
        type: str = "slow"

    def __init__(self, config):
        self.config = config

    def on_train_batch_end(self, session, system, batch, index):
        time.sleep(0.02)
        print("rank", session.rank, "made", session.step, os.environ.get("TRAINWRIGHT_RAY_TEST", ""), flush=True)
"""
SETTINGS = ["trainer.batch_size=16", "trainer.strategy=ddp", "trainer.checkpoint.every=4 steps", "evaluation.baselines=[]"]
SETTINGS += ["evaluation.importance=false", "evaluation.report=false", "trainer.trackers=[csv]"]
TIMES = ("seconds", "samples_per_second")
OPEN = {"RAY_AUTH_MODE": "disabled"}
UNWATCHED = {**OPEN, "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
"""Without an actor of Ray Train's that each start of workers waits for; one test has it, as runs of people do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("on ray")
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(96)]
    (made / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (made / "parts.py").write_text(PARTS)
    return made


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what runs on Ray has its temporary files, apart from that of other processes of the tests."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(temporary: Path) -> Iterator[str]:
    with ray_cluster(temporary) as found:
        yield found


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> Path:
    """The run of two ranks that our own launcher starts."""
    assert trainwright_command(*train("unbroken", "--devices", "2"), folder=folder).returncode == 0
    return folder / "unbroken"


def train(place: str, *settings: str) -> list[str]:
    return ["train", "t.csv", "--target", "y", f"run.dir={place}", "trainer.max_epochs=6", *SETTINGS, *settings]


def on_ray(address: str, *settings: str, devices: int = 2) -> list[str]:
    return ["launch=ray", f"launch.address={address}", f"launch.devices={devices}", *settings]


def rows(run: Path) -> list[dict[str, str]]:
    """The metrics of a run without those of the clock."""
    with (run / "metrics.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def weights(run: Path) -> bytes:
    return (run / "model/model.safetensors").read_bytes()


def files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


@needs_ray
def test_a_run_on_ray_is_the_run_of_as_many_processes(folder: Path, unbroken: Path, address: str, temporary: Path) -> None:
    variables = {**OPEN, "TRAINWRIGHT_RAY_TEST": "yes", "TMPDIR": str(temporary)}
    done = trainwright_command(*train("same", *on_ray(address, "launch.placement=strict_pack")), folder=folder, **variables)
    assert done.returncode == 0, done.stderr
    assert weights(folder / "same") == weights(unbroken)
    assert rows(folder / "same") == rows(unbroken)
    assert files(folder / "same") == files(unbroken)
    assert "max epochs" in done.stdout and "2 processes (ddp): a step of 16 rows = 8 + 8" in done.stderr
    assert not re.search(r"(?i)\bray\b|deprecat|actor", done.stdout + done.stderr), done.stderr
    assert not list(temporary.glob("trainwright-ray-*"))


@needs_ray
def test_killed_ranks_and_workers_begin_again_and_the_first_cause_is_told_in_the_end(folder: Path, unbroken: Path, address: str) -> None:
    words = train("killed", "trainer.callbacks=[./parts.py:Killed]", *on_ray(address, "launch.restarts=2"))
    done = trainwright_command(*words, folder=folder, **UNWATCHED)
    assert all((folder / each).exists() for each in ("first", "second", "third")), done.stderr
    assert "rank 1: the process was killed (SIGKILL); all ranks begin again from step 8 (restart 1 of 2)" in done.stderr
    assert re.search(r"all ranks begin again from step 16 \(restart 2 of 2\)", done.stderr)
    assert done.returncode == 1 and done.stderr.count("error: rank 1: ValueError: the sensor is off") == 1
    assert "all ranks were started again 2 times (launch.restarts=2); the newest checkpoint is of step 20 now" in done.stderr
    assert not re.search(r"raylet|A worker died|\x1b", done.stdout + done.stderr), done.stdout + done.stderr
    assert "rank 1 made 12" in (folder / "killed/logs/rank-1.txt").read_text()
    assert "the sensor is off" in (folder / "killed/logs/rank-1.start-3.error.json").read_text()
    again = trainwright_command("resume", "killed", "launch.type=local", "launch.devices=2", folder=folder)
    assert again.returncode == 0, again.stderr
    assert weights(folder / "killed") == weights(unbroken)
    assert [row["step"] for row in rows(folder / "killed")] == [row["step"] for row in rows(unbroken)]


@needs_ray
def test_one_worker_is_saved_by_a_signal_and_goes_on_without_ray(folder: Path, address: str) -> None:
    printed = [folder / "stdout", folder / "stderr"]
    words = train("alone", "trainer.callbacks=[./parts.py:Slow]", *on_ray(address, devices=1))
    process = command_process(words, folder, {**os.environ, **UNWATCHED, "TRAINWRIGHT_RAY_TEST": "reached"}, printed)
    process.start()
    run, ends = folder / "alone", time.monotonic() + 60
    while not (run / "checkpoints/last").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    said = [each.read_text() for each in printed]
    assert process.exitcode == 75, said
    assert said[1].count("SIGTERM: saving at the end of this step") == 1 and "interrupted: SIGTERM: stopped and saved at step" in said[1]
    assert "rank 0 made 1 reached" in said[0]
    assert trainwright_command("resume", "alone", "launch.type=auto", folder=folder).returncode == 0
    assert trainwright_command(*train("never", "trainer.callbacks=[./parts.py:Slow]"), folder=folder).returncode == 0
    assert weights(run) == weights(folder / "never")


WRONG = {
    "launch.address=ray://head:10001": ("is an address of Ray's client", "ray job submit"),
    "launch.address=nowhere": ("is no address of a Ray cluster", "HOST:PORT"),
    "launch.resources={GPUs: 1}": ("unknown", "GPU"),
    "launch.nodes=2": ("unknown", "launch"),
    "launch.address=127.0.0.1:1": ("no Ray cluster answers at 127.0.0.1:1", "ray start --head"),
    "trainer.max_epochs=none": ("max_epochs", ""),
    "targets=[nothing]": ("'nothing' is not a column of the data", "available"),
}


@pytest.mark.parametrize("setting", WRONG)
def test_what_is_wrong_is_told_before_ray_is_started(setting: str, folder: Path) -> None:
    if "127" in setting and importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    done = trainwright_command(*train("wrong", "launch=ray", "launch.devices=2", setting), folder=folder)
    what, fix = WRONG[setting]
    assert done.returncode == 2 and not (folder / "wrong").exists()
    assert what in done.stderr and fix in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("broken", [False, True])
def test_a_ray_that_is_not_there_or_cannot_be_imported_is_told(broken: bool, folder: Path, tmp_path: Path) -> None:
    code = "import sys\nfrom trainwright.cli.main import main\n" + ("" if broken else "sys.modules['ray'] = None\n") + "sys.exit(main())"
    (tmp_path / "ray.py").write_text("raise OSError('libray.so is damaged')\n")
    path = os.pathsep.join([str(tmp_path), *([each] if (each := os.environ.get("PYTHONPATH")) else [])])
    words = [sys.executable, "-c", code, *train("wrong", "launch=ray")]
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    said = "Ray cannot be imported\n  why: OSError: libray.so is damaged" if broken else "Ray is not installed"
    assert said in done.stderr and "trainwright[ray]" in done.stderr and "Traceback" not in done.stderr


@needs_ray
def test_what_the_cluster_has_is_told_and_more_workers_are_refused(folder: Path, address: str) -> None:
    told = trainwright_command("doctor", "--cluster", folder=folder, **OPEN, RAY_ADDRESS=address).stdout
    assert f"{address}: 2 nodes, 3 CPUs (3 free), 0 GPUs (0 free)" in told
    done = trainwright_command(*train("wrong", *on_ray(address, devices=4)), folder=folder, **OPEN)
    assert (
        done.returncode == 2 and "4 workers do not fit" in done.stderr and "launch.devices=3, or launch.resources.CPU=0.75" in done.stderr
    )
    done = trainwright_command(*train("wrong", "run.device=cuda", *on_ray(address)), folder=folder, **OPEN)
    assert done.returncode == 2 and "each worker wants 1 GPU, and no machine has it" in done.stderr and "run.device=cpu" in done.stderr


def test_ray_in_processes_of_another_launcher_is_refused(folder: Path) -> None:
    variables = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    done = trainwright_command(*train("wrong", "launch=ray"), folder=folder, **variables)
    assert done.returncode == 2 and "launch.type is ray" in done.stderr and "torchrun has started 2 processes already" in done.stderr


def test_a_machine_without_the_folder_of_the_command_is_told() -> None:
    seat = Seat(1, 2, 0, 1, 1, 1, "", "", "127.0.0.1", 1)
    request = Request(folder="/nowhere/at/all")
    ended = RankProcess(request, seat, None).wait()
    shutil.rmtree(Path(tempfile.gettempdir()) / f"trainwright-ray-{request.token}-1-1")
    failure = Failure.from_json(ended.failure)
    assert ended.code == 2 and failure is not None and failure.exit_code == 2
    assert failure.told[0].what == "'/nowhere/at/all' is not on this machine" and failure.told[0].where.startswith("rank 1 (")


SCRIPT = """
import sys
import logging
import os
import threading
import ray
import torch
from torch import nn
import trainwright as tw
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer

torch.manual_seed(0)
x = torch.randn(96, 4)
y = (x[:, 0] > 0).long()

def main():
    class Net(tw.System):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

        def training_step(self, batch, context):
            print("a step of rank", os.environ.get("RANK"), flush=True)
            return nn.functional.cross_entropy(self.layers(batch["input"]), batch["target"])

    def told(call, *arguments, **more):
        try:
            call(*arguments, **more)
        except tw.TrainwrightError as error:
            print(error)

    def same(one, other):
        return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))

    options = {"max_epochs": 3, "batch_size": 16, "strategy": "ddp"}
    far = {"address": sys.argv[1], "placement": "strict_spread", "tee": True}  # a node each, which meet by the network
    remote = tw.RemoteTrainer(options, devices=2, launch=far, allow_parallel_threads=False, console=False)
    assert remote.return_device == "cpu" and remote.is_coordinator() and remote.local_rank == 0
    remote.barrier()
    theirs, mine = Net(), Net()
    result = remote.train(theirs, (x, y), save_path="python-ray")
    tw.fit(mine, (x, y), run_dir="python", console=False, devices=2, **options)
    assert result.system is theirs and all(each.device.type == "cpu" for each in theirs.parameters())
    assert same(mine, theirs)
    theirs, mine, near = Net(), Net(), Trainer(TrainerConfig(batch_size=16, max_epochs=3), device="cpu", console=False)
    data = TensorRows({"input": x, "target": y})
    near_by = {"address": sys.argv[1], "restarts": 3}
    remote = tw.RemoteTrainer({"max_epochs": 3, "batch_size": 16}, launch=near_by, allow_parallel_threads=False)
    torch.set_num_threads(1)
    assert remote.train_online(theirs, data) == near.train_online(mine, data)
    assert same(mine, theirs)
    assert remote.evaluation(theirs, data) == near.validate(mine, data)
    told(remote.evaluation, theirs.layers, data)  # refused in the worker, and not repeated
    theirs.lock = threading.Lock()
    told(remote.train, theirs, (x, y), save_path="lock")
    told(tw.RemoteTrainer, options, gpus=[0, 1])
    told(tw.RemoteTrainer, options, gpus=0, gpu_memory_limit=0.5)
    told(tw.RemoteTrainer, options, gpus=2, gpu_memory_limit=7)
    told(tw.RemoteTrainer({**options, "ema": {"decay": 0.9}}).train_online, mine, data)

ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
main()
assert ray.is_initialized()  # which was begun by the program
"""


@needs_ray
def test_a_program_sends_its_own_classes_and_gets_the_weights_on_the_cpu(folder: Path, address: str) -> None:
    (folder / "script.py").write_text(SCRIPT)
    variables = {**os.environ, **UNWATCHED}
    done = subprocess.run([sys.executable, "script.py", address], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[rank 1] a step of rank 1" in done.stderr
    said = [
        "lock (lock) cannot be sent to 1 process",
        "__getstate__",
        "gpus=[0, 1] is no number",
        "and gpus=0",
        "=7 is no share",
        "ema is not",
    ]
    assert all(each in done.stdout for each in said), done.stdout
