"""Hooks change, measure and replace the gradients that their patterns name, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.parameter_options import GradientHookOptions


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net(torch.randn(6, 3)).square().sum().backward()
    return net


def hooks(net: nn.Module, *options: dict[str, Any]) -> GradientHooks:
    return GradientHooks([GradientHookOptions.model_validate(each) for each in options], net)


def grads(net: nn.Module) -> dict[str, Tensor]:
    return {name: param.grad.clone() for name, param in net.named_parameters() if param.grad is not None}


def norm(tensors: dict[str, Tensor], prefix: str) -> float:
    return float(torch.cat([each.flatten() for name, each in tensors.items() if name.startswith(prefix)]).norm())


def test_scaling_and_clipping_touch_only_what_is_named() -> None:
    net, before = network(), grads(network())
    hooks(net, {"match": "0", "scale": 0.5}, {"match": "1", "clip_norm": 0.25}, {"match": "1.bias", "clip_value": 0.01}).apply()
    after = grads(net)
    assert torch.equal(after["0.weight"], before["0.weight"] * 0.5)
    torch.testing.assert_close(after["1.weight"], before["1.weight"] * (0.25 / norm(before, "1")))
    assert float(after["1.bias"].abs().max()) == pytest.approx(0.01)


def test_the_norm_is_kept_on_the_device_after_what_else_the_hook_does() -> None:
    net, before = network(), grads(network())
    made = hooks(net, {"match": ["0", "1.bias"], "log": True, "scale": 2.0}, {"match": "*", "log": True})
    assert made.collect_norms() == {}
    made.apply(measure=False)
    assert made.collect_norms() == {}
    made.apply()
    expected = 4 * (norm(before, "0") ** 2 + norm(before, "1.bias") ** 2) ** 0.5
    logged = made.collect_norms()
    assert list(logged) == ["gradient_norm/0 1.bias", "gradient_norm/*"]
    assert float(logged["gradient_norm/0 1.bias"]) == pytest.approx(expected, rel=1e-5)
    again = hooks(net, {"match": ["0", "1.bias"], "log": True}, {"match": "*", "log": True})
    again.load(logged)
    assert again.collect_norms() == logged


def test_a_function_of_ones_own_replaces_or_changes_the_gradient(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def flip(name, gradient):\n    return -gradient if name.endswith('weight') else None\n")
    net, before = network(), grads(network())
    hooks(net, {"match": "*", "function": f"{tmp_path}/mine.py:flip"}).apply()
    after = grads(net)
    assert all(torch.equal(after[name], -each if name.endswith("weight") else each) for name, each in before.items())


def test_an_added_hook_sees_names_and_gradients_until_it_is_removed() -> None:
    net = network()
    made = hooks(net)
    assert not made
    seen: list[str] = []

    def see(name: str, gradient: Tensor) -> None:
        seen.append(name)
        gradient.zero_()

    handle = made.add("1.*", see)
    assert made
    net[1].bias.grad = None
    made.apply()
    assert seen == ["1.weight"]
    assert float(grads(net)["1.weight"].abs().sum()) == 0
    handle.remove()
    handle.remove()
    made.apply()
    assert seen == ["1.weight"]


def test_a_hook_may_remove_itself_while_it_runs() -> None:
    net = network()
    made, seen = hooks(net), []
    handle = made.add("0.weight", lambda name, gradient: (seen.append(name), handle.remove())[0])
    made.add("1.bias", lambda name, gradient: seen.append(name))
    made.apply()
    made.apply()
    assert seen == ["0.weight", "1.bias", "1.bias"]


@pytest.mark.parametrize(("given", "said"), [(torch.zeros(2), r"of shape \(2,\)"), (3.0, "a float")])
def test_what_is_no_gradient_is_refused(given: Any, said: str) -> None:
    made = hooks(network())
    made.add("0.weight", lambda name, gradient: given)
    with pytest.raises(TrainwrightError, match=f"gave {said} for '0.weight'"):
        made.apply()


def test_patterns_that_name_nothing_and_functions_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(ConfigError, match="called 'encoder'") as error:
        hooks(network(), {"match": "0", "scale": 0.5}, {"match": "encoder", "scale": 0.5})
    assert error.value.where == "trainer.gradient_hooks.1"
    for function in ("no_such_package.grad:flip", "math:pi"):
        with pytest.raises(ConfigError):
            hooks(network(), {"match": "*", "function": function})
