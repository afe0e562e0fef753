"""What rows are to a calibration: windows are joined first, weights count, and several processes fit what one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_tables import QUICK, write_csv

import trainwright as tw
from trainwright.calibration import fit_temperature, search_threshold
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.domains.tables.calibration import labelled_rows
from trainwright.domains.tables.finish import split_rows
from trainwright.domains.tables.prepared import PreparedTable
from trainwright.systems.run_config import read_config


def signals(folder: Path, rows: int = 120) -> Path:
    """Rows of 10 to 79 samples of noise round their class."""
    rng = np.random.default_rng(1)
    lines = ["signal,y"]
    for row in range(rows):
        np.save(folder / f"{row}.npy", (rng.normal(size=10 + 7 * row % 70) + 0.7 * (row % 2)).astype(np.float32))
        lines.append(f"{row}.npy,{'yes' if row % 2 else 'no'}")
    (folder / "t.csv").write_text("\n".join([*lines, ""]))
    return folder / "t.csv"


def of_windows(table: Path, *methods: Any) -> dict[str, Any]:
    return {
        "targets": ["y"],
        "columns": {"signal": {"type": "file"}},
        "data": {"source": str(table), "window": {"length": 16}},
        "model": QUICK["model"],
        "trainer": {"max_epochs": 2, "batch_size": 16, "evaluation_batch_size": 7, "trackers": ["csv"]},
        "evaluation": {"baselines": [], "report": False, "importance": False, "calibration": list(methods)},
    }


def test_windows_are_joined_before_thresholds_and_sets_and_have_no_logits_to_scale(tmp_path: Path) -> None:
    table = signals(tmp_path)
    methods = ["thresholds", {"type": "conformal", "alpha": 0.2}]
    run = tw.train(config=of_windows(table, *methods), run_dir=tmp_path / "run")
    rows = labelled_rows(run.model.system, split_rows(PreparedTable(read_config(run.directory.config)).data, "validation"), 5)["y"]
    assert rows.logits is None and len(rows.truth) == run.results["calibration"]["y"]["rows"] == 18
    assert run.model.thresholds["y"] == search_threshold(rows.truth == 1, rows.scores[:, 1]).threshold
    found = run.predict(str(table))
    inside = (
        1 - np.stack([found["y_probability_no"], found["y_probability_yes"]], 1).astype(np.float64)
        <= run.model.calibrated["y"].conformal.quantile
    )
    assert found["y_set"].to_pylist() == [[name for name, there in zip(("no", "yes"), each, strict=True) if there] for each in inside]
    with pytest.raises((ConfigError, ManyErrors), match="no logits of rows to scale"):
        tw.train(config=of_windows(table, "temperature"), run_dir=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    with pytest.raises(ConfigError, match="no logits of rows to scale"):
        tw.calibrate(run.path, methods=["vector"], settings=[f"run.dir={tmp_path / 'refused'}"])


def weighed_rows(count: int = 300) -> dict[str, Any]:
    random = np.random.default_rng(2)
    a = random.normal(size=count)
    return {"a": a, "y": np.where(a + random.logistic(size=count) > 0, "yes", "no"), "w": random.integers(1, 9, count)}


def options(**more: Any) -> dict[str, Any]:
    return {**QUICK, "trainer": {**QUICK["trainer"], "progress": "none"}, **more}


def test_scalings_and_thresholds_count_rows_by_their_weights(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", weighed_rows())
    evaluation = {**QUICK["evaluation"], "calibration": ["temperature", "thresholds"]}
    run = tw.train(table, target="y", run_dir=tmp_path / "run", **options(data={"weights": "w"}, evaluation=evaluation))
    rows = labelled_rows(run.model.system, split_rows(PreparedTable(read_config(run.directory.config)).data, "validation"), 64)["y"]
    assert rows.weights is not None and len(set(rows.weights.tolist())) > 2
    fitted = run.model.calibrated["y"]
    assert fitted.scaling is not None
    assert fitted.scaling.temperature == pytest.approx(
        fit_temperature(rows.logits, rows.truth, weights=rows.weights).temperature, rel=1e-12
    )
    assert fitted.scaling.temperature != pytest.approx(fit_temperature(rows.logits, rows.truth).temperature, rel=1e-3)
    scaled = rows.scaled(fitted.scaling).scores[:, 1]
    assert fitted.threshold == search_threshold(rows.truth == 1, scaled, weights=rows.weights).threshold
    told = run.results["calibration"]["y"]
    assert told["validation"]["after"]["nll"] == pytest.approx(run.metrics["validation"]["y"]["log_loss"], rel=1e-6)


@pytest.mark.slow
def test_two_processes_fit_what_one_fits(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", weighed_rows())
    evaluation = {**QUICK["evaluation"], "calibration": ["temperature", {"type": "conformal", "alpha": 0.2}]}
    asked = options(evaluation=evaluation)
    made = {}
    for devices in (1, 2):
        place = tmp_path / f"ranks-{devices}"
        tw.train(table, target="y", ignore=["w"], run_dir=place, devices=devices, **asked)
        made[devices] = json.loads((place / "results.json").read_text())["calibration"]["y"]
    one, two = made[1], made[2]
    assert two["rows"] == one["rows"]
    assert two["scaling"]["scale"] == pytest.approx(one["scaling"]["scale"], rel=1e-4)
    assert two["conformal"]["quantile"] == pytest.approx(one["conformal"]["quantile"], rel=1e-4)


HALVED = '''
import numpy as np
from trainwright.calibration import Scaling

class Scaled:
    """Logits times a factor."""
    def __init__(self, factor: float = 0.5):
        self.factor = factor

    def fit(self, rows):
        return Scaling("scaled", np.array([self.factor]), np.zeros(1), 0.0, 0.0, len(rows.truth))

class Nothing:
    def fit(self, rows):
        return 3
'''


def test_a_method_of_ones_own_is_named_by_its_path_and_gives_one_of_the_same(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", weighed_rows())
    (tmp_path / "mine.py").write_text(HALVED)
    run = tw.train(table, target="y", ignore=["w"], run_dir=tmp_path / "run", **options())
    method = {"type": f"{tmp_path}/mine.py:Scaled", "factor": 0.25, "targets": ["y"]}
    made = tw.calibrate(run.path, methods=[method], settings=[f"run.dir={tmp_path / 'mine'}"])
    before, after = (np.array(each.predict(str(table))["y_probability_yes"].to_pylist(), np.float64) for each in (run, made))
    assert np.log(after / (1 - after)) == pytest.approx(0.25 * np.log(before / (1 - before)), abs=1e-5)
    with pytest.raises(ConfigError, match="gives what is no fit: int"):
        tw.calibrate(run.path, methods=[f"{tmp_path}/mine.py:Nothing"], settings=[f"run.dir={tmp_path / 'none'}"])
    assert not (tmp_path / "none").exists()
