"""What holds for every block in the table."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from trainwright.config.registry import build, load, options_class, parts
from trainwright.nn import blocks
from trainwright.nn.blocks.given import arguments_of


@pytest.mark.parametrize("name", blocks.PARTS)
def test_the_signature_has_the_options_with_their_order_and_defaults(name: str) -> None:
    fields = {key: each for key, each in options_class("block", name).model_fields.items() if key != "type"}
    parameters = dict(list(inspect.signature(load("block", name).__init__).parameters.items())[1:])
    assert list(fields) == list(parameters)
    for key, field in fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        assert parameters[key].default == (tuple(default) if isinstance(default, list) else default)


@pytest.mark.parametrize("name", blocks.PARTS)
def test_the_class_is_found_in_its_package_by_its_name(name: str) -> None:
    module, _, found = parts("block")[name].path.partition(":")
    assert getattr(import_module(module.rpartition(".")[0]), found) is load("block", name)


def test_a_block_is_made_of_its_options_as_of_arguments() -> None:
    options = options_class("block", "bottleneck").model_validate({"type": "bottleneck", "channels": 8, "groups": 2})
    made = build("block", options)
    assert arguments_of(options)["groups"] == made.conv2.groups == 2
    assert str(made) == str(blocks.Bottleneck(8, groups=2))
