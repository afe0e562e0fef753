"""Numbers about recordings: of arrays, and as columns beside the recordings of a source."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError
from trainwright.config.registry import build, options_class
from trainwright.domains.signals.physiology.hrv import hrv_time
from trainwright.domains.signals.physiology.measures import MEASURES, USUAL, measure
from trainwright.domains.signals.physiology.rpeaks import rpeaks
from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.sources import measured
from trainwright.domains.signals.sources.options import Measure
from trainwright.domains.signals.synth.beats import make_beats
from trainwright.domains.signals.synth.ecg import write_ecg
from trainwright.domains.signals.synth.options import BeatOptions, ECGOptions

RATE = 250


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    """`(2, time)`, half a minute of beats at 250 Hz."""
    return make_beats(np.random.default_rng(1), BeatOptions(minutes=0.5, rate=RATE))[0]


@pytest.fixture
def records(tmp_path: Path, made: np.ndarray) -> Path:
    """Two records with beats, one that is flat, one of noise, and one that says no rate."""
    folder = tmp_path / "records"
    rng = np.random.default_rng(0)
    for name, values in {"a": made, "b": made[:, ::-1], "flat": np.zeros((2, 5000)), "noise": rng.normal(size=(2, 5000))}.items():
        write_record(folder, name, values, RATE, ["II", "V1"], comments=["Age: 50", "Dx: 426783006"])
    return folder


def source_of(folder: Path, **options: Any) -> Any:
    given = options_class("source", "wfdb").model_validate({"type": "wfdb", "path": str(folder), **options})
    return build("source", given, memory_limit=1 << 30)


def test_every_measure_can_be_named_in_a_configuration() -> None:
    assert get_args(Measure) == tuple(MEASURES)


def test_numbers_of_beats_are_those_of_the_functions_for_beats(made: np.ndarray) -> None:
    found = measure(made, RATE, ["II", "V1"])
    beats = rpeaks(made, RATE)
    time = hrv_time(beats, RATE)
    assert found["hrv_RMSSD"] == time["RMSSD"] and found["rhythm_beats"] == len(beats) > 25
    assert found["rhythm_rr_mean"] == pytest.approx(time["MeanNN"]) and found["rhythm_rr_sd"] == pytest.approx(time["SDNN"])
    assert found["rhythm_rr_min"] == time["MinNN"] and found["rhythm_heart_rate"] == pytest.approx(60_000 / time["MedianNN"])
    assert found["rhythm_early_share"] > 0 > found["rhythm_rr_ratio_min"] - 0.8
    assert found["quality_gap_share"] == found["quality_flat_leads"] == 0 < found["quality_qrs_share"] < 1
    assert {name.split("_")[0] for name in found} == set(USUAL)


def test_names_are_the_same_whatever_is_found() -> None:
    empty = measure(np.empty((1, 0)), 1000.0, None, list(MEASURES))
    rich = measure(np.tile(np.sin(np.arange(4000) / 300), (2, 1)), 1000.0, ["II", "RESP"], ["rhythm", "hrv", "entropy", "quality", "rsp"])
    assert set(rich) <= set(empty)
    assert all(math.isnan(each) for name, each in rich.items() if name.startswith(("rhythm", "hrv")))


def test_channels_that_are_no_ecg_give_no_beats(made: np.ndarray) -> None:
    pulse = np.sin(2 * np.pi * 0.3 * np.arange(made.shape[1]) / RATE)
    with_pulse = np.vstack([made, 100 * pulse])
    found = measure(with_pulse, RATE, ["II", "V1", "ABP"], ["rhythm"])
    assert found == measure(made, RATE, ["II", "V1"], ["rhythm"])


def test_a_pulse_or_breath_is_measured_in_the_channel_that_is_called_so(made: np.ndarray) -> None:
    breath = np.sin(2 * np.pi * 0.25 * np.arange(made.shape[1]) / RATE)
    both = np.vstack([made, breath])
    assert measure(both, RATE, ["II", "V1", "RESP"], ["rsp"])["rsp_breathing_rate"] == pytest.approx(15, abs=0.5)
    with pytest.raises(ConfigError, match="no channel is called resp"):
        measure(made, RATE, ["II", "V1"], ["rsp"])


def test_a_source_has_them_as_columns_and_counts_what_has_no_beats(records: Path) -> None:
    source = source_of(records, measures=["rhythm", "quality"])
    table = source.read()
    rates = dict(zip(table["record"].to_pylist(), table["rhythm_heart_rate"].to_pylist(), strict=True))
    assert rates["flat"] is None and rates["noise"] is None and 40 < rates["a"] < 120
    assert source.declared_columns["rhythm_heart_rate"] == {"type": "number"}
    assert any("in 2 of 4 recordings too few beats are found" in each for each in source.notes)
    assert table["quality_flat_leads"].to_pylist() == [0.0, 0.0, 1.0, 0.0]


def test_without_measures_nothing_is_added(records: Path) -> None:
    assert source_of(records).schema.names == ["record", "signal", "age", "rate", "seconds", "labels"]


def test_what_one_measure_cannot_do_takes_nothing_from_the_others(records: Path) -> None:
    source = source_of(records, measures=["rhythm", "rsp"])
    assert source.read(columns=["rhythm_heart_rate"])["rhythm_heart_rate"].null_count == 2
    assert source.read(columns=["rsp_breathing_rate"])["rsp_breathing_rate"].null_count == 4
    assert any("4 recordings are not measured: rsp: no channel is called resp" in each for each in source.notes)
    assert "rsp_breathing_rate" not in source.declared_columns  # nothing says of what type a column without values is


def test_they_are_computed_once_and_again_when_a_file_changes(records: Path, made: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    real = measured.compute_measures
    monkeypatch.setattr(measured, "compute_measures", lambda names, *more: asked.append(len(names)) or real(names, *more))
    first = source_of(records, measures=["rhythm"]).read()
    assert source_of(records, measures=["rhythm"]).read().equals(first) and asked == [4]
    write_record(records, "flat", 2 * made, RATE, ["II", "V1"], comments=["Age: 50", "Dx: 426783006"])
    assert source_of(records, measures=["rhythm"]).read()["rhythm_beats"].null_count == 1 and asked == [4, 4]


def test_processes_find_what_one_finds(records: Path) -> None:
    references = [str(records / each) for each in ("a", "flat", "b")]
    alone = list(measured.measure_each(references, ["rhythm", "entropy"], False))
    together = measured._in_processes(references, ["rhythm", "entropy"], False, 2)
    assert json.dumps(alone) == json.dumps(together)


def test_a_name_that_is_taken_is_refused(tmp_path: Path, records: Path) -> None:
    (tmp_path / "table.csv").write_text("file,rhythm_beats\nrecords/a,3\nrecords/b,4\n")
    given = {"type": "recordings_table", "path": str(tmp_path / "table.csv"), "measures": ["rhythm"]}
    with pytest.raises(DataError, match="a measure is called 'rhythm_beats'"):
        build("source", options_class("source", "recordings_table").model_validate(given), memory_limit=1 << 30)


def test_mistakes_are_named(made: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="no measure 'rythm'"):
        measure(made, RATE, None, ["rythm"])
    with pytest.raises(DataError, match="2 channels and 1 names"):
        measure(made, RATE, ["II"])
    with pytest.raises(DataError, match="shape"):
        measure(made[None], RATE)
    with pytest.raises(ConfigError, match="no QRS"):
        measure(made, 0.0)


def test_a_model_of_measures_answers_new_records_that_bring_none(tmp_path: Path) -> None:
    for name, seed, patients in (("ecg", 0, 24), ("new", 5, 2)):
        (tmp_path / name).mkdir()
        write_ecg(tmp_path / name, seed, ECGOptions(patients=patients, rate=100))
    tw.train(
        data={"source": {"type": "wfdb", "path": str(tmp_path / "ecg"), "measures": ["rhythm"]}},
        columns={"signal": {"type": "ignore"}},
        trainer={"max_epochs": 1},
        evaluation={"baselines": ["linear"], "report": False},
        run_dir=str(tmp_path / "run"),
    )
    answers = tw.load(tmp_path / "run").predict(str(tmp_path / "new"))
    assert len(answers) == len(source_of(tmp_path / "new"))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "linear" in json.dumps(results) and "rhythm_heart_rate" in (tmp_path / "run" / "data.json").read_text()
