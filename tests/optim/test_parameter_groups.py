"""Groups follow the rules of the configuration, and what the code marks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, RequestError
from trainwright.optim.build import base_learning_rate, build_optimizer, own_weight_decay
from trainwright.optim.group_table import describe, describe_groups
from trainwright.optim.parameter_groups import ParameterGroup, one_group, parameter_groups
from trainwright.optim.parameter_options import ParameterOptions

DECAY = 0.1


class Network(nn.Module):
    """A stem, two blocks and a head, with a norm of two dimensions and an output that shares the embedding's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.LayerNorm([3, 4])) for _ in range(2)])
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 10)
        self.head.weight = self.embed.weight


def groups(network: nn.Module | None = None, **options: Any) -> list[ParameterGroup]:
    return parameter_groups(ParameterOptions.model_validate(options), network or Network(), 1e-2, DECAY)


def by_label(found: list[ParameterGroup]) -> dict[str, list[str]]:
    return {group.label: group.names for group in found}


def test_without_rules_all_parameters_are_one_group() -> None:
    network = Network()
    assert groups(network) == one_group(network.named_parameters())


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("blocks.0", ["blocks.0.0.weight", "blocks.0.0.bias", "blocks.0.1.weight", "blocks.0.1.bias"]),
        ("blocks.*.bias", ["blocks.0.0.bias", "blocks.0.1.bias", "blocks.1.0.bias", "blocks.1.1.bias"]),
        (["norm", "head.bias"], ["norm.weight", "norm.bias", "head.bias"]),
        ("re:blocks\\.[1-9]", ["blocks.1.0.weight", "blocks.1.0.bias", "blocks.1.1.weight", "blocks.1.1.bias"]),
        ("re:.*norm.*", ["norm.weight", "norm.bias"]),
        ("head.weight", ["embed.weight"]),
    ],
)
def test_a_pattern_names_a_parameter_by_any_of_its_names_or_all_under_a_module(match: Any, expected: list[str]) -> None:
    found = groups(rules=[{"match": match, "learning_rate_scale": 0.5}])
    (named,) = [group for group in found if group.scale == 0.5]
    assert named.names == expected
    assert [tuple(param.shape) for param in named.params] == [tuple(Network().get_parameter(name).shape) for name in expected]


@pytest.mark.parametrize(
    ("types", "expected"),
    [(["BatchNorm*"], ["norm.weight", "norm.bias"]), (["_NormBase"], ["norm.weight", "norm.bias"]), (["Embedding"], ["embed.weight"])],
)
def test_a_type_names_what_is_in_modules_of_that_class_or_derived_from_it(types: list[str], expected: list[str]) -> None:
    assert by_label(groups(rules=[{"types": types, "weight_decay": 0.5}]))[f"[{types[0]}]"] == expected


def test_match_and_types_together_name_what_both_name() -> None:
    found = groups(rules=[{"match": "blocks.1", "types": ["LayerNorm"], "weight_decay": 0.0}])
    assert by_label(found)["blocks.1 [LayerNorm]"] == ["blocks.1.1.weight", "blocks.1.1.bias"]


def test_a_later_rule_overrides_an_earlier_one_setting_by_setting() -> None:
    rules = [
        {"match": "blocks", "learning_rate_scale": 0.1, "weight_decay": 0.3},
        {"match": "blocks.1", "learning_rate": 5e-3},
        {"match": "blocks.1.0.bias", "weight_decay": 0.0},
    ]
    found = {name: group for group in groups(rules=rules) for name in group.names}
    first, second, third = found["blocks.0.0.bias"], found["blocks.1.0.weight"], found["blocks.1.0.bias"]
    assert (first.scale, first.weight_decay) == (0.1, 0.3)
    assert (second.scale, second.weight_decay) == (0.5, 0.3)
    assert (third.scale, third.weight_decay) == (0.5, 0.0)
    assert found["head.bias"].weight_decay is None


def test_no_decay_takes_biases_norms_and_small_tensors() -> None:
    found = {group.weight_decay: group.names for group in groups(no_decay=True)}
    assert found[None] == ["embed.weight", "blocks.0.0.weight", "blocks.1.0.weight"]
    assert len(found[0.0]) == len(list(Network().parameters())) - 3


def test_no_decay_takes_names_too() -> None:
    assert by_label(groups(no_decay=["embed"]))["default (no decay)"] == ["embed.weight"]


def test_what_the_code_marks_never_decays() -> None:
    class Marked(Network):
        def no_weight_decay(self) -> set[str]:
            return {"embed.weight"}

    network = nn.Sequential(Marked())
    network[0].norm.weight._no_weight_decay = True
    found = groups(network, rules=[{"match": "*", "weight_decay": 0.7}])
    assert {group.weight_decay: group.names for group in found}[0.0] == ["0.embed.weight", "0.norm.weight"]


def test_an_optimizer_without_decay_needs_no_group_of_what_does_not_decay() -> None:
    network = Network()
    found = parameter_groups(ParameterOptions(no_decay=True), network, 1e-2, 0.0)
    assert found == one_group(network.named_parameters())


def test_layers_learn_the_slower_the_further_they_are_from_the_output() -> None:
    found = {name: group.scale for group in groups(layer_decay=0.5, no_decay=True) for name in group.names}
    expected = {"embed": 0.125, "blocks.0": 0.25, "blocks.1": 0.5, "norm": 1.0, "head": 1.0}
    for name, scale in found.items():
        (wanted,) = [value for module, value in expected.items() if name.startswith(f"{module}.")]
        assert scale == wanted, name


def test_an_absolute_learning_rate_is_left_alone_by_layer_decay_and_a_scale_is_not() -> None:
    rules = [{"match": "blocks.0", "learning_rate": 1e-2}, {"match": "blocks.1", "learning_rate_scale": 2.0}]
    found = {name: group.scale for group in groups(layer_decay=0.5, rules=rules) for name in group.names}
    assert (found["blocks.0.0.weight"], found["blocks.1.0.weight"]) == (1.0, 1.0)


def test_what_is_frozen_for_good_or_needs_no_gradient_is_in_no_group() -> None:
    network = Network()
    network.head.bias.requires_grad_(False)
    found = groups(
        network, rules=[{"match": "*", "freeze": True}, {"match": "blocks.1", "freeze": False}, {"match": "norm", "freeze": "2 epochs"}]
    )
    names = [name for group in found for name in group.names]
    assert names == [name for name, _ in network.named_parameters() if name.startswith(("blocks.1", "norm"))]
    assert [str(group.frozen_until) for group in found if group.frozen_until] == ["2 epochs"]


@pytest.mark.parametrize(
    ("options", "what", "fix"),
    [
        ({"rules": [{"match": "blcks", "weight_decay": 0.0}]}, "called 'blcks'", "did you mean 'blocks'"),
        ({"rules": [{"match": ["norm", "hed.*"], "weight_decay": 0.0}]}, "called 'hed.*'", "did you mean 'head'"),
        ({"rules": [{"types": ["LayrNorm"], "weight_decay": 0.0}]}, "is a LayrNorm", "did you mean 'LayerNorm'"),
        ({"rules": [{"match": "head", "types": ["LayerNorm"], "weight_decay": 0.0}]}, "together name no parameter", "drop one"),
        ({"rules": [{"match": "*", "freeze": True}]}, "every parameter is frozen", "freeze: false"),
        ({"no_decay": ["bias"]}, "called 'bias'", "did you mean 'norm.bias'"),
    ],
)
def test_rules_that_name_nothing_or_freeze_everything_are_refused(options: dict[str, Any], what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as error:
        groups(**options)
    assert what in error.value.what
    assert fix in error.value.fix
    assert error.value.where.startswith("trainer.parameters")


def test_layer_decay_without_layers_and_a_rate_beside_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="layer_decay finds no layers"):
        groups(nn.Linear(2, 2), layer_decay=0.5)
    with pytest.raises(ConfigError, match="needs an optimizer that has one"):
        parameter_groups(ParameterOptions.model_validate({"rules": [{"match": "*", "learning_rate": 0.1}]}), Network(), 0.0, 0.0)
    with pytest.raises(RequestError, match="no parameters to train"):
        groups(nn.ReLU())


def test_the_table_shows_every_group_with_counts_and_what_never_trains() -> None:
    network = Network()
    rules = [
        {"match": "embed", "freeze": True},
        {"match": "blocks", "learning_rate_scale": 0.1, "freeze": "5 epochs", "schedule": "cosine"},
    ]
    rows = describe_groups(groups(network, rules=rules, no_decay=True), network, 1e-2, DECAY)
    assert sum(row["values"] for row in rows) == sum(param.numel() for param in network.parameters())
    assert sum(row["tensors"] for row in rows) == len(list(network.parameters()))
    lines = [line.split() for line in describe(rows).splitlines()]
    assert lines[0][:3] == ["group", "tensors", "values"]
    assert lines[1][:9] == ["blocks", "2", "32", "0.001", "(cosine)", "0.1", "from", "5", "epochs"]
    assert lines[-1] == ["frozen", "1", "40", "never", "embed.weight"]
    assert {row["group"]: (row["tensors"], row["values"]) for row in rows} == {
        "blocks": (2, 32),
        "blocks (no decay)": (6, 56),
        "default (no decay)": (3, 18),
        "frozen": (1, 40),
    }


@pytest.mark.parametrize(
    ("options", "rate", "decay"),
    [
        ({"type": "adamw", "learning_rate": 0.5}, 0.5, 0.01),
        ({"type": "torch.optim.RMSprop", "lr": 0.25}, 0.25, 0.0),
        ({"type": "lookahead", "inner": {"type": "sgd", "learning_rate": 0.25, "weight_decay": 0.5}}, 0.25, 0.5),
        ({"type": "muon", "weight_decay": 0.0, "rest": {"type": "adamw", "weight_decay": 0.5}}, 0.02, 0.5),
        ({"type": "torch.optim.RMSprop"}, 0.01, 0.0),
        ({"type": "torch.optim.Rprop"}, 0.01, 0.0),
    ],
)
def test_the_base_rate_and_decay_of_any_optimizer_are_known_from_its_options(options: dict[str, Any], rate: float, decay: float) -> None:
    chosen = choose("optimizer", options)
    assert (base_learning_rate(chosen), own_weight_decay(chosen)) == (rate, decay)
    assert build_optimizer(chosen, Network().named_parameters()).base_learning_rate == rate


def test_a_step_moves_each_group_by_its_own_rate_and_decay() -> None:
    network = Network()
    found = groups(network, rules=[{"match": "blocks.0", "learning_rate_scale": 0.5}, {"match": "head.bias", "weight_decay": 0.0}])
    optimizer = build_optimizer(choose("optimizer", {"type": "sgd", "learning_rate": 1e-2, "weight_decay": DECAY}), found)
    before = {name: param.detach().clone() for name, param in network.named_parameters()}
    for param in network.parameters():
        param.grad = torch.ones_like(param)
    optimizer.step()
    for name, param in network.named_parameters():
        rate = 5e-3 if name.startswith("blocks.0") else 1e-2
        decay = 0.0 if name == "head.bias" else DECAY
        torch.testing.assert_close(param.detach(), before[name] - rate * (1 + decay * before[name]))
