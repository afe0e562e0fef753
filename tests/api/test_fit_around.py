"""`tw.fit(init=, parametrizations=, hooks=)`, and what a person's own forward, loss or metric raises."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.nn.init_options import InitRule

HERE = Path(__file__)
AROUND = {
    "init": [{"modules": "Linear", "weight": "xavier_uniform", "bias": 0.5}],
    "parametrizations": [{"names": "model.2.weight", "type": "weight_norm"}],
    "hooks": [{"modules": "2", "do": "record", "on": "forward", "statistics": ["std"]}],
}


def made_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(64, 8, generator=generator), torch.randint(0, 3, (64,), generator=generator)


def test_what_is_done_round_a_model_is_done_once_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    asked = {"loss": "cross_entropy", "console": False, "log_every": "1 step", **AROUND}
    cut, whole = made_net(), made_net()
    tw.fit(cut, rows(), max_steps=2, run_dir=tmp_path / "cut", **asked)
    tw.fit(cut, rows(), max_steps=4, run_dir=tmp_path / "cut", resume=True, **asked)
    tw.fit(whole, rows(), max_steps=4, run_dir=tmp_path / "whole", **asked)
    assert "2.parametrizations.weight.original0" in cut.state_dict()
    assert all(torch.equal(one, other) for one, other in zip(cut.state_dict().values(), whole.state_dict().values(), strict=True))
    with (tmp_path / "whole" / "metrics.csv").open() as file:
        assert all(row["forward/2/std"] for row in csv.DictReader(file))
    assert not cut[2]._forward_hooks
    fresh = tw.fit(made_net(), rows(), max_steps=6, run_dir=tmp_path / "cut", resume=True, **asked)  # as a new process has it
    assert fresh.steps == 6
    with pytest.raises(ConfigError, match="init"):
        tw.fit(made_net(), rows(), max_steps=8, run_dir=tmp_path / "cut", resume=True, **{**asked, "init": []})


def test_entries_may_be_objects_of_their_options(tmp_path: Path) -> None:
    model = made_net()
    tw.fit(model, rows(), loss="cross_entropy", max_steps=1, learning_rate=0.0, console=False, run_dir=tmp_path / "r",
           init=[InitRule(modules="Linear", weight=0.25)])  # fmt: skip
    assert torch.equal(model[0].weight, torch.full_like(model[0].weight, 0.25))


class Steps(tw.System):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def training_step(self, batch, context):
        return self.layer(batch[0]).mean()


class Breaking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x):
        if len(x) != 60:
            return {"a": self.layer(x)}["b"]
        return self.layer(x)


def own_loss(output, target):
    raise ZeroDivisionError("of my own")


def own_metric(outputs, targets):
    raise LookupError("of my metric")


@pytest.mark.parametrize(
    ("asked", "named", "said"),
    [
        ({"init": [{"modules": "Linear", "weight": "xavier"}]}, "tw.fit(init).0.weight", "xavier_normal"),
        ({"hooks": [{"modules": "nope", "do": "record"}]}, "tw.fit(hooks).0.modules", "Sequential"),
        ({"parametrizations": [{"names": "2.wieght", "type": "weight_norm"}]}, "tw.fit(parametrizations).0.names", "2.weight"),
        ({"parametrizations": [{"names": "2.weight", "typ": "weight_norm"}]}, "tw.fit(parametrizations)", "type"),
        ({"model": Steps, "loss": None, "init": [{"modules": "Linear", "bias": 0.0}]}, "tw.fit(init)", "leave init out"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(tmp_path: Path, asked: dict, named: str, said: str) -> None:
    model = asked.pop("model", made_net)()
    with pytest.raises(TrainwrightError) as refused:
        tw.fit(model, rows(), console=False, max_steps=1, run_dir=tmp_path / "r", **{"loss": "cross_entropy", **asked})
    assert named in str(refused.value)
    assert said in str(refused.value)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("model", "asked", "kind", "said"),
    [
        (Breaking, {}, KeyError, "KeyError: 'b'"),
        (made_net, {"loss": own_loss}, ZeroDivisionError, "ZeroDivisionError: of my own"),
    ],
)
def test_an_exception_of_ones_own_keeps_its_class_its_file_and_its_line(tmp_path: Path, model, asked: dict, kind: type, said: str) -> None:
    with pytest.raises(TrainwrightError) as refused:
        tw.fit(model(), rows(), console=False, max_steps=1, run_dir=tmp_path / "r", **{"loss": "cross_entropy", **asked})
    assert isinstance(refused.value.__cause__, kind)
    assert f"{said} ({HERE}:" in refused.value.why
    assert not (tmp_path / "r").exists()


def test_one_that_is_met_in_training_comes_as_it_is(tmp_path: Path) -> None:
    steps: list[int] = []

    class Late(Breaking):
        def forward(self, x):
            return super().forward(x) if steps else self.layer(x)

    class Counts(tw.Callback):
        def on_train_batch_end(self, session, system, batch, index):
            steps.append(index)

    with pytest.raises(LookupError, match="of my metric"):  # of whole outputs: it may need more rows than are tried
        tw.fit(made_net(), rows(), loss="cross_entropy", metrics=[own_metric], console=False, max_steps=1, run_dir=tmp_path / "m")
    with pytest.raises(KeyError) as raised:
        tw.fit(Late(), rows(), loss="cross_entropy", console=False, max_steps=3, batch_size=16, run_dir=tmp_path / "r",
               callbacks=[Counts()])  # fmt: skip
    assert raised.traceback[-1].path == HERE
