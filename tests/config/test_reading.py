from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.dump import dump_values
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.places import Place, parse_path, spell_key
from trainwright.config.reading import literal, parse_yaml, read_yaml


def value(text):
    return parse_yaml(text, "x.yaml").plain()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("1e-3", 1e-3),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("'1e-3'", "1e-3"),
        ("!!str 3", "3"),
    ],
)
def test_plain_values_are_read_by_yaml_1_2(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_every_value_knows_its_line_and_column():
    root = parse_yaml("a: 1\nb:\n  c: [x, yy]\n", "x.yaml")
    assert str(root.value["a"].place) == "x.yaml:1:4"
    assert str(root.value["b"].value["c"].key) == "x.yaml:3:3"
    assert str(root.value["b"].value["c"].value[1].place) == "x.yaml:3:10"


def test_keys_are_text_even_when_they_look_like_numbers():
    assert value("{1: a, true: b}") == {"1": "a", "true": "b"}


def test_duplicate_keys_are_all_named_with_both_places():
    with pytest.raises(ManyErrors) as caught:
        value("a: 1\nb: 2\na: 3\nb: 4\n")
    assert [str(each).splitlines()[0] for each in caught.value.errors] == [
        "x.yaml:3:1: 'a' is given twice",
        "x.yaml:4:1: 'b' is given twice",
    ]
    assert "x.yaml:1:1" in caught.value.errors[0].why


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\n", "x.yaml:2:1"),
        ("a: 1\n\tb: 2\n", "x.yaml:2:1"),
        ("a: b: c\n", "x.yaml:1:5"),
        ("a: *nowhere\n", "x.yaml:1:4"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1"),
        ("a: !!python/object:os.system x\n", "x.yaml:1:4"),
        ("a: !run x\n", "x.yaml:1:4"),
        ("a: &x [*x]\n", "x.yaml:1:4"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_at_its_place(text, place):
    with pytest.raises(ConfigError) as caught:
        value(text)
    assert caught.value.where == place


def test_anchors_and_merge_keys_are_understood():
    assert value("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\n")["mine"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(("content", "what"), [("- a\n", "holds a list"), ("text", "holds 'text'")])
def test_a_config_file_holds_a_mapping(tmp_path, content, what):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ConfigError, match=what):
        read_yaml(tmp_path / "c.yaml")


def test_an_absent_file_is_answered_with_the_nearest_name(tmp_path):
    (tmp_path / "titanic.yaml").write_text("a: 1")
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "titanik.yaml")
    assert "titanic.yaml" in caught.value.fix


@pytest.mark.parametrize(("there", "fix"), [(["iris.yaml", "wine.yml"], "iris.yaml, wine.yml"), ([], "no .yaml file is in that folder")])
def test_an_absent_file_that_resembles_none_is_answered_with_what_is_there(tmp_path, there, fix):
    for name in there:
        (tmp_path / name).write_text("a: 1")
    with pytest.raises(ConfigError) as caught:
        read_yaml(tmp_path / "nope.yaml")
    assert fix in caught.value.fix


def test_of_a_key_given_twice_the_first_value_is_read_where_problems_are_collected():
    problems = []
    assert parse_yaml("a: 1\na: 2\na: 3\n", "x.yaml", problems).plain() == {"a": 1}
    assert [each.where for each in problems] == ["x.yaml:2:1", "x.yaml:3:1"]


def test_a_binary_file_is_no_config(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        read_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("[a, 1]", ["a", 1]),
        ("{type: mlp, width: 3}", {"type": "mlp", "width": 3}),
        ("null", None),
        ("", None),
        ("*.csv", "*.csv"),
        (",", ","),
        ("|", "|"),
        ("-", "-"),
        ("#1", "#1"),
        ("a #b", "a #b"),
        ("&x y", "&x y"),
        ("%", "%"),
        ("@home", "@home"),
        ("builtin:iris", "builtin:iris"),
        ("a: b", "a: b"),
        ("'x'", "x"),
        ("${run.seed}", "${run.seed}"),
    ],
)
def test_an_override_is_yaml_where_it_is_yaml_and_text_elsewhere(text, expected):
    assert literal(text, Place("command line")).plain() == expected


def test_an_unclosed_bracket_in_an_override_is_an_error():
    with pytest.raises(ConfigError, match="not valid YAML"):
        literal("[a, b", Place("command line: x=[a, b"))


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(0, 99)), min_size=1).filter(lambda keys: isinstance(keys[0], str)))
def test_a_path_is_spelled_so_that_it_parses_to_itself(keys):
    def folded(path):  # a column named "3" and the item 3 of a list are written alike, except in quotes
        return tuple(str(each) for each in path)

    assert folded(parse_path(spell_key(tuple(keys)))) == folded(keys)


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.sampled_from(["no", "1e-3", "0o7", "~", "${x}", "$${", "=", "<<"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


@given(PLAIN)
def test_dumped_values_are_read_back_the_same(plain):
    def escaped(each):
        if isinstance(each, dict):
            return {key: escaped(inner) for key, inner in each.items()}
        if isinstance(each, list):
            return [escaped(inner) for inner in each]
        return each.replace("${", "$${") if isinstance(each, str) else each

    assert parse_yaml(dump_values({"a": plain}), "x").plain() == escaped({"a": plain})


@given(st.text(st.characters(codec="ascii", exclude_categories=("Cc",))))
def test_dumped_text_means_the_same_to_other_yaml_readers(text):
    assert yaml.safe_load(dump_values({"a": text}))["a"] == text.replace("${", "$${")


@pytest.mark.parametrize("text", ["data: {type: own, rows: ${x}}", "data: {type: own,\n  rows: ${x}, n: 3}"])
def test_a_bare_reference_inside_braces_is_answered_with_quotes(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "it.yaml")
    assert caught.value.fix == 'quote a reference inside braces: "${x}"'
    with pytest.raises(ConfigError) as caught:
        parse_yaml('data: {rows: "${x}"\nn: 3', "it.yaml")
    assert caught.value.fix == "close every bracket and quote"
