"""How long a run is away when its job is requeued, from its last step to its next, beside a job that does nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

TIMES = 3
STEPS = """
import os, time
import trainwright as tw

class Steps(tw.Callback):
    class Config(tw.ConfigModel):
        type: str = "steps"

    def __init__(self, config):
        self.start = os.environ.get("SLURM_RESTART_COUNT", "0")

    def on_train_batch_end(self, session, system, batch, index):
        with open("steps.txt", "a") as file:
            print(self.start, session.step, time.time(), file=file)
        time.sleep(0.05)
"""
IDLE = """#!/bin/bash
echo ${SLURM_RESTART_COUNT:-0} $(date +%s.%N)
if [ -z "$SLURM_RESTART_COUNT" ]; then scontrol requeue $SLURM_JOB_ID; exit 75; fi
"""


def main() -> None:
    """Print both, and their difference; nothing where no Slurm can be started."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parallel"))
    from slurm_cluster import running_cluster, what_is_missing

    if missing := what_is_missing():
        print(missing)
        return
    with running_cluster() as cluster, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        queue = [away_idle(cluster, folder, number) for number in range(TIMES)]
        runs = [away_run(cluster, folder, number) for number in range(TIMES)]
    shown = {"the queue alone": queue, "a run, from its last step to its next": runs}
    for what, seconds in shown.items():
        print(f"{what:<40}{median(seconds):6.1f} s   ({', '.join(f'{each:.1f}' for each in seconds)})")
    print(f"{'beyond the queue':<40}{median(runs) - median(queue):6.1f} s")


def write_data(folder: Path) -> None:
    """A table, and a callback that writes down when each step was made."""
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(400)]
    (folder / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (folder / "steps.py").write_text(STEPS)
    (folder / "idle.sh").write_text(IDLE)


def away_idle(cluster: Any, folder: Path, number: int) -> float:
    """Seconds from the end of a job that does nothing to its next start."""
    log = folder / f"idle-{number}.log"
    options = ["--parsable", "--requeue", "--open-mode=append", "--time=5", f"--output={log}"]
    job = cluster.ask("sbatch", *options, str(folder / "idle.sh")).strip()
    cluster.wait_for(job, "COMPLETED")
    moments = [float(line.split()[1]) for line in log.read_text().splitlines() if re.fullmatch(r"\d+ \d+\.\d+", line)]
    return moments[1] - moments[0]


def away_run(cluster: Any, folder: Path, number: int) -> float:
    """Seconds from the last step of a run before its job is requeued to the first after."""
    steps = folder / "steps.txt"
    steps.unlink(missing_ok=True)
    words = [sys.executable, "-m", "trainwright", "train", "t.csv", "--target", "y", f"run.dir=run-{number}", "trainer.max_epochs=2"]
    words += ["trainer.batch_size=4", "trainer.callbacks=[./steps.py:Steps]", "evaluation.baselines=[]", "evaluation.report=false"]
    words += ["evaluation.importance=false", "run.device=cpu", "launch=slurm", "launch.time=10min"]
    done = subprocess.run(words, cwd=folder, env={**os.environ, **cluster.variables}, capture_output=True, text=True, check=True)
    job = re.search(r"^job: +(\d+)", done.stdout, re.MULTILINE)
    assert job is not None, done.stdout
    while not steps.exists() or len(steps.read_text().splitlines()) < 20:
        time.sleep(0.05)
    cluster.ask("scancel", "-s", "USR1", job[1])
    cluster.wait_for(job[1], "COMPLETED")
    made = [line.split() for line in steps.read_text().splitlines()]
    last = max(float(moment) for start, _, moment in made if start == "0")
    return min(float(moment) for start, _, moment in made if start == "1") - last
