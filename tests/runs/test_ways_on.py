"""The fix that a message names for a run without an end is one that works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

import trainwright as tw
from trainwright.runs.ways_on import from_its_weights, to_its_end


def written(folder: Path, config: object) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return folder


@pytest.mark.parametrize("kind", ["weights", "none"])
def test_a_run_that_keeps_nothing_to_go_on_from_is_begun_again(kind: str, tmp_path: Path) -> None:
    run = written(tmp_path / "run", {"trainer": {"checkpoint": {"type": kind}}})
    assert to_its_end(run) == f"begin it again in another place: it cannot be continued (trainer.checkpoint: {kind})"


@pytest.mark.parametrize("config", [{"trainer": {"checkpoint": {"type": "full"}}}, {"trainer": {}}, [], "text"])
def test_any_other_run_is_continued(config: object, tmp_path: Path) -> None:
    assert to_its_end(written(tmp_path / "a run", config)) == f"continue it: trainwright resume '{tmp_path / 'a run'}'"
    assert to_its_end(tmp_path / "absent") == f"continue it: trainwright resume {tmp_path / 'absent'}"


def test_only_runs_whose_settings_take_weights_are_begun_from(tmp_path: Path) -> None:
    tw.fit(nn.Linear(2, 1), (torch.ones(4, 2), torch.ones(4, 1)), loss="mse", max_steps=1, run_dir=tmp_path / "fit", checkpoint="weights")
    assert f"tw.load_weights(model, {str(tmp_path / 'fit')!r})" in from_its_weights(tmp_path / "fit")
    evaluation = {"baselines": [], "report": False}
    tw.train("builtin:iris", run_dir=tmp_path / "table", trainer={"max_steps": 1, "checkpoint": "weights"}, evaluation=evaluation)
    assert from_its_weights(tmp_path / "table") == ""
