from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainwright.config.compose import compose
from trainwright.config.dump import dump, dump_by_pyyaml, dump_values
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
        member = getattr(parts(kind)[name].config, "member", "")  # a library of models, of which one is named
        config = config_of({"data": {"source": "builtin:iris"}, **put(f"{name}/one" if member else name)})
        assert config_of(parse_yaml(dump(config), "dump").plain()) == config


def test_every_default_is_written_and_values_keep_their_spelling():
    text = dump(config_of({"data": {"source": "builtin:iris", "memory_limit": Bytes(1 << 30)}}), schema="trainwright.schema.json")
    assert text.startswith("# yaml-language-server: $schema=trainwright.schema.json\n")
    for line in ("memory_limit: 1 GiB", "evaluate_every: 1 epoch", "patience: 20", "type: adamw", "betas: [0.9, 0.999]", "seed: 0"):
        assert line in text


WORDS = ["no", "Yes", "y", "1e-3", "a,b", "a: b", "- a", "? a", "?", "=", "<<", "~", "a #b", "#a", "{a}", "a" * 130, "ä" * 130, "a\nb"]
KEYS = TEXT | st.sampled_from(["no", "a b", "1", "", "a:"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.sampled_from(WORDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, max_examples=600)
@given(VALUES)
@example({"a": [[[{"b": 1, "c": [[2], []]}]], {}, [], {"d": [{"e": {}}]}]})
@example({"a": {"": 1}, "b": [0.0, -0.0, 0, False, 1, True, 1.0]})
def test_the_text_is_to_the_byte_what_pyyaml_writes(values):
    assert dump_values(values) == dump_by_pyyaml(escaped(values))
