"""The report's section on the model: the tree of layers and the picture, in both themes and at both widths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_report_in_browser import FAINT, UNREACHABLE
from torch import nn

from browser import Browser, find_chromium
from trainwright.api.inspect import inspect, write_model
from trainwright.report import page
from trainwright.report.blocks.base import Sheet
from trainwright.report.every_run.model import model
from trainwright.report.material import gather
from trainwright.runs.directory import RunDirectory

chromium = find_chromium()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.BatchNorm2d(8))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 12, enable_nested_tensor=False)
        self.head = nn.Linear(8, 5).requires_grad_(False)
        self.a_layer_with_a_rather_long_name_that_nobody_calls = nn.Linear(2, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = x + self.branch(x)
        return self.head(self.encoder(x.flatten(2).mT).mean(1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    made = RunDirectory.create(str(tmp_path_factory.mktemp("runs") / "r"), "r")
    write_model(made, inspect(Net(), torch.randn(2, 3, 4, 4)))
    made.close()
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium is None:
        pytest.skip("no Chromium on this machine (set CHROMIUM to its path)")
    tab = Browser(chromium)
    yield tab
    tab.close()


def test_the_section_has_the_layers_their_numbers_and_the_picture(run: RunDirectory) -> None:
    section = model(gather(run, {}))
    assert section is not None
    drawn = section.render(Sheet(run.path))
    assert "2×8×4×4" in drawn and "never called" in drawn and "frozen" in drawn
    assert "0 … 11 ×12" in drawn  # of twelve equal blocks one is listed, and one is drawn
    assert drawn.count("<svg") == 1 and drawn.count("TransformerEncoderLayer") <= 4
    assert "multiply-adds are for image 2×3×4×4" in drawn


def test_a_run_without_the_file_has_no_such_section(tmp_path: Path) -> None:
    other = RunDirectory.create(str(tmp_path / "r"), "r")
    other.close()
    assert model(gather(other, {})) is None
    (other.path / "model.json").write_text("{")
    told = model(gather(other, {}))
    assert told is not None and "model.json cannot be read" in told.render(Sheet(tmp_path))


def test_a_file_of_another_form_costs_only_its_part_of_the_page(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = RunDirectory.create(str(tmp_path / "r"), "r")
    other.close()
    (other.path / "model.json").write_text('{"format": 7}')
    monkeypatch.setattr(page, "COMMON", (model,))
    assert "This part (model) cannot be drawn: the format is 7, not 1." in page.render(other, {})


def test_what_is_kept_is_short_for_a_long_loop(tmp_path: Path) -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = torch.zeros(len(x), 3)
            for step in x.unbind(1):
                hidden = self.cell(step, hidden)
            return hidden

    made = RunDirectory.create(str(tmp_path / "r"), "r")
    path = write_model(made, inspect(Loop(), torch.randn(1, 500, 2)))
    made.close()
    assert path.stat().st_size < 5000


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_section_is_readable_in_a_browser(
    browser: Browser, run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, scheme: str
) -> None:
    monkeypatch.setattr(page, "COMMON", (model,))
    file = tmp_path / "report.html"
    file.write_text(page.render(run, {}), encoding="utf-8")
    complaints, requests = browser.open(file, width, 900, scheme)
    assert complaints == [] and requests == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate(UNREACHABLE) == []
    boxes = "[...document.querySelectorAll('.flow g')].map(g => [g.querySelector('rect').getBBox(), g.querySelector('text').getBBox()])"
    outside = f"{boxes}.filter(([box, text]) => text.width > 0 && (text.x < box.x || text.x + text.width > box.x + box.width)).length"
    assert browser.evaluate(outside) == 0
    smallest = "Math.min(...[...document.querySelectorAll('.flow text')].map(each => each.getBoundingClientRect().height))"
    assert browser.evaluate(smallest) >= 10
