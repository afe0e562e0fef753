from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.compose import compose
from trainwright.config.dump import dump
from trainwright.config.located import validate
from trainwright.config.reading import parse_yaml
from trainwright.config.registry import parts
from trainwright.config.sizes import Bytes
from trainwright.systems.run_config import Config

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAME = TEXT.filter(lambda text: len(text.encode()) < 200)
DURATION = st.builds(lambda count, unit: f"{count} {unit}", st.integers(1, 10**6), st.sampled_from(["epochs", "steps", "s", "min", "h"]))
TIME = st.builds(lambda count, unit: f"{count} {unit}", st.integers(1, 10**6), st.sampled_from(["s", "min", "h", "d"]))
POSITIVE = st.floats(1e-12, 1e12)
OPTIMIZER = st.one_of(
    st.sampled_from(["sgd", "adam"]),
    st.fixed_dictionaries({"type": st.just("adamw")}, optional={"learning_rate": POSITIVE, "weight_decay": POSITIVE}),
)
TRAINER = st.fixed_dictionaries(
    {},
    optional={
        "max_epochs": st.integers(1, 10**6),
        "max_time": TIME,
        "batch_size": st.integers(0, 4096),
        "evaluate_every": DURATION,
        "monitor": TEXT,
        "early_stopping": st.none() | st.fixed_dictionaries({"patience": st.integers(1, 99), "min_delta": POSITIVE}),
        "optimizer": OPTIMIZER,
        "clip": st.fixed_dictionaries({}, optional={"norm": POSITIVE}),
        "sanity_check": st.integers(0, 3),
    },
)
COLUMNS = st.dictionaries(
    TEXT,
    st.one_of(
        st.sampled_from(["number", "category", "ignore"]),
        st.fixed_dictionaries({"type": st.just("number"), "fill": st.none() | POSITIVE | TEXT}),
    ),
    max_size=4,
)
CONFIGS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"source": st.just("builtin:iris")}, optional={"memory_limit": st.integers(0, 2**50) | st.just("3 MB")}
        )
    },
    optional={
        "targets": st.lists(TEXT),
        "inputs": st.one_of(TEXT, st.lists(TEXT)),
        "columns": COLUMNS,
        "trainer": TRAINER,
        "run": st.fixed_dictionaries({}, optional={"name": NAME, "dir": NAME, "seed": st.integers(0, 2**64 - 1)}),
    },
)


def config_of(values):
    return validate(Config, compose(Config, values, (), {}))


def escaped(values):
    if isinstance(values, dict):
        return {key: escaped(each) for key, each in values.items()}
    if isinstance(values, list):
        return [escaped(each) for each in values]
    return values.replace("${", "$${") if isinstance(values, str) else values


@settings(deadline=None)  # the first example builds the checks of every part
@given(CONFIGS)
def test_a_dumped_config_read_again_is_the_same_config(values):
    config = config_of(escaped(values))
    again = config_of(parse_yaml(dump(config), "dump").plain())
    assert again == config
    assert dump(again) == dump(config)


@pytest.mark.parametrize("kind", ["feature", "combiner", "encoder"])
def test_every_part_survives_being_dumped(kind):
    names = list(parts(kind))
    place = {"feature": lambda each: {"columns": {"a": each}}, "encoder": lambda each: {"model": {"encoders": {"number": each}}}}
    put = place.get(kind, lambda each: {"model": {"combiner": each}})
    for name in names:
        config = config_of({"data": {"source": "builtin:iris"}, **put(name)})
        assert config_of(parse_yaml(dump(config), "dump").plain()) == config


def test_every_default_is_written_and_values_keep_their_spelling():
    text = dump(config_of({"data": {"source": "builtin:iris", "memory_limit": Bytes(1 << 30)}}), schema="trainwright.schema.json")
    assert text.startswith("# yaml-language-server: $schema=trainwright.schema.json\n")
    for line in ("memory_limit: 1 GiB", "evaluate_every: 1 epoch", "patience: 20", "type: adamw", "betas: [0.9, 0.999]", "seed: 0"):
        assert line in text
