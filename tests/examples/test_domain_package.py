"""The domain of `examples/sounds`, installed as a package of its own: everything it brings works by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from commands import command_process, trainwright_command
from trainwright.cli.main import main
from trainwright.systems.run_config import read_config

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ANALYSIS = "analysis.json"
Printed = pytest.CaptureFixture[str]


def command(folder: Path, installed: Path | None, *words: str, code: int = 0) -> str:
    """Run `trainwright` to its end as a process that begins anew, and give what it printed."""
    places = [str(each) for each in (installed, ROOT / "src") if each]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    program = [sys.executable, "-m", "trainwright", *words]
    done = subprocess.run(program, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def kill_when_saved(folder: Path, run: Path, *words: str) -> None:
    """Begin a training, and end it at its first checkpoint, as a machine does that fails."""
    said = folder / "said.txt"
    process = command_process(words, folder, dict(os.environ), [said, said])
    process.start()
    while not list(run.glob("checkpoints/step-*/manifest.json")):
        assert process.is_alive(), said.read_text()
        time.sleep(0.002)
    process.kill()
    process.join()
    assert not (run / "results.json").exists(), "it was finished before it was killed"


def test_it_makes_trains_resumes_predicts_and_reports(
    sounds_folder: Path, sounds_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(tmp_path)

    def tw(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code
        said = capsys.readouterr()
        return said.out + said.err

    assert tw("synth", "tones").startswith("120 files in tones")
    words = ["train", "tones", "columns.label.metrics=[accuracy, worst_recall]", "trainer.max_epochs=10", "evaluation.importance=false"]
    words += ["trainer.checkpoint={every: 2 steps, min_interval: 0 s}"]
    said = tw(*words, "trainer.loader.workers=0", "run.dir=run")
    assert "'tones' is read as wav_folder, of the domain sounds (trainwright-sounds 0.1): 120 WAV files in folders" in said
    assert "worst_recall" in said and "report: run/report.html" in said
    kill_when_saved(tmp_path, tmp_path / "killed", *words, "trainer.loader.workers=2", "run.dir=killed")
    command(tmp_path, sounds_folder, "resume", "killed")
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("run", "killed")]
    assert weights[0] == weights[1], "workers and a restart change nothing"
    assert "p.csv: 120 rows" in tw("predict", "run", "tones", "-o", "p.csv")
    accuracy = next(line for line in tw("evaluate", "run", "tones").splitlines() if "accuracy" in line)
    assert float(accuracy.split()[-1]) > 0.8, "a third of them would be right by chance"
    blocks = [each for each in json.loads((tmp_path / "run" / ANALYSIS).read_text())["blocks"] if each.get("section") == "Sounds"]
    peaks = {line["name"]: line["x"][int(np.argmax(line["y"]))] * 8000 for line in blocks[0]["lines"]}
    assert 100 < peaks["low"] < 350 < peaks["middle"] < 700 < peaks["high"] < 1100, "hertz"
    tw("export", "run", "--to", "npz", "-o", "taken")
    assert np.load(tmp_path / "taken" / "model.npz").files and not (tmp_path / "taken" / "model.safetensors").exists()
    assert "there is no format 'onx'" in tw("export", "run", "--to", "onx", code=2)
    assert '"const": "spectrum"' in tw("schema"), "editors know its parts"
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["domains"] == {"sounds": "trainwright-sounds 0.1"}
    assert "power of sound by label" in (tmp_path / "run" / "report.html").read_text()
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(sounds_folder)])
    unknown = trainwright_command("predict", "run", "tones", "-o", "q.csv").stderr
    assert "unknown" in unknown and "sound" in unknown and not (tmp_path / "q.csv").exists() and "Traceback" not in unknown


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data.type=wavfolder"], "did you mean 'wav_folder'?"),
        (["data.source.type=csv", "data.type=wav_folder"], "data.type is 'wav_folder', and data.source.type 'csv'"),
        (["data.type=builtin"], "'builtin' is at no path"),
        (["data.bands=3"], "'bands' is an option of encoder.spectrum (domain sounds)"),
        (["columns.sound.encoder={type: dense, bands: 3}"], "'bands' is an option of encoder.spectrum (domain sounds)"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_written(
    sounds_package: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Printed,
    settings: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["synth", "tones"]) == 0
    assert main(["train", "tones", "--dry-run", *settings]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_the_type_of_data_may_be_said_beside_them(sounds_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["synth", "tones"])
    for words in (["data.type=wav-folder"], ["data.source={type: wav_folder, path: tones}"], []):
        config = read_config({"data": {"source": "tones"}}, words)
        assert config.data.type == "columns" and config.data.source.type == "wav_folder" and config.data.source.path == "tones"
        assert config.system.columns["sound"].transform[0].decibels == 3, "what the domain sets"
    own = read_config({"data": {"source": "tones"}, "columns": {"sound": {"transform": []}}})
    assert own.system.columns["sound"].type == "sound" and own.system.columns["sound"].transform == [], "what is written goes on top"
    (tmp_path / "t.dat").write_text("a;b\n1;2\n")
    config = read_config({"data": {"source": "t.dat", "type": "csv"}, "targets": ["b"]})
    assert config.data.source.type == "csv" and config.data.source.delimiter == "auto"


def test_a_damaged_file_is_named(sounds_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.chdir(tmp_path)
    main(["synth", "tones"])
    whole = (tmp_path / "tones/low/3.wav").read_bytes()
    (tmp_path / "tones/low/3.wav").write_bytes(b"RIFF")
    assert main(["train", "tones", "--dry-run"]) == 2
    assert "tones/low/3.wav" in capsys.readouterr().err
    (tmp_path / "tones/low/3.wav").write_bytes(whole)
    assert main(["synth", "tones"]) == 2 and "there and not empty" in capsys.readouterr().err
    assert main(["synth", "tonse"]) == 2 and "did you mean 'tones'?" in capsys.readouterr().err
