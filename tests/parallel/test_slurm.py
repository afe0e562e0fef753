"""Runs as jobs of a real Slurm: submitted, signalled, requeued, cancelled and continued; and what is refused before it is submitted."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import Cluster, running_cluster, what_is_missing

import trainwright as tw
from commands import trainwright_command
from trainwright.config.errors import ConfigError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "Slurm is here")]

ROWS = 120
CLOCKS = ("seconds", "per_second")
EPOCHS = "trainer.max_epochs=4"
SLOW = """
import os
import time
import trainwright as tw

class Slow(tw.Callback):
    class Config(tw.ConfigModel):
        type: str = "slow"
        seconds: list[float]

    def __init__(self, config):
        start = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        self.seconds = config.seconds[min(start, len(config.seconds) - 1)]

    def on_train_batch_end(self, session, system, batch, index):
        time.sleep(self.seconds)
"""
SETTINGS = ["trainer.batch_size=8", "evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false"]
SETTINGS += ["run.device=cpu", "trainer.progress=plain", "run.threads=1"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("slurm")
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(ROWS)]
    (made / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (made / "slow.py").write_text(SLOW)
    return made


def slow(*seconds: float) -> str:
    """A callback that makes each step last so long at the first start of a job, the second, and so on."""
    return f"trainer.callbacks=[{{type: './slow.py:Slow', seconds: {list(seconds)}}}]"


def train_words(place: str, *settings: str) -> list[str]:
    return ["train", "t.csv", "--target", "y", f"run.dir={place}", *SETTINGS, *settings]


def submit(cluster: Cluster, folder: Path, place: str, *settings: str) -> str:
    """The number of the job that a command submits."""
    done = trainwright_command(*train_words(place, "launch=slurm", "launch.time=30min", *settings), folder=folder, **cluster.variables)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^job: +(\d+) ", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return found[1]


def steps_made(run: Path) -> int:
    """The last step in metrics.csv."""
    rows = read_metrics(run)
    return int(rows[-1]["step"]) if rows else 0


def read_metrics(run: Path) -> list[dict[str, str]]:
    """metrics.csv without what clocks say."""
    if not (run / "metrics.csv").is_file():
        return []
    with (run / "metrics.csv").open() as file:
        return [{name: each for name, each in row.items() if not name.endswith(CLOCKS)} for row in csv.DictReader(file)]


def wait_for(look: Callable[[], bool], run: Path, limit: float = 90) -> None:
    ends = time.monotonic() + limit
    while not look():
        assert time.monotonic() < ends, said(run)
        time.sleep(0.05)


def said(run: Path) -> str:
    """What the jobs of a run have printed."""
    return "\n".join(each.read_text() for each in sorted((run / "slurm").glob("*.log")))


def weights(run: Path) -> str:
    return hashlib.sha256((run / "model/model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """The same run, never broken off, and without Slurm."""
    done = trainwright_command(*train_words("whole", EPOCHS, slow(0)), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "whole"


class Story(threading.Thread):
    """What happens to a job while other tests go on."""

    def __init__(self, job: str, happens: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self.job, self.happens, self.failed = job, happens, ""
        self.start()

    def run(self) -> None:
        try:
            self.happens(self.job)
        except AssertionError as error:
            self.failed = str(error)

    def wait(self) -> str:
        """The job, once all has happened."""
        self.join(120)
        assert not self.failed, self.failed
        return self.job


@pytest.fixture(scope="module")
def near_its_limit(cluster: Cluster, folder: Path) -> Story:
    """A job whose time is nearly over, begun before the others, since Slurm looks at limits every 30 s alone."""

    def shorten(job: str) -> None:
        wait_for(lambda: "steps per epoch" in said(folder / "limit"), folder / "limit")
        cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")

    return Story(submit(cluster, folder, "limit", EPOCHS, slow(1, 0), "launch.time=2min", "launch.signal=USR1@60"), shorten)


@pytest.fixture(scope="module")
def broken_twice(cluster: Cluster, folder: Path) -> Story:
    """A job that is sent USR1 in its first epoch, and is requeued in its second."""

    def interrupt(job: str) -> None:
        wait_for(lambda: steps_made(folder / "broken") >= 11, folder / "broken")
        cluster.ask("scancel", "-s", "USR1", job)
        wait_for(lambda: steps_made(folder / "broken") >= 22, folder / "broken")
        cluster.ask("scontrol", "requeue", job)

    return Story(submit(cluster, folder, "broken", EPOCHS, slow(0.1, 0.1, 0), "launch.requeue=scontrol"), interrupt)


@pytest.fixture(scope="module")
def to_be_cancelled(cluster: Cluster, folder: Path) -> str:
    return submit(cluster, folder, "cancelled", EPOCHS, slow(0.4), "launch.requeue=never", "launch.name=mine")


@pytest.mark.usefixtures("near_its_limit", "broken_twice")  # which take their time
def test_a_cancelled_job_stays_cancelled_and_is_continued_by_another(
    cluster: Cluster, folder: Path, whole: Path, to_be_cancelled: str
) -> None:
    run, job = folder / "cancelled", to_be_cancelled
    wait_for(lambda: steps_made(run) >= 11, run)
    listed = trainwright_command("runs", "--slurm", ".", folder=folder, **cluster.variables)
    assert listed.returncode == 0, listed.stderr
    assert re.search(rf"\b{job} +RUNNING\b.*cancelled", listed.stdout), listed.stdout
    again = trainwright_command(
        *train_words("cancelled", "--resume", EPOCHS, "launch=slurm", "launch.time=9m"), folder=folder, **cluster.variables
    )
    assert again.returncode == 2
    assert f"job {job} of this run is RUNNING already" in again.stderr
    assert f"scancel {job}" in again.stderr
    cluster.ask("scancel", job)
    assert cluster.wait_for(job, "CANCELLED")["JobName"] == "mine"
    wait_for(lambda: json.loads((run / "run.json").read_text())["status"] == "interrupted", run)
    settings = ["launch.time=9m", "launch.wait=true", "trainer.callbacks=[]"]
    done = trainwright_command("resume", "cancelled", *settings, folder=folder, **cluster.variables)
    assert done.returncode == 0, (done.stderr, said(run))
    assert len(json.loads((run / "slurm/jobs.json").read_text())) == 2
    assert read_metrics(run) == read_metrics(whole)
    assert weights(run) == weights(whole)


def test_two_nodes_train_together_and_the_command_waits_for_them(cluster: Cluster, folder: Path, whole: Path) -> None:
    settings = [
        "launch=slurm",
        "launch.nodes=2",
        "launch.time=1-00:00:00",
        "launch.wait=true",
        "launch.lines=['--comment=\"not yours\" --nice=5']",
        EPOCHS,
    ]
    settings += [slow(0), f"launch.command=env COLOUR=red {sys.executable} -m trainwright"]
    settings += ["launch.setup=['export COLOUR=\"light blue\"', 'echo the colour is $COLOUR']"]
    done = trainwright_command(*train_words("two of them", *settings), folder=folder, **cluster.variables)
    run = folder / "two of them"
    assert done.returncode == 0, (done.stderr, said(run))
    assert "2 nodes of 1 process, 1 d" in done.stdout
    assert "COMPLETED" in done.stderr
    job = json.loads((run / "slurm/jobs.json").read_text())[0]["job"]
    assert "Comment=not yours" in cluster.ask("scontrol", "show", "job", job)
    text, script = said(run), (run / "slurm/job.sh").read_text()
    assert "2 ranks" in text and "the colour is light blue" in text
    assert '#SBATCH --output="' in script and "COLOUR=red" in script
    assert read_metrics(run)[-1]["step"] == read_metrics(whole)[-1]["step"]
    assert (run / "logs/rank-1.txt").is_file()


def test_within_an_allocation_srun_starts_the_ranks_and_its_code_is_given_back(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    words = ["salloc", "-Q", "--nodes=1", "--ntasks=2", "--time=5", sys.executable, "-m", "trainwright"]
    options: Any = {"cwd": folder, "env": {**os.environ, **cluster.variables}, "capture_output": True, "text": True, "check": False}
    meeting = tmp_path / "temporary"
    meeting.mkdir()
    options["env"]["TMPDIR"] = str(meeting)
    done = subprocess.run([*words, *train_words("inside", "launch=slurm", EPOCHS)], **options)
    assert done.returncode == 0, done.stderr
    assert not [each for each in meeting.iterdir() if each.is_file()]
    assert "2 ranks, 2 on this machine" in done.stderr
    assert not (folder / "inside/slurm").exists()


def test_a_sweep_is_an_array_whose_members_come_back_by_themselves(cluster: Cluster, folder: Path, whole: Path) -> None:
    words = ["sweep", "t.csv", "--target", "y", "--seeds", "2", *SETTINGS, EPOCHS, slow(0.1, 0)]
    words += ["launch=slurm", "launch.time=9m", "launch.requeue=scontrol"]
    large = trainwright_command(*words, "--seeds", "25", "run.dir=large", folder=folder, **cluster.variables)
    assert large.returncode == 2
    assert "25 members are too many" in large.stderr and "MaxArraySize of this cluster is 20" in large.stderr
    assert not (folder / "large").exists()
    done = trainwright_command(*words, "run.dir=group", "--jobs", "2", folder=folder, **cluster.variables)
    assert done.returncode == 0, done.stderr
    assert "at most 2 at a time" in done.stdout and done.stdout.count("waiting") >= 1
    found = re.search(r"^jobs: +(\d+)_0 to \1_1 ", done.stdout, re.MULTILINE)
    assert found, done.stdout
    wait_for(lambda: steps_made(folder / "group/seed=0") >= 11, folder / "group")
    cluster.ask("scancel", "-s", "USR1", f"{found[1]}_0")
    again = trainwright_command("sweep", "group", folder=folder, **cluster.variables)
    assert again.returncode == 0
    assert f"job {found[1]} of this group is there already" in again.stderr and "nothing more is submitted" in again.stderr
    listed = trainwright_command("runs", "group", "--slurm", "--json", folder=folder, **cluster.variables)
    jobs = {each["path"]: each["slurm"]["job"] for each in json.loads(listed.stdout)}
    assert jobs["group/seed=0"] == f"{found[1]}_0"
    wait_for(lambda: not cluster.ask("squeue", "-h", "-j", found[1], "-t", "PD,R,CG").strip(), folder / "group")
    texts = [(folder / f"group/seed={seed}.txt").read_text() for seed in range(2)]
    assert ["start 2" in text for text in texts] == [True, False]
    assert f"scontrol requeue {found[1]}_0" in texts[0]
    table = trainwright_command("sweep", "group", folder=folder, **cluster.variables)
    assert "all runs are finished" in table.stdout and len(re.findall(r"^[01] +finished ", table.stdout, re.MULTILINE)) == 2, table.stdout
    assert re.search(r"^n +validation \(mean ± sd\) +test \(mean ± sd\)\n2 +[01]\.\d+ ± ", table.stdout, re.MULTILINE), table.stdout
    assert (folder / "group/table.csv").read_text().count("finished") == 2
    assert weights(folder / "group/seed=0") == weights(whole)


def refused(cluster: Cluster, folder: Path, settings: list[str], **variables: str) -> str:
    """What is said of a submission that is refused; nothing stays of it."""
    before = sorted(each.name for each in folder.iterdir())
    done = trainwright_command(
        *train_words("nowhere/at/all", "launch=slurm", *settings), folder=folder, **{**cluster.variables, **variables}
    )
    assert done.returncode == 2, (settings, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert sorted(each.name for each in folder.iterdir()) == before
    return done.stderr


TIME = "launch.time=10min"
REFUSED = {
    "no time": ([], ["launch.time: the time of the job is missing", "partition main has no limit"]),
    "no such time": (["launch.time=banana"], ["'banana' is no time", "4h"]),
    "a time in two ways": (["launch.time=1:30"], ["can be read in two ways", "1h30m"]),
    "a number of YAML's": (["launch.time=240"], ["240 has no unit", "'240 min'"]),
    "a unit of a run": (["launch.time=3 epochs"], ["unknown unit 'epochs'", "units: s, min, h, d"]),
    "over the limit": (
        ["launch.time=4h", "launch.partition=short"],
        ["launch.time: 4 h is too long", "up to 30 min", "wait for ever"],
    ),
    "no such partition": ([TIME, "launch.partition=mian"], ["there is no partition 'mian'", "did you mean 'main'?"]),
    "too many processes": ([TIME, "launch.devices=64"], ["64 processes need 64 processors on a node", "4 processors", "wait for ever"]),
    "too many processors": ([TIME, "launch.cpus=5"], ["1 processes of 5 processors need 5", "or for fewer launch.cpus"]),
    "too many nodes": ([TIME, "launch.nodes=3"], ["launch.nodes: 3 nodes are too many", "partition main has 2"]),
    "too much memory": ([TIME, "launch.memory=90G"], ["launch.memory: 90G of memory on a node", "8000 MiB"]),
    "memory of both nodes": ([TIME, "launch.memory=6G", "launch.nodes=2"], ["has not 2 nodes with so much"]),
    "no memory at all": ([TIME, "launch.memory=lots"], ["'lots' is no amount of memory"]),
    "no such resource": ([TIME, "launch.gres=gqu:1"], ["launch.gres: there is no resource 'gqu'", "did you mean 'gpu'?"]),
    "too many GPUs": ([TIME, "launch.gpus=5"], ["launch.gpus: 5 of 'gpu' on a node", "they have up to 2"]),
    "GPUs for some": (
        [TIME, "launch.partition=gpus", "launch.devices=2", "launch.gpus=1", "run.device=cuda"],
        ["2 processes and 1 GPUs on a node"],
    ),
    "no such signal": ([TIME, "launch.signal=USR7@60"], ["'USR7' is no signal on which a run saves", "did you mean 'USR1'?"]),
    "a signal that ends a run": ([TIME, "launch.signal=USR2@60"], ["may end by it", "one of: USR1"]),
    "a signal at the beginning": (["launch.time=2min"], ["the signal USR1@120 comes too early"]),
    "a log that is truncated": ([TIME, "launch.lines=[--open-mode=truncate]"], ["begin its log anew", "leave it out"]),
    "a setting of ours": ([TIME, "launch.lines=[-p short]"], ["has a setting of its own", "launch.partition"]),
    "no option": ([TIME, "launch.lines=[module load cuda]"], ["is no option of sbatch", "launch.setup"]),
    "what sbatch alone knows": ([TIME, "launch.lines=[--constraint=a100]"], ["sbatch:", "Invalid feature specification"]),
    "an option of another launcher": ([TIME, "launch.timee=3"], ["launch.timee", "did you mean 'time"]),
    "data that are not there": ([TIME, "data.source.path=away.csv"], ["away.csv"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_it_is_submitted(case: str, cluster: Cluster, folder: Path) -> None:
    settings, expected = REFUSED[case]
    told = refused(cluster, folder, settings)
    assert all(each in told for each in expected), told


def test_a_controller_that_does_not_requeue_by_exit_code_is_not_relied_on(cluster: Cluster, folder: Path) -> None:
    cluster.configure(RequeueExit="")
    told = refused(cluster, folder, [TIME, "launch.requeue=exit"])
    cluster.configure(RequeueExit="75")
    assert "RequeueExit is (null)" in told and "launch.requeue=scontrol" in told


def test_without_slurm_it_is_said_that_it_is_not_here(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    told = refused(cluster, folder, [TIME], PATH=str(tmp_path))
    assert "sbatch was not found on the PATH" in told and "launch=local runs on this machine" in told
    done = trainwright_command(*train_words("nowhere", "launch=slurm", TIME), folder=folder)
    assert done.returncode == 2
    assert "Slurm cannot be reached" in done.stderr and "scontrol ping" in done.stderr
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text(json.dumps({"format": 1, "status": "running", "name": "run", "job": "17"}))
    listed = trainwright_command("runs", "--slurm", ".", folder=tmp_path)
    assert listed.returncode == 1
    assert "17" in listed.stdout and "Slurm was not asked" in listed.stdout
    assert "Slurm cannot be reached" in listed.stderr


def test_the_doctor_tells_what_the_cluster_has(cluster: Cluster, tmp_path: Path) -> None:
    done = trainwright_command("doctor", "--cluster", "--json", folder=tmp_path, WORLD_SIZE="1", **cluster.variables)
    told = {each["name"]: each["value"] for each in json.loads(done.stdout)["findings"] if each["section"] == "cluster"}
    assert re.search(r"cluster tw\d+$", told["Slurm"])
    assert "4 CPUs, 3.91 GiB, 2 gpu" in told["partition main"] and "(default)" in told["partition main"]
    assert "up to 30 min" in told["partition short"]
    assert "a job that ends with 75 comes back" in told["requeue"]
    assert told["requeue delay"].startswith("about 6 s")
    assert told["arrays"].startswith("indices below 20")
    assert told["started by"] == "WORLD_SIZE=1"


def test_a_program_is_told_how_it_is_submitted(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be submitted") as told:
        tw.train(str(folder / "t.csv"), target="y", launch={"type": "slurm", "time": "1h"}, run_dir=folder / "program")
    assert "sbatch --wrap 'srun python my_script.py'" in told.value.fix
    assert not (folder / "program").exists()


def test_a_job_comes_back_after_a_signal_and_after_a_requeue_and_ends_as_the_unbroken_run(
    cluster: Cluster, folder: Path, whole: Path, broken_twice: Story
) -> None:
    run, job = folder / "broken", broken_twice.wait()
    found = cluster.wait_for(job, "COMPLETED", "FAILED", "CANCELLED")
    assert found["JobState"] == "COMPLETED", said(run)
    assert found["Restarts"] == "2"
    text = said(run)
    assert [f"start {number}" in text for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert "USR1: stopped and saved at step" in text
    assert f"job {job} was saved: scontrol requeue {job}" in text
    assert "TERM: stopped and saved at step" in text
    assert read_metrics(run) == read_metrics(whole)
    assert weights(run) == weights(whole)
    told = json.loads((run / "run.json").read_text())
    assert (told["status"], told["job"]) == ("finished", job)


def test_the_signal_before_the_limit_saves_the_run_and_the_job_goes_on(
    cluster: Cluster, folder: Path, whole: Path, near_its_limit: Story
) -> None:
    run = folder / "limit"
    found = cluster.wait_for(near_its_limit.wait(), "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
    assert found["JobState"] == "COMPLETED", said(run)
    assert found["Restarts"] == "1"
    assert "scontrol" not in (run / "slurm/job.sh").read_text()  # the controller does it by the exit code
    assert "USR1: stopped and saved at step" in said(run)
    assert "ends with code 75" in said(run)
    assert read_metrics(run) == read_metrics(whole)
    assert weights(run) == weights(whole)
