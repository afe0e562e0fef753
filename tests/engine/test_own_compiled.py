"""A model that its author compiled: its names are those of the plain network, and it runs compiled all the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import trainwright as tw
from trainwright.nn.compiled import without_wrappers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = torch.linspace(-1, 1, 96).reshape(24, 4)
DATA = (X, (X.sum(1) > 0).long())
ASKED: dict[str, Any] = {"loss": "cross_entropy", "batch_size": 8, "console": False, "evaluation": {"report": False}}


class Counting:
    """A backend that runs what it is given as it is, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: Any) -> Any:
        def run(*args: Any) -> Any:
            self.calls += 1
            return graph.forward(*args)

        return run


class Two(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = wrap(nn.Sequential(nn.Linear(4, 6), nn.Tanh()))
        self.heads = nn.ModuleList([wrap(nn.Linear(6, 2))])

    def forward(self, x: Tensor) -> Tensor:
        return self.heads[0](self.body(x))


class Built(tw.System):
    """A system that compiles what it builds."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.wrap = wrap

    def build(self, data: Any) -> None:
        self.net = self.wrap(Two(lambda each: each))

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch["input"]), batch["target"])


NAMES = ["body.0.bias", "body.0.weight", "heads.0.bias", "heads.0.weight"]


def saved(place: Path) -> list[str]:
    return [name.partition(".")[2] for name in sorted(load_file(place / "checkpoints/last/system.safetensors"))]


def test_a_compiled_model_and_compiled_parts_keep_plain_names_and_a_run_goes_on_with_or_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Counting()

    def compiled(module: nn.Module) -> Any:
        return torch.compile(module, backend=backend)

    plain = Two(lambda each: each)
    tw.fit(plain, DATA, max_steps=6, run_dir=tmp_path / "plain", **ASKED)
    made: list[tuple[Any, Any]] = [(compiled(Two(compiled)), compiled(Two(compiled))), (Two(compiled), Two(lambda each: each))]
    for number, (first, second) in enumerate(made):
        place, backend.calls = tmp_path / str(number), 0
        tw.fit(first, DATA, max_steps=3, run_dir=place, **ASKED)
        assert backend.calls >= 3 and saved(place) == NAMES
        assert sorted(load_file(place / "model/model.safetensors")) == NAMES
        with caplog.at_level(logging.WARNING):
            fitted = tw.fit(second, DATA, max_steps=6, run_dir=place, resume=True, **ASKED)
        assert "built otherwise" not in caplog.text
        for name, value in fitted.system.state_dict().items():
            torch.testing.assert_close(value, plain.state_dict()[name])
    back = tw.fit(Two(compiled), DATA, max_steps=9, run_dir=tmp_path / "plain", resume=True, **ASKED)
    assert list(back.system.state_dict()) == list(plain.state_dict())


def test_what_a_system_compiles_while_it_is_built_has_plain_names_too(tmp_path: Path) -> None:
    backend = Counting()
    tw.fit(Built(lambda each: torch.compile(each, backend=backend)), DATA, max_steps=2, run_dir=tmp_path, **{**ASKED, "loss": None})
    assert saved(tmp_path) == NAMES and backend.calls >= 2


def test_hooks_on_the_wrapper_stay_and_a_plain_model_is_left_alone() -> None:
    seen: list[int] = []
    wrapped: Any = torch.compile(nn.Linear(2, 2), backend="eager")
    wrapped.register_forward_hook(lambda *_: seen.append(1))
    inner = without_wrappers(wrapped)
    inner(torch.ones(1, 2))
    assert type(inner) is nn.Linear and seen
    assert without_wrappers(inner) is inner


class WithLoss(nn.Module):
    """Its loss is in its forward, where it is looked at while a step is tried."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.body(x), y)


@pytest.mark.parametrize("kind", ["torch's own", "plain", "in a system", "in a LightningModule"])
def test_what_is_compiled_as_one_graph_runs_as_one_and_what_looks_at_it_is_not_compiled(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    def compiled(module: nn.Module) -> Any:
        return torch.compile(module, backend=backend, fullgraph=True)

    asked: dict[str, Any] = {**ASKED, "max_steps": 3, "run_dir": tmp_path}
    if kind == "torch's own":
        tw.fit(compiled(WithLoss().body), DATA, **asked)
    elif kind == "plain":
        tw.fit(compiled(Two(lambda each: each)), DATA, **asked)
    else:
        lightning = None if kind == "in a system" else pytest.importorskip("lightning.pytorch")

        class Own(tw.System if lightning is None else lightning.LightningModule):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.net = compiled(WithLoss())

            def training_step(self, batch: Any, context: Any) -> Tensor:
                return self.net(*(batch.values() if isinstance(batch, dict) else batch))

            def configure_optimizers(self) -> Any:
                return torch.optim.SGD(self.parameters(), lr=0.1)

        tw.fit(Own(), DATA, **{**asked, "loss": None})
    assert len(graphs) == 1
    assert "recompile" not in caplog.text and "raph break" not in caplog.text
