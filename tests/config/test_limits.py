from __future__ import annotations

import os
import time
from itertools import pairwise

import pytest

from trainwright.config.choice import choose
from trainwright.config.compose import compose
from trainwright.config.dump import dump_values
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.config.limits import MOST_DEPTH, MOST_VALUES
from trainwright.config.located import validate
from trainwright.config.old_forms.load import load
from trainwright.config.places import Place
from trainwright.config.reading import literal, parse_yaml
from trainwright.systems.run_config import Config

DATA = "data: {source: 'builtin:iris'}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(7)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(500))
REFERENCE = "${%s}"
LETTERS = "abcdefghij"
REFERENCES = "a: [x, x, x, x, x, x, x, x, x]\n"
REFERENCES += "".join(f"{after}: {[REFERENCE % before] * 9}\n" for before, after in pairwise(LETTERS))
TEXTS = "a: xxxxxxxxxx\n"
TEXTS += "".join(f"{after}: '{REFERENCE % before * 9}'\n" for before, after in pairwise(LETTERS))
LONG_CHAIN = "".join(f'a{i}: "${{a{i + 1}}}"\n' for i in range(1500)) + "a1500: x\n"


def refused(text, **given):
    """What is said of a configuration, all mistakes in one text."""
    start = time.process_time()
    with pytest.raises(RequestError) as caught:
        validate(Config, compose(Config, text, **given))
    assert time.process_time() - start < 10
    return str(caught.value)


@pytest.fixture
def written(tmp_path):
    def write(text, name="c.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("text", [BOMB, BOMB + "targets: *h\n", f"base: &x {{k: 1}}\n{BOMB}"])
def test_aliases_that_multiply_are_refused_at_once(written, text):
    assert "too many values" in refused(written(text))


def test_references_that_multiply_are_refused(written):
    assert "too many values" in refused(written(REFERENCES))
    assert "1,000,000 characters" in refused(written(TEXTS))
    assert "references more than 100 times" in refused(written(LONG_CHAIN))


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{a: " * 5000 + "}" * 5000, CHAIN, "".join("  " * i + "a:\n" for i in range(400))])
def test_what_is_nested_too_deep_is_refused_with_its_place(text):
    with pytest.raises(ConfigError, match=r"more than 100 deep") as caught:
        parse_yaml(text, "x.yaml")
    assert caught.value.where.startswith("x.yaml:")
    assert caught.value.fix


def test_a_hundred_levels_and_a_hundred_thousand_values_are_read():
    assert parse_yaml("[" * MOST_DEPTH + "]" * MOST_DEPTH, "x.yaml").plain()
    repeated = f"a: &a [{', '.join('x' * 100)}]\nb: [{', '.join(['*a'] * 900)}]\n"
    assert len(parse_yaml(repeated, "x.yaml").plain()["b"]) == 900


def test_python_values_that_hold_themselves_are_refused():
    circle: dict[str, object] = {}
    circle["run"] = circle
    assert "more than 100 deep" in refused(circle)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !!set {x}", "!!set"),
        ("a: !!omap [x: 1]", "!!omap"),
        ("a: !foo [1]", "!foo"),
        ("a: !foo {b: 1}", "!foo"),
        ("!foo {a: 1}", "!foo"),
        ("!foo a: 1", "!foo"),
        ("a: !!map [1]", "!!map"),
        ("a: !!seq {b: 1}", "!!seq"),
        ("a: !!python/object:os.system {x: 1}", "python/object"),
        ("a: !!python/tuple [1, 2]", "python/tuple"),
        ("a: !!timestamp 2020-01-01", "!!timestamp"),
        ("a: !!binary aGk=", "!!binary"),
        ("a: &x [1]\nb: !!set *x", "alias"),
    ],
)
def test_no_tag_is_dropped_without_a_word(text, tag):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    assert tag in caught.value.what or "not valid YAML" in caught.value.what
    assert caught.value.where.startswith("x.yaml:")


@pytest.mark.parametrize("text", ["!!int abc", "!!float x", "!!bool yes", "!!null x", "!!int 1.5", "!!int ''"])
def test_a_value_that_is_not_what_its_tag_says_is_refused(text):
    with pytest.raises(ConfigError, match="tag"):
        parse_yaml(f"a: {text}", "x.yaml")


@pytest.mark.parametrize(("text", "expected"), [("!!float 3", 3.0), ("!!str [1]", None), ("!!map {b: 1}", {"b": 1}), ("!!seq [1]", [1])])
def test_tags_that_say_what_is_there_are_read(text, expected):
    if expected is not None:
        assert parse_yaml(f"a: {text}", "x.yaml").plain() == {"a": expected}


def test_two_merge_keys_are_refused_as_any_key_given_twice():
    with pytest.raises(ConfigError, match="'<<' is given twice"):
        parse_yaml("x: &x {a: 1}\ny: &y {b: 2}\nc: {<<: *x, <<: *y}\n", "x.yaml")


@pytest.mark.parametrize("value", ["9" * 301, "-" + "9" * 5000, "0x" + "f" * 5000])
def test_numbers_with_too_many_digits_are_refused(value):
    with pytest.raises(ConfigError, match="digits"):
        parse_yaml(f"a: {value}", "x.yaml")
    with pytest.raises(ConfigError, match="digits"):
        literal(value, Place("command line"))


def test_numbers_beyond_the_range_of_floats_are_refused_and_infinity_is_read():
    with pytest.raises(ConfigError, match="too large"):
        parse_yaml("a: 1e400", "x.yaml")
    assert parse_yaml("a: -.inf", "x.yaml").plain() == {"a": float("-inf")}


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1.5", "1e300", str(2**64), "-1", "'7'", "[1]", "!!float 3"])
def test_whole_numbers_take_nothing_else(written, value):
    said = refused(written(f"{DATA}run: {{seed: {value}}}\n"))
    assert "c.yaml:2:" in said
    assert "fix:" in said


@pytest.mark.parametrize("value", [0, 2**63, 2**64 - 1])
def test_a_seed_has_64_bits(value):
    assert validate(Config, compose(Config, {"data": {"source": "builtin:iris"}, "run": {"seed": value}})).run.seed == value


@pytest.mark.parametrize("path", ["trainer.max_steps", "trainer.batch_size", "model.combiner.width"])
def test_no_whole_number_goes_beyond_64_bits(path):
    assert "64 bits" in refused({"data": {"source": "builtin:iris"}}, overrides=[f"{path}={10**40}"])


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "caf\udce9"])
def test_text_that_no_file_can_hold_is_refused(text):
    for values in ({"run": {"name": text}}, {"targets": [text]}, {"columns": {text: "number"}}):
        said = refused({"data": {"source": "builtin:iris"}, **values})
        assert "NUL" in said or "surrogate" in said


@pytest.mark.parametrize("name", ["x" * 300, "é" * 150, "a/" * 3000])
@pytest.mark.parametrize("option", ["name", "dir"])
def test_paths_too_long_are_refused(name, option):
    assert "too long" in refused({"data": {"source": "builtin:iris"}, "run": {option: name}})


@pytest.mark.parametrize("ending", ["yaml", "json", "ini", "txt"])
def test_files_that_are_no_text_in_utf_8_are_refused(written, ending):
    for content in (b"a: \xff\n", "a: 1\n".encode("utf-16"), b"\x89PNG\r\n\x1a\n\0\0"):
        said = refused(written(content, f"c.{ending}"))
        assert "UTF-8" in said and "fix:" in said


def test_a_byte_order_mark_is_no_part_of_the_first_key(written):
    assert load(written(b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


@pytest.mark.parametrize("ending", ["yaml", "json", "ini"])
def test_what_is_no_regular_file_of_moderate_size_is_not_opened(tmp_path, ending):
    places = {kind: tmp_path / f"{kind}.{ending}" for kind in ("pipe", "device", "folder", "huge")}
    os.mkfifo(places["pipe"])
    places["device"].symlink_to("/dev/zero")
    places["folder"].mkdir()
    with places["huge"].open("wb") as file:
        file.truncate(100_000_000)
    for kind, said in {"pipe": "a pipe", "device": "a device", "folder": "a folder", "huge": "too large"}.items():
        text = refused(places[kind])
        assert said in text and "fix:" in text
    with pytest.raises(ConfigError, match="too long"):
        load("x" * 400 + f".{ending}")


def test_json_is_refused_as_yaml_is(written):
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    assert "deep" in refused(written(deep, "c.json"))
    assert "cannot be read" in refused(written(f'{{"run": {{"seed": {"9" * 5000}}}}}', "c.json"))
    assert "'seed' is given twice" in refused(written('{"data": {"source": "builtin:iris"}, "run": {"seed": 1, "seed": 2}}', "c.json"))
    escaped = '{"data": {"source": "builtin:iris"}, "run": {"name": "\\/a", "seed": 1, "seed": 2}}'
    assert "'seed' is given twice" in refused(written(escaped, "c.json"))
    assert "not a whole number" in refused(written('{"data": {"source": "builtin:iris"}, "run": {"seed": NaN}}', "c.json"))
    many = '{"targets": [' + ", ".join(['"x"'] * (MOST_VALUES + 1)) + "]}"
    assert "too many values" in refused(written(many, "c.json"))


def test_what_a_run_writes_of_a_wide_table_can_be_read():
    """A run that could not be predicted, resumed or reported because it has many columns would be lost."""
    one = parse_yaml(dump_values({"c": choose("feature", "number").model_dump(mode="json")}), "config.yaml")
    assert 15_000 * 2 * sum(1 for _ in one.walk()) < MOST_VALUES  # a key counts as well as its value


def test_what_a_base_file_holds_is_refused_alike(written):
    written(BOMB, "base.yaml")
    assert "too many values" in refused(written(f"base: base.yaml\n{DATA}"))
    written("run: !foo {seed: 1}\n", "base.yaml")
    assert "base.yaml:1:6" in refused(written(f"base: base.yaml\n{DATA}"))


@pytest.mark.parametrize("key", ['"a\\q".b', '"\\u12".b', "a.", "", ".a", "a..b", "columns." + "9" * 5000])
def test_broken_keys_of_settings_are_refused(key):
    assert refused({"data": {"source": "builtin:iris"}}, overrides=[f"{key}=1"])


def test_all_mistakes_of_a_file_are_still_told_together(written):
    with pytest.raises(ManyErrors) as caught:
        validate(Config, compose(Config, written(f'{DATA}run: {{seed: .nan, name: "a\\0b"}}\ntrainer: {{max_epochs: {10**30}}}\n')))
    assert len(caught.value.errors) == 3
