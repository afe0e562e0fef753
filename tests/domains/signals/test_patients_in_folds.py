"""Folds and intervals of recordings keep patients together, where nobody says so too, and numbers say what each diagnosis has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainwright as tw
from trainwright.api.evaluate import evaluate
from trainwright.cli.main import main
from trainwright.config.errors import DataError
from trainwright.domains.signals.synth.ecg import write_ecg
from trainwright.domains.signals.synth.options import ECGOptions
from trainwright.domains.tables.prepared import PreparedTable
from trainwright.systems.run_config import read_config

QUICK = [
    "model.encoders.signal=small_resnet1d",
    "trainer.max_steps=2",
    "evaluation.baselines=[]",
    "evaluation.importance=false",
    "run.device=cpu",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ecg")
    write_ecg(made, 0, ECGOptions(patients=24))
    return made


def divided(prepared: PreparedTable) -> int:
    """Patients with records in several splits."""
    patients = np.array(prepared.data.source.read(columns=["patient"])["patient"].to_pylist())
    parts = [set(patients[rows]) for rows in prepared.data.split.parts().values()]
    return len(parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2])


def test_folds_that_are_made_keep_patients_together_unless_it_is_said_otherwise(folder: Path) -> None:
    split: dict[str, Any] = {"type": "kfold", "folds": 4, "fold": 3}
    assert divided(PreparedTable(read_config({"data": {"source": str(folder), "split": split}}))) == 0
    apart = PreparedTable(read_config({"data": {"source": str(folder), "split": {**split, "groups": None}}}))
    assert divided(apart) > 3
    told = f"{divided(apart)} of 24 values of 'patient' have rows in several splits, and a model is tested on what it has learnt of them"
    assert told in apart.data.notes


def test_intervals_are_drawn_by_patient_and_diagnoses_that_are_absent_are_named(folder: Path, tmp_path: Path, capsys: Any) -> None:
    by = ["evaluation.intervals={resamples: 200, level: 0.9}"]
    assert main(["train", str(folder), f"run.dir={tmp_path / 'run'}", *QUICK, *by]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    run = tw.load(tmp_path / "run")
    drawn, classes = run.results["resampling"]["test"]["labels"], run.results["classes"]["test"]["labels"]
    assert (drawn["by"], drawn["resamples"], drawn["level"]) == ("patient", 200, 0.9)
    truth = np.load(run.path / "outcomes" / "labels.npz")["truth"]
    names = run.model.encoder.features["labels"].vocabulary
    assert classes["absent"] == [name for name, there in zip(names, truth.any(axis=0), strict=True) if not there]
    assert {name: each["rows"] for name, each in classes["of"].items()} == dict(zip(names, truth.sum(axis=0).tolist(), strict=True))
    assert f"Intervals: 200 draws of {drawn['groups']} values of 'patient'" in said and "90 % interval" in said
    assert "200 draws of" in (run.path / "report.html").read_text()
    found = evaluate(run.path, split="test", settings=["evaluation.intervals.by=patient", "evaluation.intervals.resamples=200"])
    assert found["resampling"]["labels"]["groups"] == drawn["groups"]


def test_a_column_to_draw_by_that_is_none_is_refused_before_training(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'pateint'") as refused:
        tw.train(folder, run_dir=tmp_path / "run", evaluation={"intervals": {"by": "pateint"}})
    assert "did you mean 'patient'" in str(refused.value) and not (tmp_path / "run").exists()
