"""Every name of a system that the engine knows is declared once, and a module that is no system is taken by those names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import config, rows
from torch import Tensor, nn
from torch.nn import functional

from trainwright.adapters.lightning.system import LightningSystem
from trainwright.adapters.returning_loss import ReturningLossSystem
from trainwright.config.errors import ConfigError
from trainwright.engine import adapted
from trainwright.engine.adapted import Adapted, as_system
from trainwright.engine.system import Loss, System
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem
from trainwright.systems.supervised import SupervisedSystem

ROOT = Path(__file__).parents[2]
DECLARED = {name for name in (*vars(System), *System.__annotations__) if not name.startswith("_")}


class Line(nn.Module):
    """A system of nobody's class."""

    mode = "min"

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.line = nn.Linear(5, 2)
        with torch.no_grad():
            self.line.weight.copy_(torch.randn(2, 5, generator=generator))
            self.line.bias.zero_()
        self.heard: list[str] = []
        self.title = nn.Identity()

    def training_step(self, batch: Any, context: Any) -> Loss:
        return Loss(functional.cross_entropy(self.line(batch["input"]), batch["target"], reduction="sum"), len(batch["target"]))

    def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        return {"loss": functional.cross_entropy(self.line(batch["input"]), batch["target"], reduction="none")}

    def on_fit_start(self, session: Any) -> None:
        self.heard.append(f"on_fit_start at {session.step}")

    def update_step(self, context: Any) -> None:
        self.heard.append("update_step")


class Derived(System):
    """The same, derived."""

    mode = "min"
    evaluation_step = Line.evaluation_step
    training_step = Line.training_step

    def __init__(self) -> None:
        super().__init__()
        self.line = Line().line


def test_the_page_has_every_name_and_no_other() -> None:
    page = (ROOT / "docs/systems.md").read_text(encoding="utf-8")
    table = page.partition("## Every name the engine knows")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)", cell)} == DECLARED


def test_the_engine_asks_a_system_for_nothing_by_getattr() -> None:
    asks = re.compile(r"\b(getattr|hasattr|vars)\((self\.|session\.|parts\.|session\.parts\.|monitor\.)?system\b")
    engine = [path for path in (ROOT / "src/trainwright/engine").rglob("*.py") if path.name != "system.py"]
    lines = [(path.name, line.strip()) for path in engine for line in path.read_text(encoding="utf-8").splitlines()]
    found = [(name, line) for name, line in lines if asks.search(line)]
    assert found == []


def test_all_systems_are_derived_from_the_declared_one() -> None:
    assert all(issubclass(each, System) for each in (PlainSystem, SupervisedSystem, LightningSystem, ReturningLossSystem, Adapted))
    assert set(adapted.TAKEN) <= DECLARED


def test_a_module_of_another_kind_trains_as_the_same_one_derived_and_keeps_its_names(tmp_path: Path) -> None:
    own, derived = Line(), Derived()
    trainer = Trainer(config(max_epochs=2), device="cpu", console=False)
    result = trainer.fit(own, rows(43), rows(20, seed=1), run=tmp_path / "own")
    trainer.fit(derived, rows(43), rows(20, seed=1), run=tmp_path / "derived")
    assert result.system is own
    assert own.state_dict().keys() == derived.state_dict().keys()
    assert all(torch.equal(tensor, derived.state_dict()[name]) for name, tensor in own.state_dict().items())
    assert own.heard[:2] == ["on_fit_start at 0", "update_step"]
    saved = next((tmp_path / "own/checkpoints").glob("step-*/manifest.json")).parent
    again = Trainer(config(max_epochs=3), device="cpu", console=False).fit(
        Line(), rows(43), rows(20, seed=1), run=tmp_path / "own", resume=True
    )
    assert saved.is_dir()
    assert again.steps == 18


def test_a_module_of_another_kind_answers_with_its_own_names() -> None:
    own = Line()
    system = as_system(own)
    assert as_system(system) is system
    assert (system.mode, system.monitor, system.shown_name, system.handed_back) == ("min", "loss", "Line", own)
    assert system.title is own.title  # type: ignore[attr-defined]
    assert [name for name, _ in system.named_parameters()] == ["line.weight", "line.bias"]
    with pytest.raises(AttributeError, match="no attribute 'titles'"):
        _ = system.titles  # type: ignore[attr-defined]


@pytest.mark.parametrize(("given", "why"), [(nn.Linear(2, 1), "it has no training_step"), ({"a": 1}, "it is no torch.nn.Module")])
def test_what_is_no_system_is_refused_in_words(given: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no system") as error:
        Trainer(config(), device="cpu", console=False).fit(given, rows(43), run=tmp_path / "run")
    assert error.value.why == why
    assert not (tmp_path / "run").exists()


def test_a_method_that_is_needed_and_not_written_is_named(tmp_path: Path) -> None:
    class Half(System):
        training_step = Line.training_step

        def __init__(self) -> None:
            super().__init__()
            self.line = Line().line

    with pytest.raises(ConfigError, match="Half has no evaluation_step") as error:
        Trainer(config(), device="cpu", console=False).fit(Half(), rows(43), rows(20), run=tmp_path)
    assert error.value.fix == "write def evaluation_step(self, batch, context)"
