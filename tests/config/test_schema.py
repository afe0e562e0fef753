from __future__ import annotations

import json

from trainwright.config.options import by_section, options_of, part_options
from trainwright.config.registry import KINDS, aliases, parts
from trainwright.config.schema import json_schema
from trainwright.systems.run_config import Config

SCHEMA = json_schema(Config)


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_reference_has_its_definition():
    assert {each.removeprefix("#/$defs/") for each in references(SCHEMA)} <= set(SCHEMA["$defs"])


def test_every_part_of_every_kind_is_a_choice_by_type():
    for kind in KINDS:
        if not parts(kind):
            continue  # people's own, which no schema knows
        names = next(each["enum"] for each in SCHEMA["$defs"][kind]["anyOf"] if "enum" in each)
        assert names == [*parts(kind), *aliases(kind)]
        for name, part in parts(kind).items():
            described = SCHEMA["$defs"][f"{kind}.{name}"]
            assert described["properties"]["type"]["const"] == name
            assert set(described["properties"]) == set(part.config.model_fields)
            assert described["additionalProperties"] is (f"{kind}.{name}" == "feature.auto")  # the options of the type found later


def test_every_option_is_described():
    for name, definition in SCHEMA["$defs"].items():
        for key, option in definition.get("properties", {}).items():
            assert option.get("description"), f"{name}.{key}"


def test_defaults_are_written_as_in_a_file():
    properties = SCHEMA["$defs"]["TrainerConfig"]["properties"]
    assert properties["evaluate_every"]["default"] == "1 epoch"
    assert SCHEMA["$defs"]["data-of-supervised"]["properties"]["memory_limit"]["default"] == "4 GiB"


def test_it_is_the_same_each_time_and_plain_json():
    assert json.loads(json.dumps(SCHEMA)) == json_schema(Config)


def test_options_are_listed_with_path_type_default_and_meaning():
    options = {each.path: each for each in options_of(Config)}
    assert (options["trainer.max_epochs"].type, options["trainer.max_epochs"].default) == ("integer ≥ 1 or null", "null")
    assert options["trainer.early_stopping.patience"].default == "20"
    assert options["trainer.optimizer"].type == "optimizer"
    assert options["data.source"].required
    assert all(each.meaning for each in options.values())


def test_options_are_grouped_by_section():
    sections = by_section(Config)
    assert list(sections) == ["", "data", "model", "trainer", "evaluation", "launch", "run"]
    assert [each.path for each in sections[""]] == [
        "targets",
        "inputs",
        "ignore",
        "columns",
        "loss",
        "metrics",
        "imports",
        "parser",
        "arguments",
        "system",
    ]


def test_the_options_of_a_part_leave_its_type_out():
    assert [each.path for each in part_options("encoder", "dense")] == ["depth", "width", "activation", "dropout"]
