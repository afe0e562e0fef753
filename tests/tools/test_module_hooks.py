"""Hooks by name see and change what passes, are gone afterwards, and say whose they are when they fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.tools.histogram import histogram_svg
from trainwright.tools.module_hook_options import ModuleHookOptions
from trainwright.tools.module_hooks import module_hooks

OWN = """
import torch

seen = []

def halve(name, value):
    seen.append(name)
    return value / 2

def nothing(name, value):
    return None

def wide(name, value):
    return torch.cat([value, value])

def torch_hook(module, inputs, output):
    seen.append((type(module).__name__, len(inputs), tuple(output.shape)))

def torch_pre_hook(module, inputs):
    return (inputs[0] * 0,)

def fails(module, inputs, output):
    raise ValueError("no luck")
"""


class Recorder(dict[str, list[float]]):
    def __call__(self, name: str, value: Tensor) -> None:
        assert value.dim() == 0 and not value.requires_grad
        self.setdefault(name, []).append(float(value))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(4, 6), nn.ReLU()), "rnn": nn.LSTM(6, 3), "head": nn.Linear(3, 2)})


def run(model: Any, x: Tensor) -> Tensor:
    out: Tensor = model["head"](model["rnn"](model["encoder"](x))[0])
    return out


def option(**given: Any) -> ModuleHookOptions:
    return ModuleHookOptions.model_validate(given)


def hook_count(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_hooks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return "./own_hooks.py"


X = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(1))


def test_recorded_numbers_are_those_of_the_output() -> None:
    model, sink = net(), Recorder()
    with module_hooks(model, [option(modules="encoder.*", do="record")], sink):
        out = run(model, X)
    hidden = model["encoder"](X).detach()
    assert sink["forward/encoder.1/mean"] == [pytest.approx(float(hidden.mean()))]
    assert sink["forward/encoder.1/std"] == [pytest.approx(float(hidden.std(correction=0)))]
    assert sink["forward/encoder.1/min"] == [0.0] and sink["forward/encoder.1/max"] == [pytest.approx(float(hidden.max()))]
    assert sink["forward/encoder.1/zeros"] == [pytest.approx(float((hidden == 0).float().mean()))]
    assert len(sink) == 10 and out.requires_grad


def test_several_outputs_are_recorded_each_and_the_last_value_is_kept() -> None:
    model, sink = net(), Recorder()
    with module_hooks(model, [option(modules="LSTM", do="record", statistics=["mean"], keep=True)], sink) as hooked:
        run(model, X)
    assert set(sink) == {"forward/rnn/0/mean", "forward/rnn/1/0/mean", "forward/rnn/1/1/mean"}
    kept = hooked.kept["forward/rnn"]
    assert kept[0].shape == (5, 2, 3) and not kept[0].requires_grad and kept[1][0].shape == (1, 2, 3)


@pytest.mark.parametrize("on", ["forward", "forward_pre", "backward", "backward_pre"])
def test_each_moment_has_its_value_and_the_results_are_as_without_a_hook(on: str) -> None:
    model, sink = net(), Recorder()
    run(model, X).sum().backward()
    before = [param.grad.clone() for param in model.parameters()]
    model.zero_grad()
    with module_hooks(model, [option(modules="head", on=on, do="record", statistics=["mean"], keep=True)], sink) as hooked:
        run(model, X).sum().backward()
    value = hooked.kept[f"{on}/head"]
    assert value.shape == ((5, 2, 2) if on in ("forward", "backward_pre") else (5, 2, 3))
    if on == "backward_pre":
        assert sink["backward_pre/head/mean"] == [1.0]
    assert all(torch.equal(param.grad, grad) for param, grad in zip(model.parameters(), before, strict=True))


def test_hooks_are_gone_afterwards_also_when_the_body_or_a_later_hook_fails(own: str) -> None:
    model = net()
    hooks = [option(modules="*", on=on, do="record") for on in ("forward", "forward_pre", "backward", "backward_pre")]
    with module_hooks(model, hooks, Recorder()) as hooked:
        assert hook_count(model) == len(hooked.handles) == 20
    assert hook_count(model) == 0
    with pytest.raises(RuntimeError, match="body"), module_hooks(model, hooks, Recorder()):
        raise RuntimeError("body")
    assert hook_count(model) == 0
    with pytest.raises(ConfigError), module_hooks(model, [*hooks, option(modules="hed", do="record")], Recorder()):
        pass
    assert hook_count(model) == 0


def test_only_each_so_many_calls_and_only_in_the_mode_that_is_asked_for() -> None:
    model, sink = net(), Recorder()
    options = [
        option(modules="head", do="record", statistics=["mean"], every=3),
        option(modules="encoder", do="record", statistics=["max"], during="evaluation"),
    ]
    with module_hooks(model, options, sink):
        for _ in range(7):
            run(model, X)
        assert len(sink["forward/head/mean"]) == 3 and len(sink) == 1
        run(model.eval(), X)
    assert len(sink["forward/head/mean"]) == 3 and len(sink["forward/encoder/max"]) == 1


def test_with_a_run_steps_are_counted_and_not_calls(tmp_path: Path) -> None:
    model, sink, step = net(), Recorder(), [3]
    options = [option(modules="head", do=do, statistics=["mean"], every=2) for do in ("record", "plot")]
    with module_hooks(model, options, sink, tmp_path, step=lambda: step[0]) as hooked:
        for step[0] in (3, 4, 4, 5, 6):  # two micro-batches at step 4
            run(model, X)
    assert len(sink["forward/head/mean"]) == 3
    assert sorted({each.name for each in hooked.plots}) == ["forward-head-00000004.svg", "forward-head-00000006.svg"]
    assert "step 6" in hooked.plots[-1].read_text()


def test_replace_puts_another_output_input_or_gradient_in(own: str) -> None:
    model = net()
    plain, expected = run(model, X), run_halved(model)
    with module_hooks(model, [option(modules="head", do="replace", function=f"{own}:halve")], Recorder()):
        assert torch.equal(run(model, X), plain / 2)
    with module_hooks(model, [option(modules="encoder", on="forward_pre", do="replace", function=f"{own}:halve")], Recorder()):
        assert torch.equal(run(model, X), expected)
    run(model, X).sum().backward()
    grad = model["encoder"][0].weight.grad.clone()
    for on in ("backward", "backward_pre"):
        model.zero_grad()
        with module_hooks(model, [option(modules="head", on=on, do="replace", function=f"{own}:halve")], Recorder()):
            run(model, X).sum().backward()
        assert torch.allclose(model["encoder"][0].weight.grad, grad / 2)


def run_halved(model: nn.Module) -> Tensor:
    handle = model["encoder"].register_forward_pre_hook(lambda module, inputs: (inputs[0] / 2,))  # type: ignore[index]
    out = run(model, X)
    handle.remove()
    return out


def test_own_hooks_have_the_arguments_of_torch(own: str) -> None:
    model = net()
    with module_hooks(model, [option(modules="encoder.0", do=f"{own}:torch_hook")], Recorder()):
        run(model, X)
    from trainwright.config.foreign import found_at

    assert found_at(f"{own}:torch_hook")[0].__globals__["seen"][-1] == ("Linear", 1, (5, 2, 6))
    with module_hooks(model, [option(modules="head", on="forward_pre", do=f"{own}:torch_pre_hook")], Recorder()):
        assert torch.equal(run(model, X)[0, 0], model["head"].bias)  # type: ignore[index]


def test_the_whole_model_is_named_by_a_dot() -> None:
    sink = Recorder()
    model = nn.Sequential(nn.Linear(4, 2))
    with module_hooks(model, [option(modules=".", do="record", statistics=["mean"])], sink):
        model(X)
    assert list(sink) == ["forward/Sequential/mean"]


def test_histograms_are_written_as_svg(tmp_path: Path) -> None:
    model = net()
    with module_hooks(model, [option(modules="encoder.1", do="plot", every=2)], Recorder(), tmp_path / "media") as hooked:
        for _ in range(3):
            run(model, X)
    assert [each.name for each in hooked.plots] == ["forward-encoder.1-00000000.svg", "forward-encoder.1-00000002.svg"]
    root = ElementTree.fromstring(hooked.plots[0].read_text())
    bars = root.findall(".//{http://www.w3.org/2000/svg}g[2]/{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 40 and max(float(bar.attrib["height"]) for bar in bars) == 132
    with (
        pytest.raises(ConfigError, match="there is no folder for the pictures"),
        module_hooks(model, [option(modules="head", do="plot")], Recorder()),
    ):
        pass


def test_a_histogram_of_odd_values_is_still_one() -> None:
    for values in (
        torch.ones(5),
        torch.tensor([]),
        torch.tensor([float("nan"), float("inf")]),
        torch.tensor([1.0, float("nan"), 2.0]).bfloat16(),
    ):
        ElementTree.fromstring(histogram_svg(values, "a < b"))
    assert "3 values, 1 not finite" in histogram_svg(torch.tensor([1.0, float("nan"), 2.0]), "x")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"modules": "encodr.*", "do": "record"},
            "hooks.0.modules: no module is called, or is a 'encodr.*'\n  fix: did you mean 'encoder'?",
        ),
        ({"modules": "Liner", "do": "record"}, "did you mean 'Linear'?"),
        ({"modules": "head", "do": "./own_hooks.py:torch_hok"}, "hooks.0.do: cannot import './own_hooks.py:torch_hok'"),
        ({"modules": "head", "do": "replace", "function": "./own_hooks.py:halv"}, "hooks.0.function: cannot import"),
    ],
)
def test_what_names_nothing_is_refused(given: dict[str, Any], said: str, own: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)), module_hooks(net(), [option(**given)], Recorder()):
        pass


def test_a_hook_that_fails_names_the_module(own: str) -> None:
    said = f"hooks.0: the forward hook '{own}:fails' fails on 'encoder.1'\n  why: ValueError: no luck"
    model = net()
    with (
        pytest.raises(TrainwrightError, match=re.escape(said)),
        module_hooks(model, [option(modules="encoder.1", do=f"{own}:fails")], Recorder()),
    ):
        run(model, X)
    with (
        pytest.raises(TrainwrightError, match=r"nothing' gave nothing in place of what passes 'head'"),
        module_hooks(model, [option(modules="head", do="replace", function=f"{own}:nothing")], Recorder()),
    ):
        run(model, X)
    with (
        pytest.raises(TrainwrightError, match=r"gave a gradient of another shape at 'head'\n  why: it is \[\(10, 2, 3\)\], not"),
        module_hooks(model, [option(modules="head", on="backward", do="replace", function=f"{own}:wide")], Recorder()),
    ):
        run(model, X).sum().backward()


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="a hook cannot 'recrod'"):
        option(modules="head", do="recrod")
    for given in ({"do": "replace"}, {"do": "record", "function": "./own.py:f"}):
        with pytest.raises(ValidationError, match="replace and function go together"):
            option(modules="head", **given)
