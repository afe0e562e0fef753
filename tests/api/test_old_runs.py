"""A run of a version before is continued, measured and forked: its config.yaml has the keys of that version."""

from __future__ import annotations

import random
from pathlib import Path

import trainwright as tw
from trainwright.api.fork import fork
from trainwright.api.predictors.kinds import load_predictor
from trainwright.api.resume import resume
from trainwright.config.reading import read_yaml
from trainwright.runs.directory import RunDirectory

OLD = Path(__file__).parent / "config_of_an_old_run.yaml"
"""As the version before `Config` was one for tables and systems wrote it."""


def test_a_run_with_the_configuration_of_a_version_before_is_continued_measured_and_forked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draws = random.Random(0)
    rows = [(draws.random(), draws.random()) for _ in range(120)]
    lines = ["a,b,y", *(f"{a:.3f},{b:.3f},{'yes' if a + b > 1 else 'no'}" for a, b in rows)]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    evaluation = {"baselines": [], "importance": False}
    made = tw.train("t.csv", target="y", run_dir="old", trainer={"max_epochs": 3}, evaluation=evaluation)
    written = read_yaml(Path("old/config.yaml")).plain()
    old = read_yaml(OLD).plain()
    assert [name for name in written if name != "launch"] == list(old)  # a section that there is since
    Path("old/config.yaml").write_text(OLD.read_text())
    before = made.metrics
    assert resume("old").metrics == before
    model = load_predictor("old")
    assert model.measure(model.own_rows("test"), "test")["rows"] == 18
    child = fork("old", ["trainer.max_epochs=4", "evaluation.report=false", "columns.a.missing=auto"])
    assert RunDirectory.open(child.path).info["parent"]
    assert tw.load("old").predict("t.csv").shape[0] == 120
