"""A run that was asked to continue does, or says why it cannot: it never begins again over steps that are on record."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import fit, same, table, weights
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError, RunError

X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
DATA = (X, (X[:, 0] > 0).long())


def fitted(folder: Path, steps: int, resume: bool = False) -> Any:
    return tw.fit(nn.Linear(4, 2), DATA, max_steps=steps, batch_size=20, run_dir=folder, resume=resume, console=False)


def without(folder: Path, what: str) -> None:
    """Lose checkpoints in one of the ways that it happens."""
    checkpoints = folder / "checkpoints"
    if what == "folder":
        shutil.rmtree(checkpoints)
    for each in checkpoints.glob("*"):
        whole = each.name.startswith("step-")
        if each.is_dir() and not each.is_symlink() and (what == "content" or (what == "full" and whole)):
            shutil.rmtree(each)
        elif what == "damaged" and each.name.startswith("step-"):
            (each / "system.safetensors").write_bytes(b"")


@pytest.mark.parametrize("what", ["folder", "content", "damaged"])
def test_a_run_whose_checkpoints_are_gone_is_refused_and_left_as_it_was(what: str, tmp_path: Path) -> None:
    fitted(tmp_path / "run", 6)
    without(tmp_path / "run", what)
    kept = {name: (tmp_path / "run" / name).read_bytes() for name in ("metrics.csv", "config.yaml", "results.json")}
    with pytest.raises(RunError, match=r"no checkpoint|are gone") as error:
        fitted(tmp_path / "run", 12, resume=True)
    assert error.value.fix
    assert {name: (tmp_path / "run" / name).read_bytes() for name in kept} == kept
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_weights_alone_are_no_checkpoint_to_continue_from(tmp_path: Path) -> None:
    fit(tmp_path, checkpoint={"weights_every": "6 steps", "every": "6 steps"})
    without(tmp_path, "full")
    (tmp_path / "checkpoints.json").unlink()
    assert list((tmp_path / "checkpoints").glob("weights-*"))
    with pytest.raises(RunError, match="are gone") as error:
        fit(tmp_path, resume=True, max_epochs=6)
    assert f"weights: {tmp_path}" in error.value.fix and "tw.load_weights(" in error.value.fix


def test_a_run_that_ended_before_its_first_checkpoint_is_made_again_from_its_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Dies(tw.Callback):
        def on_train_batch_end(self, session: Any, *_: Any) -> None:
            if session.step == 10:
                raise OSError("power")

    rare = {"checkpoint": {"min_interval": "1 h", "on_exception": False}, "evaluate_every": "6 steps"}
    with pytest.raises(OSError, match="power"):
        fit(tmp_path / "a", callbacks=[Dies()], **rare)
    again, _ = fit(tmp_path / "a", resume=True, **rare)
    assert "ended before its first checkpoint; its 9 steps are made again" in caplog.text
    whole, _ = fit(tmp_path / "b", **rare)
    assert same(weights(again), weights(whole))
    assert table(tmp_path / "a") == table(tmp_path / "b")


def test_where_nothing_is_there_a_run_that_was_to_be_continued_begins_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("none", "empty"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            fitted(tmp_path / name, 2, resume=True)
        assert "nothing to continue yet; the run begins" in caplog.text


def test_the_newest_checkpoint_that_is_missing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitted(tmp_path / "run", 6)
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    fitted(tmp_path / "run", 9, resume=True)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-00000009")
    caplog.clear()
    fitted(tmp_path / "run", 12, resume=True)
    assert "a checkpoint of step 9 was written and cannot be used" in caplog.text
    fitted(tmp_path / "whole", 12, resume=True)
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_which_run_to_continue_has_to_be_said() -> None:
    with pytest.raises(ConfigError, match=r"(?s)neither True nor False.*run_dir='r/last', resume=True"):
        tw.fit(nn.Linear(2, 1), (torch.zeros(4, 2), torch.zeros(4, 1)), loss="mse", max_steps=1, resume="r/last")
    with pytest.raises(ConfigError, match="needs to know which run"):
        tw.fit(nn.Linear(4, 2), DATA, max_steps=2, resume=True, console=False)


@pytest.mark.parametrize("command", ["resume", "train"])
def test_the_command_line_refuses_the_same(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainwright.cli.main import main

    monkeypatch.chdir(tmp_path)
    quick = ["trainer.max_epochs=2", "evaluation.baselines=[]", "evaluation.report=false", "evaluation.importance=false"]
    asked = ["train", "builtin:iris", "run.dir=run", *quick]
    assert main(asked) == 0
    rows = (tmp_path / "run" / "metrics.csv").read_bytes()
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "run.json").write_text((tmp_path / "run" / "run.json").read_text().replace('"finished"', '"interrupted"'))
    again = ["resume", "run", "trainer.max_epochs=4"] if command == "resume" else [*asked, "--resume"]
    assert main(again) == 2
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == rows
    if command == "train":
        (tmp_path / "run" / "config.yaml").unlink()
        assert main(again) == 2
        assert (tmp_path / "run" / "metrics.csv").read_bytes() == rows


def test_a_record_that_a_kill_prevented_is_made_when_the_run_is_continued(tmp_path: Path) -> None:
    fitted(tmp_path / "run", 6)
    (tmp_path / "run" / "checkpoints.json").unlink()
    fitted(tmp_path / "run", 6, resume=True)
    assert json.loads((tmp_path / "run" / "checkpoints.json").read_text())["newest"] == 6
