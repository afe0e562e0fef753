"""What a notebook shows of a run and of a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trainwright as tw
from trainwright.api.run import Run
from trainwright.runs.directory import RunDirectory


def a_run(folder: Path, results: str | None) -> Run:
    with RunDirectory.create(str(folder), "a <b> name") as run:
        run.status = "finished"
        if results is not None:
            (run.path / "results.json").write_text(results)
    return Run(RunDirectory.open(folder))


def test_a_mistake_is_where_what_why_and_fix_without_a_traceback():
    with pytest.raises(tw.TrainwrightError) as caught:
        tw.train(config={"data": {"source": "builtin:iris"}, "targts": ["species"]})
    shown = caught.value._render_traceback_()
    assert shown[0] == "error: config: unknown option 'targts'"
    assert shown[1].startswith("  fix: did you mean 'targets'?")
    assert not any("Traceback" in line or ".py" in line for line in shown)


def test_a_run_shows_its_metrics_by_split_and_links_to_its_report(tmp_path):
    metrics = {"validation": {"y": {"accuracy": 0.75}}, "test": {"y": {"accuracy": 0.5}, "z<": {"mse": 1.25}}}
    run = a_run(tmp_path / "r", json.dumps({"format": 1, "metrics": metrics}))
    (run.path / "report.html").write_text("")
    shown = run._repr_html_()
    assert "<th>validation</th><th>test</th>" in shown
    assert "<th>y accuracy</th><td>0.75</td><td>0.5</td>" in shown
    assert "<th>z&lt; mse</th><td></td><td>1.25</td>" in shown
    assert f'href="{run.path / "report.html"}"' in shown


def test_a_run_without_results_and_one_whose_results_are_damaged_are_shown_by_their_state(tmp_path):
    shown = a_run(tmp_path / "r", None)._repr_html_()
    assert "finished" in shown
    assert "<table>" not in shown
    assert "no report yet" in shown
    assert "finished; " in a_run(tmp_path / "s", "{")._repr_html_()
