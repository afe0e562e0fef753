"""The configurations that lie in configs/signals train on made recordings as they are, and on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trainwright as tw
from trainwright.domains.signals.synth.beats import write_beats
from trainwright.domains.signals.synth.ecg import write_ecg
from trainwright.domains.signals.synth.options import BeatOptions, ECGOptions, SoundOptions
from trainwright.domains.signals.synth.sounds import write_sounds

CONFIGS = Path(__file__).parents[3] / "configs" / "signals"
SHORT = {"evaluation": {"report": False, "intervals": False, "importance": False}}


def train(name: str, folder: Path, run: Path, epochs: int, **source: str) -> dict[str, Any]:
    """The results of a configuration after a few epochs."""
    data = {"path": str(folder), **({"source": source} if source else {})}
    return tw.train(config=CONFIGS / f"{name}.yaml", run_dir=run, data=data, trainer={"max_epochs": epochs}, **SHORT).results


def test_several_diagnoses_with_a_threshold_each(tmp_path: Path) -> None:
    """Records of patients, with thresholds of the labels that are frequent enough."""
    (tmp_path / "ecg").mkdir()
    write_ecg(tmp_path / "ecg", 0, ECGOptions(patients=60, seconds=8, rate=100))
    found = train("ecg_multilabel", tmp_path / "ecg", tmp_path / "run", 4)
    assert len(found["calibration"]["labels"]["thresholds"]) >= 2
    assert found["metrics"]["test"]["labels"]["roc_auc"] > 0


def test_beats_of_records(tmp_path: Path) -> None:
    """Windows round beats, beside the rule of intervals, which the network is not given."""
    (tmp_path / "beats").mkdir()
    write_beats(tmp_path / "beats", 0, BeatOptions(records=3, minutes=1))
    found = train("ecg_beats", tmp_path / "beats", tmp_path / "run", 2)
    assert found["baselines"]["linear of rr_ratio"]["test"]["beat"]["roc_auc"] > 0.99
    assert found["metrics"]["test"]["beat"]["log_loss"] < 1


@pytest.mark.parametrize("name", ["audio_events", "spoken_digits"])
def test_sounds(tmp_path: Path, name: str) -> None:
    """Sounds by folder, and by the names of files."""
    (tmp_path / "sounds").mkdir()
    flat = name == "spoken_digits"
    write_sounds(tmp_path / "sounds", 0, SoundOptions(speakers=2, takes=20, flat=flat))
    source = {"pattern": r"(?P<digit>[a-z]+)_(?P<speaker>\w+)_(?P<take>\d+)"} if flat else {}  # words are its classes here
    found = train(name, tmp_path / "sounds", tmp_path / "run", 8, **source)
    assert next(iter(found["metrics"]["test"].values()))["accuracy"] > 0.3
