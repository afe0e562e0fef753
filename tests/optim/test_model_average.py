"""One moving average by hand, and the equal average of several sets of weights."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.config.errors import TrainwrightError
from trainwright.optim.average_options import EMA, EMAOptions, SWAOptions
from trainwright.optim.model_average import UnlikeModels, average_weights, ema_update


def model(seed: int, dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(dtype)
    made(torch.randn(6, 3, dtype=dtype))
    return made


@settings(deadline=None)
@given(decay=st.floats(0, 1), as_tensor=st.booleans())
def test_parameters_are_averaged_and_buffers_copied(decay: float, as_tensor: bool) -> None:
    trained, averaged = model(0, torch.float64), model(1, torch.float64)
    expected = {
        name: decay * average.detach() + (1 - decay) * value.detach()
        for (name, average), value in zip(averaged.named_parameters(), trained.parameters(), strict=True)
    }
    before = copy.deepcopy(trained.state_dict())
    assert ema_update(trained, averaged, torch.tensor(decay, dtype=torch.float64) if as_tensor else decay) is None
    for name, average in averaged.named_parameters():
        torch.testing.assert_close(average.detach(), expected[name], rtol=1e-12, atol=1e-14)
        assert average.requires_grad
    for name, buffer in averaged.named_buffers():
        assert torch.equal(buffer, dict(trained.named_buffers())[name])
        assert buffer.dtype == dict(trained.named_buffers())[name].dtype
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_decay_zero_copies_even_over_infinities_and_one_keeps() -> None:
    trained, averaged = model(0), model(1)
    kept = copy.deepcopy(averaged.state_dict())
    ema_update(trained, averaged, 1.0)
    assert torch.equal(averaged[0].weight, kept["0.weight"])
    with torch.no_grad():
        averaged[0].weight.fill_(float("inf"))
    ema_update(trained, averaged, 0.0)
    assert torch.equal(averaged[0].weight, trained[0].weight)


def test_an_average_in_float32_follows_a_model_in_half_precision() -> None:
    trained, averaged = model(0).to(torch.bfloat16), model(0)
    start = averaged[0].weight.detach().clone()
    with torch.no_grad():
        trained[0].weight.add_(1)
    for _ in range(3):
        ema_update(trained, averaged, 0.999)
    expected = start + (1 - 0.999**3) * (trained[0].weight.detach().float() - start)
    torch.testing.assert_close(averaged[0].weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_other_names_or_shapes_are_refused_and_named() -> None:
    with pytest.raises(ValueError, match=r"2\.weight is missing.*3\.weight is unknown|2\.weight is missing"):
        ema_update(model(0), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), 0.9)
    with pytest.raises(UnlikeModels, match=r"0\.weight has shape \(5, 3\) there and \(4, 3\) here"):
        ema_update(nn.Sequential(nn.Linear(3, 4)), nn.Sequential(nn.Linear(3, 5)), 0.9)
    with pytest.raises(TrainwrightError, match=r"buffers .*\n.*1\.running_mean is missing"):
        ema_update(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)), nn.Sequential(nn.ReLU(), nn.LayerNorm(3)), 0.9)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_zero_to_one_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="the decay is"):
        ema_update(model(0), model(1), decay)
    with pytest.raises(ValidationError):
        EMAOptions.model_validate({"decay": decay})


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20))
def test_the_average_of_sets_is_rounded_once(values: list[float]) -> None:
    found = average_weights([{"w": torch.tensor([value]), "n": torch.tensor(number)} for number, value in enumerate(values)])
    exact = torch.tensor(values, dtype=torch.float64).mean()
    assert abs(float(found["w"]) - float(exact)) <= float(torch.finfo(torch.float32).eps) * max(abs(float(exact)), 1e-10)
    assert found["w"].dtype == torch.float32
    assert int(found["n"]) == 0


def test_half_precision_sets_are_averaged_without_losing_small_ones() -> None:
    sets = [{"w": torch.tensor([value], dtype=torch.bfloat16)} for value in [256.0] + [1.0] * 255]
    assert float(average_weights(sets)["w"]) == float(torch.tensor((256 + 255) / 256, dtype=torch.bfloat16))


def test_sets_that_differ_are_refused_and_named() -> None:
    one: dict[str, Tensor] = {"w": torch.zeros(2)}
    with pytest.raises(ValueError, match="no weights"):
        average_weights([])
    with pytest.raises(ValueError, match=r"set 3.*\n.*v is unknown"):
        average_weights([one, one, {**one, "v": torch.zeros(1)}])
    with pytest.raises(ValueError, match=r"w has shape \(3,\) there and \(2,\) here"):
        average_weights([one, {"w": torch.zeros(3)}])
    with pytest.raises(ValueError, match=r"torch.float64 there"):
        average_weights([one, {"w": torch.zeros(2, dtype=torch.float64)}])


def test_an_averaged_set_is_a_copy() -> None:
    one = {"w": torch.zeros(2), "n": torch.tensor(3)}
    found = average_weights([one])
    found["w"] += 1
    found["n"] += 1
    assert torch.equal(one["w"], torch.zeros(2))
    assert int(one["n"]) == 3


def test_a_decay_alone_or_several_are_a_whole_section() -> None:
    read = TypeAdapter(EMA).validate_python
    assert read(0.99).decay == [0.99]
    assert read([0.9, 0.99]).decay == [0.9, 0.99]
    assert read(1).decay == [1.0]
    assert read({"decay": 0.9, "warmup": {"power": 0.75}}).warmup.power == 0.75
    assert read({"warmup": False}).warmup is None
    assert read({"warmup": True}) == read({})
    schema = TypeAdapter(EMA).json_schema()
    assert {"type": "number"} in schema["anyOf"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"decay": []},
        {"decay": [0.9, 0.9]},
        {"decay": 1.5},
        {"every": 0},
        {"warmup": {"min_value": 0.9, "max_value": 0.5}},
        {"warmup": {"inv_gamma": 0}},
        {"warmup": {"power": -1}},
        {"warmup": {"start_at": -1}},
    ],
)
def test_impossible_moving_averages_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        EMAOptions.model_validate(wrong)


@pytest.mark.parametrize("wrong", [{"start": "3 h"}, {"every": "10 s"}, {"every": "0 steps"}, {"refresh": -1}])
def test_impossible_equal_averages_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        SWAOptions.model_validate(wrong)


def test_it_is_public() -> None:
    assert tw.ema_update is ema_update


def test_norms_are_refreshed_over_ready_batches_that_make_a_step_together(tmp_path: Path) -> None:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    rows = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16)
    found = []
    for number, accumulation in enumerate((1, 2)):  # at a rate of 0 the weights stay, so that the norms are over the same four batches
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
        averaging = {"start": "1 steps", "every": "1 steps", "refresh": 4 // accumulation}
        fitting = {"loss": "cross_entropy", "max_steps": 6, "optimizer": "sgd", "learning_rate": 0.0, "console": False}
        tw.fit(model, rows, accumulation=accumulation, swa=averaging, run_dir=tmp_path / str(number), **fitting)
        found.append(model[1].running_mean.clone())
    assert torch.equal(*found) and found[0].abs().sum() > 0
