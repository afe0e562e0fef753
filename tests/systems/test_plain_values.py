"""Values that a loss or a metric does not take are refused before step 1 where they are held in memory, else in words in their step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError
from trainwright.data.rows import TensorRows
from trainwright.engine.system import StepContext
from trainwright.systems.plain import PlainSystem

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
LABEL = Y[:, None].float()
NOW = StepContext(3, 0, 0.0, torch.Generator())


def with_value(target: Tensor, row: int, value: float) -> Tensor:
    changed = target.clone()
    changed[row] = value
    return changed


class AsItIs(nn.Module):
    """Gives its input, scaled by a parameter of 1, so that a test says what the model gives."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


PROBABILITIES = with_value(torch.full((64, 1), 0.5), 40, -1.5)
VARIANCES = torch.cat([X[:, :1], PROBABILITIES], dim=1)


@pytest.mark.parametrize(
    ("model", "rows", "loss", "why"),
    [
        (AsItIs(), (PROBABILITIES, LABEL), "bce", "probabilities, from 0 to 1, the model gives from -1.5"),
        (AsItIs(), (VARIANCES, LABEL), "gaussian_nll", "a variance is 0 or more, the model gives from -1.5"),
        (AsItIs(), (PROBABILITIES, LABEL), [{"type": "mse"}, {"type": "bce"}], "probabilities, from 0 to 1"),
        (nn.Linear(4, 2), (X, with_value(Y, 40, 7)), "cross_entropy", r"from 0 to 7 \(row 40 has 7\)"),
        (nn.Linear(4, 1), (X, with_value(LABEL, 33, 3.0)), "bce_with_logits", r"from 0 to 1, here from 0 to 3 \(row 33 has 3\)"),
    ],
)
def test_a_wrong_value_in_a_later_row_is_refused_before_anything_is_written(
    model: nn.Module, rows: Any, loss: Any, why: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=why):
        tw.fit(model, rows, loss=loss, max_steps=1, run_dir=tmp_path / "run", console=False)
    assert not (tmp_path / "run").exists()


def test_values_that_are_left_out_or_meant_pass() -> None:
    for loss, target in (({"type": "cross_entropy", "ignore_index": 7}, with_value(Y, 40, 7)), ("cross_entropy", Y)):
        system = PlainSystem(nn.Linear(4, 2), loss=loss)
        system.fit_targets(TensorRows({"input": X, "target": target}))
        system.check({"input": X[:2], "target": target[:2]})
        assert system.held_rows is None
    meant = PlainSystem(nn.Linear(4, 1), loss={"type": "bce_with_logits", "check_values": False})
    meant.fit_targets(TensorRows({"input": X, "target": LABEL * 3}))
    meant.check({"input": X[:2], "target": LABEL[:2] * 3})


@pytest.mark.parametrize(
    ("model", "rows", "loss", "why"),
    [
        (AsItIs(), (PROBABILITIES, LABEL), "bce", "takes probabilities"),
        (nn.Linear(4, 2), (X, with_value(Y, 40, 7)), "cross_entropy", "row 40 has 7"),
    ],
)
def test_a_step_that_the_loss_fails_in_says_what_is_wrong_with_its_rows(model: nn.Module, rows: Any, loss: Any, why: str) -> None:
    with pytest.raises(DataError, match=why) as error:
        PlainSystem(model, loss=loss).training_step(rows, NOW)
    assert error.value.where.startswith(f"rows of the batch of step 3; {loss}")


def test_an_error_of_a_function_of_ones_own_stays_as_it_is() -> None:
    def fails(output: Tensor, target: Tensor) -> Tensor:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        PlainSystem(nn.Linear(4, 2), loss=fails).training_step((X, Y), NOW)


def test_targets_that_metrics_do_not_take_are_a_data_error() -> None:
    measured = {"output": torch.zeros(64, 2), "target": with_value(Y, 40, 7)}
    with pytest.raises(DataError, match="row 40 has 7") as error:
        PlainSystem(nn.Linear(4, 2)).metrics(measured)
    assert error.value.where.startswith("rows that are measured")
    meant = PlainSystem(nn.Linear(4, 1), loss={"type": "bce_with_logits", "check_values": False})
    with pytest.raises(DataError, match="the metrics cannot be computed"):
        meant.metrics({"output": torch.zeros(64, 1), "target": with_value(LABEL, 33, 3.0)})


def agreement(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(1) == target).float().mean()


def test_metrics_are_one_name_a_list_of_names_and_functions_or_a_mapping() -> None:
    outputs = {"output": functional.one_hot(Y, 2).float(), "target": Y}
    for asked, names in (("accuracy", ["accuracy"]), ([agreement], ["agreement"]), (["accuracy", agreement], ["agreement", "accuracy"])):
        system = PlainSystem(nn.Linear(4, 2), metrics=asked)
        assert system.metric_names() == ["loss", *names]
        assert [system.metrics(outputs)[name] for name in names] == [1.0] * len(names)
    with pytest.raises(ConfigError, match="two metrics are called 'agreement'"):
        PlainSystem(nn.Linear(4, 2), metrics=[agreement, agreement])


@pytest.mark.parametrize(("dtype", "call"), [(torch.float64, "double"), (torch.float16, "half")])
def test_a_model_of_another_dtype_is_told_with_both(dtype: torch.dtype, call: str) -> None:
    with pytest.raises(DataError, match="the model does not take these rows") as error:
        PlainSystem(nn.Linear(4, 2).to(dtype)).check((X, Y))
    name = str(dtype).removeprefix("torch.")
    assert error.value.fix == f"the model computes in {name} and the rows are float32: model.float(), or give the rows as x.{call}()"


def test_a_loss_without_a_graph_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    def detached(output: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(output, target).detach()

    with pytest.raises(ConfigError, match="'detached' does not depend on any trained parameter") as error:
        tw.fit(nn.Linear(4, 2), (X, Y), loss=detached, max_steps=1, run_dir=tmp_path / "run", console=False)
    assert "without .detach()" in error.value.fix and not (tmp_path / "run").exists()
