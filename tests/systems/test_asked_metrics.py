"""One set of metrics serves a model with a loss, a LightningModule, a model that returns its loss and a system of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.config.errors import ConfigError

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] + X[:, 1] > 0).long() + (X[:, 2] > 1).long()
NAMES = ["accuracy", "f1", "roc_auc", "log_loss"]


def share(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(1) == target).double().mean()


class Own(tw.System):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return functional.cross_entropy(self.net(batch["input"]), batch["target"])

    def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        output = self.net(batch["input"])
        return {"loss": functional.cross_entropy(output, batch["target"], reduction="none"), "logits": output, "target": batch["target"]}


class Named(Own):
    def metrics(self) -> Any:
        return {"": tw.named_metrics(NAMES, "category", output="logits"), "share": tw.named_metrics([share], output="logits")}


class Returning(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)

    def forward(self, values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(values)
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


def fit(model: nn.Module, path: Path, data: Any = (X, Y), **options: Any) -> dict[str, float]:
    with torch.no_grad():  # equal weights whatever they are called
        for each in model.parameters():
            each.copy_(torch.linspace(-0.4, 0.4, each.numel()).reshape(each.shape))
    options = {"batch_size": 16, "max_steps": 5, "run_dir": path, "console": False, "learning_rate": 0.05} | options
    return tw.fit(model, data, data, **options).metrics["validation"]


def test_the_same_list_gives_the_same_numbers_whatever_is_trained(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 3)

        def training_step(self, batch: Any, index: int) -> Tensor:
            return functional.cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> dict[str, Tensor]:
            output = self.net(batch[0])
            self.log("val_loss", functional.cross_entropy(output, batch[1]))
            return {"logits": output, "y": batch[1]}

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.05, weight_decay=0.01)

    asked: list[Any] = [*NAMES, share]
    plain = fit(nn.Linear(4, 3), tmp_path / "plain", metrics=asked)
    own = fit(Own(), tmp_path / "own", metrics=asked)
    named = fit(Named(), tmp_path / "named", monitor="accuracy")
    columns = [{"values": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    returning = fit(Returning(), tmp_path / "returning", columns, metrics=asked)
    module = fit(Module(), tmp_path / "module", metrics=asked, monitor="accuracy")
    assert {*NAMES, "share", "loss"} <= set(plain) and "val_loss" in module
    for other in (own, named, returning):
        assert {name: other[name] for name in (*NAMES, "share")} == pytest.approx({name: plain[name] for name in (*NAMES, "share")})
    assert set(plain) - {"loss"} <= set(module) and module["accuracy"] == module["share"]


def test_what_is_asked_of_outputs_that_are_not_there_is_refused_with_their_names(tmp_path: Path) -> None:
    class Silent(Own):
        def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
            return {"loss": super().evaluation_step(batch, context)["loss"]}

    with pytest.raises(ConfigError, match="find nothing to measure") as error:
        fit(Silent(), tmp_path / "silent", metrics=["accuracy"])
    assert "gives loss" in error.value.why and not (tmp_path / "silent").exists()
    with pytest.raises(ConfigError, match="would never be measured"):
        tw.fit(Own(), (X, Y), metrics=["accuracy"], max_steps=1, run_dir=tmp_path / "none", console=False)
    with pytest.raises(ConfigError, match="there is no metric 'acc'"):
        fit(Own(), tmp_path / "name", metrics=["acc"])


def test_a_function_of_whole_outputs_says_once_what_it_holds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Whole(Own):
        def metrics(self, outputs: Any) -> dict[str, float]:  # type: ignore[override]
            return {"loss": float(outputs["loss"].mean()), "rows": float(len(outputs["target"]))}

    def rows(outputs: dict[str, Tensor]) -> dict[str, float]:
        return {"count": float(len(outputs["target"]))}

    with caplog.at_level("INFO", logger="trainwright"):
        assert fit(Whole(), tmp_path / "whole", evaluate_every="1 step")["rows"] == len(X)
        said = [each.getMessage() for each in caplog.records if "holds" in each.getMessage()]
        assert said == [f"metrics(outputs) reads all rows at once and holds 1.15 kB of outputs for {len(X)} rows"]
        assert fit(nn.Linear(4, 3), tmp_path / "function", metrics=rows)["rows.count"] == len(X)


class Counting(tw.Metric):
    """Rows by what `update` was given."""

    def update(self, outputs: Any, batch: Any = None) -> None:
        self.add(rows=len(outputs["target"]), of_batch=0 if batch is None else len(batch["input"]))

    def compute(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.sums.items()}


def test_a_metric_of_ones_own_is_made_anew_for_each_evaluation_even_where_one_object_is_given(tmp_path: Path) -> None:
    class Kept(Own):
        def __init__(self) -> None:
            super().__init__()
            self.counting = Counting()

        def metrics(self) -> Any:
            return {"counting": self.counting}

    found = fit(Kept(), tmp_path / "kept", evaluate_every="1 step", monitor="counting.rows", mode="max")
    assert found == {"counting.rows": len(X), "counting.of_batch": len(X)}
