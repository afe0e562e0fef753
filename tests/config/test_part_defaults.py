"""Defaults of fields that pick a part or a scheduled number are what the field says, however the Config is written."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import trainwright.config.own_parts as tw
from trainwright.config.errors import TrainwrightError
from trainwright.config.model import ConfigModel
from trainwright.config.scheduled import Scheduled

RISING = Scheduled.parse([0.0, 1.0, 10])


class AsModel:
    class Config(ConfigModel):
        field: tw.Part = "default-field"
        maybe: tw.Part | None = "default-field"
        several: list[tw.Part] = ["default-field"]
        weight: Scheduled = 0.05  # type: ignore[assignment]
        rising: Scheduled = RISING


class AsDataclass:
    @dataclass
    class Config:
        field: tw.Part = "default-field"  # type: ignore[assignment]
        maybe: tw.Part | None = "default-field"  # type: ignore[assignment]
        several: list[tw.Part] = dataclasses.field(default_factory=lambda: ["default-field"])  # type: ignore[list-item]
        weight: Scheduled = 0.05  # type: ignore[assignment]
        rising: Scheduled = RISING


class AsPlain:
    class Config:
        field: tw.Part = "default-field"
        maybe: tw.Part | None = "default-field"
        several: list[tw.Part] = ["default-field"]
        weight: Scheduled = 0.05
        rising: Scheduled = RISING


WAYS = pytest.mark.parametrize("made_from", [AsModel, AsDataclass, AsPlain])


def made(width: int = 4) -> int:
    return width


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    before = dict(tw.PARTS)
    tw.register("default-field")(made)
    yield
    tw.PARTS.clear()
    tw.PARTS.update(before)


@WAYS
def test_a_default_part_is_options_as_a_given_one_is(made_from: type) -> None:
    config = tw.configured(made_from)
    for each in (config.field, config.maybe, *config.several):
        assert (each.type, each.width) == ("default-field", 4)
        assert tw.make(each) == 4
    assert tw.configured(made_from, {"field": {"type": "default-field", "width": 5}}).field.width == 5
    assert tw.configured(made_from, {"maybe": None}).maybe is None


@WAYS
def test_a_default_number_is_scheduled_as_a_given_one_is(made_from: type) -> None:
    config = tw.configured(made_from)
    assert config.weight.value(3, 0.0) == 0.05
    assert config.rising.value(5, 0.0) == 0.5
    given: Any = {"weight": [1.0, 0.0, 10], "rising": 2}
    config = tw.configured(made_from, given)
    assert (config.weight.value(5, 0.0), config.rising.value(5, 0.0)) == (0.5, 2.0)


def test_a_config_made_in_python_has_its_default_part_too() -> None:
    config = tw.configured(AsModel, AsModel.Config(weight=RISING))
    assert (config.field.type, config.weight.value(5, 0.0)) == ("default-field", 0.5)
    assert type(config) is AsModel.Config
    assert tw.configured(AsModel, config) is config


class Inner:
    class Config(ConfigModel):
        width: int = 4

    def __init__(self, config: Any) -> None:
        self.width = config.width


def test_options_of_a_part_can_be_pickled_and_copied() -> None:
    tw.register("default-inner")(Inner)
    config = tw.configured(AsModel, {"field": {"type": "default-inner", "width": 6}})
    for again in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config)):
        assert again == config
        assert tw.make(again.field).width == 6


def test_a_default_that_names_no_part_is_refused() -> None:
    class Wrong:
        class Config(ConfigModel):
            field: tw.Part = "default-feild"

    with pytest.raises(TrainwrightError, match="unknown part type 'default-feild'"):
        tw.configured(Wrong)
