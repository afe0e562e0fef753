"""A run of data that were only in memory is measured again, and made of the data that were kept beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import trainwright as tw
from trainwright.api.evaluate import evaluate
from trainwright.config.errors import DataError, RunError

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
MLP = {"type": "mlp", "width": 8, "depth": 1, "condition_width": 8}
DIFFUSION = {"system": {"type": "diffusion", "steps": 2, "model": MLP}, "trainer": {"max_steps": 1, "batch_size": 8, "sampling": None}}
TABLE = {"targets": ["c"], "trainer": {"max_steps": 1}, "evaluation": {"baselines": [], "report": False}}


@pytest.mark.parametrize("config", [TABLE, DIFFUSION], ids=["table", "diffusion"])
def test_rows_that_were_kept_are_those_of_the_run(config: dict[str, Any], tmp_path: Path) -> None:
    tw.train(FRAME, config=config, run_dir=tmp_path / "run")
    saved = json.loads((tmp_path / "run/results.json").read_text())["metrics"]["validation"]
    found = evaluate(tmp_path / "run", split="validation")["metrics"]
    assert {name: pytest.approx(value) for name, value in next(iter(saved.values())).items()} == next(iter(found.values()))
    FRAME.assign(a=0.5).to_parquet(tmp_path / "run/data.parquet")
    with pytest.raises(RunError, match="the data have changed"):
        evaluate(tmp_path / "run", split="validation")


def test_a_folder_of_images_is_made_more_of(tmp_path: Path) -> None:
    """k-diffusion's class, as the data of a run."""
    (tmp_path / "album/below").mkdir(parents=True)
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "album" / ("below" if number % 2 else ".") / f"{number}.png")
    run = tw.train(tw.FolderOfImages(tmp_path / "album"), config=DIFFUSION, run_dir=tmp_path / "run")
    assert tuple(run.sample(2).shape) == (2, 3, 9, 9)
    assert evaluate(tmp_path / "run", split="validation")["rows"] == 2
    with pytest.raises(DataError, match="with a transform of its own"):
        tw.train(tw.FolderOfImages(tmp_path / "album", transform=lambda each: each), config=DIFFUSION, run_dir=tmp_path / "other")
