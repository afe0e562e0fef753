"""The report of a system of one's own: what was trained, its number, its pictures, and the commands that use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trainwright.api.report import write_report
from trainwright.runs.directory import RunDirectory

CONFIG = "system: {type: './my.py:MySystem'}\nrun: {name: mine}\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(str(tmp_path / "run"), "mine")
    with made:
        made.config.write_text(CONFIG)
        made.command.write_text("trainwright train cfg.yaml\n")
        metrics = {"test": {"target": {"accuracy": 0.75}, "loss": 0.5}}
        made.write_json("results.json", {"format": 1, "metrics": metrics, "best": {"step": 7, "metric": "loss", "value": 0.5}})
        made.update(status="finished", headline={"target": "", "metric": "loss", "value": 0.5, "split": "test"})
    return made


def drawn(run: RunDirectory) -> str:
    return write_report(run.path).read_text(encoding="utf-8")


def test_it_says_what_was_trained_and_how_well(run: RunDirectory) -> None:
    page = drawn(run)
    assert "<h1><bdi>Training </bdi><code><bdi>MySystem<" in page
    assert "0.500" in page
    assert "The weights of step 7 were kept, by loss." in page
    assert "No baseline" not in page
    assert "data.json" not in page
    assert "analysis.json" not in page


def test_its_commands_are_those_of_a_system(run: RunDirectory) -> None:
    page = drawn(run)
    assert f"trainwright test {run.path}" in page
    assert "new.csv" not in page


def test_the_newest_picture_of_each_name_is_shown_and_the_rest_counted(run: RunDirectory) -> None:
    media = run.path / "media"
    media.mkdir()
    for step in (1, 2, 3):
        Image.new("RGB", (4, 4), (step, 0, 0)).save(media / f"view-{step:03d}.png")
    Image.effect_noise((1500, 1500), 90).save(media / "large.png")
    page = drawn(run)
    assert "view-003.png" in page
    assert "view-001.png" not in page
    assert page.count("data:image/png;base64,") == 1
    assert "large.png" in page and "(too large to be shown here)" in page
    assert "2 more are in" in page
