"""A table whose long rows are cut into windows, from training to predictions: everything that is reported is of rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import trainwright as tw
from trainwright.config.errors import RequestError
from trainwright.domains.tables.analysis.of_rows import DecodedRows
from trainwright.features.encoding import EncodedTable

ROWS, LENGTH = 80, 16


def written(folder: Path) -> Path:
    """Rows of 10 to 79 samples of noise round their class, with a number that says a little of it too."""
    rng = np.random.default_rng(1)
    lines = ["signal,a,y"]
    for row in range(ROWS):
        y = row % 2
        np.save(folder / f"{row}.npy", (rng.normal(size=10 + 7 * row % 70) + 0.7 * y).astype(np.float32))
        lines.append(f"{row}.npy,{rng.normal() + y:.3f},{'yes' if y else 'no'}")
    (folder / "t.csv").write_text("\n".join([*lines, ""]))
    return folder / "t.csv"


def config(table: Path, **data: Any) -> dict[str, Any]:
    return {
        "targets": ["y"],
        "columns": {"signal": {"type": "file"}},
        "data": {"source": str(table), "window": {"length": LENGTH}, **data},
        "model": {"combiner": {"type": "concat", "depth": 1, "width": 8}},
        "trainer": {"max_epochs": 2, "batch_size": 16, "evaluation_batch_size": 7, "trackers": ["csv"]},
        "evaluation": {"baselines": [], "report": False},
        "run": {"device": "cpu"},
    }


def test_metrics_predictions_and_importance_are_of_rows(tmp_path: Path) -> None:
    table = written(tmp_path)
    run = tw.train(config=config(table, sampling={"by": "class"}), run_dir=tmp_path / "run")
    windows = sum(max(1, -(-(10 + 7 * row % 70) // LENGTH)) for row in range(ROWS))
    told = json.loads((tmp_path / "run" / "data.json").read_text())
    assert f"80 rows are cut into {windows:,} windows of 16 every 16" in told["notes"][-1]
    split = pq.read_table(tmp_path / "run" / "splits.parquet").to_pandas()
    assert len(split) == ROWS
    found = run.predict(str(table)).to_pydict()["y_prediction"]
    truth = ["yes" if row % 2 else "no" for row in range(ROWS)]
    test = split[split.split == "test"].row.tolist()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["metrics"]["test"]["y"]["accuracy"] == pytest.approx(np.mean([found[row] == truth[row] for row in test]))
    assert run.evaluate(str(table))["y"]["accuracy"] == pytest.approx(np.mean(np.array(found) == truth))
    validation = len(split[split.split == "validation"])
    with (tmp_path / "run" / "metrics.csv").open() as file:
        logged = [float(row["validation/y.accuracy"]) for row in csv.DictReader(file) if row["validation/y.accuracy"]]
    assert all((each * validation) % 1 == pytest.approx(0, abs=1e-6) for each in logged)
    importance = json.loads((tmp_path / "run" / "analysis.json").read_text())
    assert '"signal"' not in json.dumps(importance.get("importance", {})) and (tmp_path / "run" / "outcomes" / "y.npz").exists()
    assert len(np.load(tmp_path / "run" / "outcomes" / "y.npz")["rows"]) == len(test)
    decoded_rows_answer_as_the_model_does(tmp_path / "run", table, truth)


def decoded_rows_answer_as_the_model_does(run: Path, table: Path, truth: list[str]) -> None:
    """What importance predicts from rows that were decoded once, in any order and as many as fit, is what the model predicts."""
    predictor = tw.load(run).predictor
    model = predictor.model
    steps = predictor.postprocess(predictor.forward(predictor.preprocess(str(table)))).to_pydict()
    assert steps["y_prediction"] == tw.load(run).predict(str(table)).to_pydict()["y_prediction"]
    encoded = model.encoder.encode(model.encoder.read(str(table)), targets=False)
    expected = np.array(tw.load(run).predict(str(table)).to_pydict()["y_probability_yes"])
    order = np.random.default_rng(0).permutation(ROWS)
    for limit, fewest, most in ((1 << 30, ROWS, ROWS), (3_000, 1, ROWS - 1)):
        decoded = DecodedRows(model, encoded, np.arange(ROWS), order, limit)
        assert fewest <= len(decoded.chosen) <= most and decoded.chosen.tolist() == order[: len(decoded.chosen)].tolist()
        blocks = {key: block[decoded.chosen] for key, block in encoded.blocks.items()}
        np.testing.assert_allclose(decoded.scores(blocks)["y"][:, 1], expected[decoded.chosen], rtol=1e-5)
    assert isinstance(encoded, EncodedTable) and len(truth) == ROWS


def test_a_table_of_one_column_of_files_is_explained_without_it(tmp_path: Path) -> None:
    run = tw.train(config={**config(written(tmp_path)), "ignore": ["a"]}, run_dir=tmp_path / "run")
    assert run.predict(str(tmp_path / "t.csv")).num_rows == ROWS
    assert json.loads((tmp_path / "run" / "analysis.json").read_text())


def test_windows_without_a_column_of_files_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *(f"{row / 7:.2f},{row % 2}" for row in range(40)), ""]))
    with pytest.raises(RequestError, match="no column of files to cut"):
        tw.train(config={**config(tmp_path / "t.csv"), "columns": {}}, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
