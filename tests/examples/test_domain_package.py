"""The domain of `examples/sounds`, installed as a package of its own: everything it brings works by the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CROP = "columns.sound={type: sound, transform: [{type: gain, decibels: 3}, {random_crop: 800}, {center_crop: 800}]}"
LABEL = "columns.label={type: category, metrics: [accuracy, worst_recall]}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of packages with the example in it, installed as people install packages."""
    made = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "examples/sounds", made / "source")  # an installer writes beside what it installs
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(made / "site"), str(made / "source")]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return made / "site"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label, pitch in {"low": 200, "middle": 500, "high": 900}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(40):
            times = np.arange(1000) / 8000
            samples = 0.3 * np.sin(2 * np.pi * (pitch + 50 * rng.normal()) * times) + 0.1 * rng.normal(size=1000)
            with wave.open(str(tmp_path / "data" / label / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return tmp_path


def begin(folder: Path, installed: Path | None, *words: str) -> subprocess.Popen[str]:
    """Start `trainwright` in a process."""
    places = [str(each) for each in (installed, ROOT / "src") if each]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    program = [sys.executable, "-m", "trainwright", *words]
    return subprocess.Popen(program, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def command(folder: Path, installed: Path | None, *words: str, code: int = 0) -> str:
    """Run `trainwright` to its end, and give what it printed."""
    process = begin(folder, installed, *words)
    said, _ = process.communicate()
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def kill_when_saved(process: subprocess.Popen[str], run: Path) -> None:
    """End a training at its first checkpoint, as a machine does that fails."""
    while not list(run.glob("checkpoints/step-*/manifest.json")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert not (run / "results.json").exists(), "it was finished before it was killed"


def test_it_trains_resumes_and_reports(installed: Path, folder: Path) -> None:
    words = ["train", "data.source.type=wav_folder", "data.source.path=data", CROP, LABEL, "trainer.max_epochs=6"]
    words += ["evaluation.importance=false", "trainer.checkpoint={every: 2 steps, min_interval: 0 s}"]
    said = command(folder, installed, *words, "trainer.loader.workers=0", "run.dir=run")
    assert "worst_recall" in said and "report: run/report.html" in said
    kill_when_saved(begin(folder, installed, *words, "trainer.loader.workers=2", "run.dir=killed"), folder / "killed")
    command(folder, installed, "resume", "killed")
    weights = [(folder / name / "model" / "model.safetensors").read_bytes() for name in ("run", "killed")]
    assert weights[0] == weights[1], "workers and a restart change nothing"


def test_without_the_package_its_names_are_unknown(folder: Path) -> None:
    said = command(folder, None, "train", "data.source.type=wav_folder", "data.source.path=data", code=2)
    assert "unknown source type 'wav_folder'" in said
