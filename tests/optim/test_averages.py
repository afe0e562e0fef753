"""Averages of the weights are what their formulas say, cost the run nothing it can see, and come back bit for bit."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError, RequestError, RunError
from trainwright.optim.average_options import EMAOptions, SWAOptions
from trainwright.optim.averages import RAW, Averages, best_of
from trainwright.optim.batch_norm import refresh_batch_norm
from trainwright.optim.schedules.base import Extent
from trainwright.optim.swap import weights_inside

EXTENT = Extent(steps_per_epoch=4, steps=40)


class Net(nn.Module):
    """Small and large parameters, a tie, a buffer, a whole-number parameter, strides that are not C's."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 6))
        self.big = nn.Linear(300, 300)
        self.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        self.tied = nn.Linear(6, 5)
        self.tied.weight = self.body[0].weight  # type: ignore[assignment]
        self.codes = nn.Parameter(torch.arange(3), requires_grad=False)
        self.body.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def net(seed: int = 0, dtype: torch.dtype = torch.float32) -> Net:
    torch.manual_seed(seed)
    return Net(dtype)


def disturb(model: nn.Module, seed: int) -> None:
    """A step like an optimizer's: every trained parameter changes in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for param in model.parameters():
            if param.is_floating_point():
                param.add_(torch.randn(param.shape, generator=generator).to(param.dtype), alpha=0.1)


def ema(**options: Any) -> EMAOptions:
    return EMAOptions.model_validate({"warmup": False, **options})


def floating(model: nn.Module) -> dict[str, Tensor]:
    return {name: param.detach().clone() for name, param in model.named_parameters() if param.is_floating_point()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_several_decays_are_torchs_averaged_models() -> None:
    model = net()
    del model.codes  # which torch's cannot average
    references = {
        decay: AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=False)  # type: ignore[no-untyped-call]
        for decay in (0.9, 0.99)
    }
    for reference in references.values():
        reference.n_averaged.fill_(1)  # torch copies at the first update; ours starts from the weights there are
    averages = Averages(ema(decay=[0.9, 0.99]), None, model, EXTENT)
    for step in range(1, 8):
        disturb(model, step)
        averages.update(step)
        for reference in references.values():
            reference.update_parameters(model)
    assert averages.names() == ["ema_0.9", "ema_0.99"]
    for decay, reference in references.items():
        found = averages.weights(f"ema_{decay}")
        assert found is not None
        for name, param in reference.module.named_parameters():
            torch.testing.assert_close(found[name], param.detach(), rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(decay=st.floats(0, 1), every=st.integers(1, 3), warm=st.booleans(), steps=st.integers(1, 9))
def test_the_moving_average_is_its_recurrence(decay: float, every: int, warm: bool, steps: int) -> None:
    model = net()
    averages = Averages(ema(decay=decay, every=every, warmup=warm), None, model, EXTENT)
    expected = {name: value.double() for name, value in floating(model).items()}
    for step in range(1, steps + 1):
        disturb(model, step)
        averages.update(step)
        if step % every == 0:
            updates = step // every - 1
            now = min(decay, 1 - (1 + updates) ** (-2 / 3)) if warm else decay
            expected = {name: now * value + (1 - now) * floating(model)[name].double() for name, value in expected.items()}
    found = averages.weights()
    assert found is not None
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-5, atol=1e-6)


def test_the_equal_average_is_the_mean_of_the_weights_at_its_moments() -> None:
    model = net()
    averages = Averages(None, SWAOptions(start=Duration.parse("0.25 run"), every=Duration.parse("1 epoch")), model, EXTENT)
    seen = []
    for step in range(1, 41):
        disturb(model, step)
        averages.update(step)
        if step < 10:
            assert averages.names() == []
            assert averages.weights() is None
        if step in range(10, 41, 4):
            seen.append(floating(model))
    found = averages.weights("swa")
    assert found is not None
    assert averages.numbers() == {"moments": 8}
    for name in seen[0]:
        expected = torch.stack([each[name].double() for each in seen]).mean(0)
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-6)


def test_weights_have_every_name_of_the_state_with_buffers_as_they_are() -> None:
    model = net()
    averages = Averages(ema(decay=0.5), None, model, EXTENT)
    disturb(model, 1)
    model.body[1].running_mean += 3  # type: ignore[operator]
    averages.update(1)
    found = averages.weights()
    assert found is not None
    assert found.keys() == model.state_dict().keys()
    assert torch.equal(found["tied.weight"], found["body.0.weight"])
    assert not torch.equal(found["body.0.weight"], model.body[0].weight)
    assert torch.equal(found["body.1.running_mean"], model.body[1].running_mean)  # type: ignore[arg-type]
    assert torch.equal(found["codes"], model.codes)
    net(seed=5).load_state_dict(found)


def test_laying_parameters_side_by_side_changes_no_bit_of_the_average() -> None:
    first, second = net(), net()
    for param in second.parameters():
        param.keep_alias = param.data  # type: ignore[attr-defined]  # somebody looks at it, so it stays where it is
    one, two = (Averages(ema(decay=[0.9, 0.999], warmup=True), None, model, EXTENT) for model in (first, second))
    assert [bundle.arena is not None for bundle in one._bundles].count(True) == 1
    assert not any(bundle.arena for bundle in two._bundles)
    for step in range(1, 6):
        for model, averages in ((first, one), (second, two)):
            disturb(model, step)
            averages.update(step)
    assert same(one.tensors(), two.tensors())


def test_parameters_side_by_side_keep_values_strides_ties_and_training() -> None:
    plain, model = net(), net()
    strides = {name: param.stride() for name, param in model.named_parameters()}
    averages = Averages(ema(decay=0.9), None, model, EXTENT)
    assert same(plain.state_dict(), model.state_dict())
    assert strides == {name: param.stride() for name, param in model.named_parameters()}
    assert model.tied.weight is model.body[0].weight
    for each in (plain, model):
        optimizer = torch.optim.AdamW([param for param in each.parameters() if param.requires_grad], lr=0.1, fused=True)
        for seed in range(3):
            x = torch.randn(7, 6, generator=torch.Generator().manual_seed(seed))
            each(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert same(plain.state_dict(), model.state_dict())
    averages.release()
    assert same(plain.state_dict(), model.state_dict())
    for param in model.parameters():
        assert param.untyped_storage().nbytes() == param.numel() * param.element_size()


def test_a_model_side_by_side_can_be_copied_and_saved(tmp_path: Path) -> None:
    model = net()
    averages = Averages(ema(decay=0.9), None, model, EXTENT)
    twin = copy.deepcopy(model)
    disturb(twin, 1)
    assert not same(twin.state_dict(), model.state_dict())
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    assert same(torch.load(tmp_path / "weights.pt"), dict(model.state_dict()))
    weights = averages.weights()
    assert weights is not None
    save_file({name: value.contiguous() for name, value in weights.items() if name != "tied.weight"}, tmp_path / "weights.safetensors")


def test_a_parameter_that_was_replaced_is_still_averaged() -> None:
    model, reference = net(), net()
    averages, other = (Averages(ema(decay=0.5), None, each, EXTENT) for each in (model, reference))
    model.body[3].weight.data = model.body[3].weight.data.clone()  # type: ignore[union-attr]
    for each, its in ((model, averages), (reference, other)):
        disturb(each, 1)
        its.update(1)
    assert same(averages.tensors(), other.tensors())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_averaged_in_float32_and_given_in_its_own(dtype: torch.dtype) -> None:
    model = net(dtype=dtype)
    averages = Averages(ema(decay=0.999), None, model, EXTENT)
    expected = floating(model)["body.0.weight"].double()
    for step in range(1, 60):
        disturb(model, step)
        averages.update(step)
        expected = 0.999 * expected + 0.001 * model.body[0].weight.detach().double()
    kept = averages.tensors()["ema_0.999/body.0.weight"]
    assert kept.dtype == torch.float32
    torch.testing.assert_close(kept.double(), expected, rtol=1e-4, atol=1e-5)
    found = averages.weights()
    assert found is not None
    assert torch.equal(found["body.0.weight"], kept.to(dtype))
    with averages.swap_in():
        assert model.body[0].weight.dtype == dtype


def test_an_average_in_float64_can_be_asked_for() -> None:
    model = net()
    averages = Averages(ema(decay=0.9, dtype="float64"), None, model, EXTENT)
    start = floating(model)["body.0.weight"].double()
    disturb(model, 1)
    averages.update(1)
    kept = averages.tensors()["ema_0.9/body.0.weight"]
    torch.testing.assert_close(kept, start + (1 - 0.9) * (model.body[0].weight.detach().double() - start), rtol=1e-15, atol=0)


def test_the_state_comes_back_to_the_bit_and_goes_on_the_same() -> None:
    swa = SWAOptions(start=Duration.parse("2 steps"), every=Duration.parse("2 steps"))

    def made(model: nn.Module) -> Averages:
        return Averages(ema(decay=[0.9, 0.99], warmup=True), swa, model, EXTENT)

    whole, model = net(), net()
    straight = made(whole)
    first = made(model)
    for step in range(1, 11):
        disturb(whole, step)
        straight.update(step)
        if step <= 5:
            disturb(model, step)
            first.update(step)
    saved = {name: tensor.clone() for name, tensor in first.tensors().items()}
    again = net(seed=9)
    again.load_state_dict(model.state_dict())
    second = made(again)
    second.load(saved, first.numbers())
    assert same(second.tensors(), saved)
    for step in range(6, 11):
        disturb(again, step)
        second.update(step)
    assert same(second.tensors(), straight.tensors())
    assert second.numbers() == straight.numbers()


def test_another_models_averages_are_refused_by_name() -> None:
    averages = Averages(ema(decay=0.9), None, net(), EXTENT)
    other = Averages(ema(decay=0.99), None, net(), EXTENT)
    with pytest.raises(RunError, match=r"missing: ema_0\.99/.*; unknown: ema_0\.9/"):
        other.load(averages.tensors(), averages.numbers())


def test_swapping_gives_the_average_and_the_trained_weights_back_to_the_bit() -> None:
    model = net().eval()
    averages = Averages(ema(decay=0.9), None, model, EXTENT)
    disturb(model, 1)
    averages.update(1)
    x = torch.randn(5, 6)
    before, addresses = floating(model), [param.data_ptr() for param in model.parameters()]
    kept = {name: tensor.clone() for name, tensor in averages.tensors().items()}
    raw = model(x)
    weights = averages.weights()
    assert weights is not None
    reference = net(seed=3).eval()
    reference.load_state_dict(weights)
    with averages.swap_in(model) as there:
        assert there
        assert torch.equal(model(x), reference(x))
        assert model.tied.weight is model.body[0].weight
    assert same(before, floating(model))
    assert addresses == [param.data_ptr() for param in model.parameters()]
    assert torch.equal(model(x), raw)
    with pytest.raises(KeyError), averages.swap_in(model):
        raise KeyError
    assert same(before, floating(model))
    assert same(averages.tensors(), kept)


def test_weights_that_are_anothers_are_not_put_inside() -> None:
    model = net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for wrong in ({"body.9.weight": torch.zeros(1)}, {"body.0.weight": torch.zeros(1)}):
        with pytest.raises(ValueError, match="weights to put inside"), weights_inside(model, wrong):
            pass
    assert same(before, model.state_dict())


def test_what_evaluations_use_is_the_first_moving_average_or_the_trained_weights() -> None:
    for options, averaged in ((ema(decay=[0.5, 0.9]), True), (ema(decay=0.5, evaluate=False), False), (None, False)):
        model = net()
        averages = Averages(options, None, model, EXTENT)
        disturb(model, 1)
        averages.update(1)
        own = floating(model)
        with averages.hold_evaluated() as there:
            assert there is averaged
            assert same(own, floating(model)) is not averaged
            if averaged:
                expected = averages.weights("ema_0.5")
                assert expected is not None
                assert same({name: expected[name] for name in own}, floating(model))
        assert same(own, floating(model))


def test_swapping_never_writes_the_trained_weights_that_another_thread_reads() -> None:
    model = net()
    averages = Averages(ema(decay=0.5), None, model, EXTENT)
    disturb(model, 1)
    averages.update(1)
    snapshot = {name: tensor.detach() for name, tensor in model.state_dict().items()}  # as a background writer holds them
    expected = {name: tensor.clone() for name, tensor in snapshot.items()}
    differed, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            if not same(snapshot, expected):
                differed.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        with averages.swap_in():
            pass
    done.set()
    reader.join()
    assert not differed


def test_autocast_uses_the_weights_that_are_there_after_a_swap() -> None:
    model = net().eval()
    averages = Averages(ema(decay=0.5), None, model, EXTENT)
    disturb(model, 1)
    averages.update(1)
    x = torch.randn(5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        raw = model(x)  # caches the weights in bfloat16
        with averages.swap_in():
            averaged = model(x)
        again = model(x)
    assert not torch.equal(raw, averaged)
    assert torch.equal(raw, again)


def test_a_fused_optimizer_and_a_compiled_model_go_on_after_a_swap() -> None:
    plain, model = net(), net()
    averages = Averages(ema(decay=0.5), None, model, EXTENT)
    compiled = torch.compile(model.body, backend="eager")
    for each, call in ((plain, plain.body), (model, compiled)):
        optimizer = torch.optim.Adam(each.body.parameters(), fused=True)
        for step in range(1, 5):
            x = torch.randn(8, 6, generator=torch.Generator().manual_seed(step))
            call(x).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            if each is model:
                averages.update(step)
                weights = averages.weights()
                assert weights is not None
                reference = net(seed=2).eval()
                reference.load_state_dict(weights)
                with averages.swap_in(), torch.no_grad():
                    model.eval()
                    torch.testing.assert_close(compiled(x), reference.body(x))
                    model.train()
    assert same(floating(plain), floating(model))


def test_an_update_reads_nothing_back_and_makes_few_calls() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Calls(TorchDispatchMode):
        names: list[str]

        def __init__(self) -> None:
            super().__init__()
            self.names = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.names.append(str(func))
            return func(*args, **(kwargs or {}))

    model = nn.ModuleList(nn.Linear(8, 8) for _ in range(50))
    averages = Averages(ema(decay=[0.9, 0.99, 0.999]), None, model, EXTENT)
    with Calls() as calls:
        averages.update(1)
    assert len(calls.names) == 3
    assert not any("_local_scalar_dense" in name for name in calls.names)


def test_batch_norms_are_estimated_anew_as_torch_does_and_belong_to_the_average() -> None:
    model, reference = net(), net()
    averages = Averages(None, SWAOptions(start=Duration.parse("1 step"), every=Duration.parse("1 step")), model, EXTENT)
    for step in (1, 2, 3):
        disturb(model, step)
        averages.update(step)
    batches = [torch.randn(9, 6, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    model.body[1].running_mean.fill_(7.0)  # type: ignore[union-attr, operator]
    before, modes = {name: buffer.clone() for name, buffer in model.named_buffers()}, [each.training for each in model.modules()]
    with averages.swap_in(name="swa"):
        found = refresh_batch_norm(model, batches, model)
    assert same(before, dict(model.named_buffers()))
    assert modes == [each.training for each in model.modules()]
    averages.keep_buffers("swa", found)
    weights = averages.weights("swa")
    assert weights is not None
    reference.load_state_dict(weights)
    update_bn(batches, reference)
    for name, buffer in reference.named_buffers():
        assert torch.equal(weights[name], buffer), name
    model.eval()
    reference.eval()
    with averages.swap_in(name="swa"):
        assert torch.equal(model(batches[0]), reference(batches[0]))
    assert same(before, dict(model.named_buffers()))
    loaded = Averages(None, averages.swa, net(), EXTENT)
    loaded.load(averages.tensors(), averages.numbers())
    again = loaded.weights("swa")
    assert again is not None
    assert torch.equal(again["body.1.running_mean"], weights["body.1.running_mean"])


def test_candidates_are_every_average_and_the_trained_weights() -> None:
    model = net()
    averages = Averages(ema(decay=[0.9, 0.99]), SWAOptions(start=Duration.parse("30 steps")), model, EXTENT)
    disturb(model, 1)
    averages.update(1)
    found = averages.candidates()
    assert list(found) == ["ema_0.9", "ema_0.99", RAW]
    assert same({name: found[RAW][name] for name in floating(model)}, floating(model))
    assert averages.evaluated == "ema_0.9"
    assert Averages(ema(decay=0.9, evaluate=False), None, net(), EXTENT).evaluated is None


def test_the_best_candidate_is_never_one_without_a_number() -> None:
    values = {"ema_0.9": float("nan"), "ema_0.99": 2.0, RAW: 2.0, "swa": 1.0}
    assert best_of(values, higher_is_better=True) == "ema_0.99"
    assert best_of(values, higher_is_better=False) == "swa"
    with pytest.raises(RequestError, match="nothing to choose"):
        best_of({RAW: float("nan")}, higher_is_better=True)


def test_an_unknown_average_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"did you mean 'ema_0\.9'"):
        Averages(ema(decay=0.9), None, net(), EXTENT).weights("ema_0.99")


def test_an_average_that_begins_after_the_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="after the end of the run"):
        Averages(None, SWAOptions(start=Duration.parse("11 epochs")), net(), EXTENT)
    with pytest.raises(ConfigError, match="length of the run"):
        Averages(None, SWAOptions(), net(), Extent(4, None))
