"""What `${…}` may say: options, variables, resolvers within each other; and what it answers where it cannot be resolved."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import trainwright as tw
from trainwright.config.compose import override
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.old_forms.load import load
from trainwright.config.resolvers import BUILT_IN, REGISTERED, register_resolver
from trainwright.systems.run_config import compose_config

VALUES = {"n": 100, "rate": 0.1, "loss": {"a": [0, 1.0, 0.1, 50], "b": 0.0}, "which": "loss", "prompt": "a blue cup", "flag": True}


def resolved(text: str, **more: object) -> object:
    return load({**VALUES, "x": text, **more})["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run-${n}", "run-100"),
        ("${mul:${rate},${n}}", 10.0),
        ("${add:${mul:2,${n}},${sub:5,3}}", 202),
        ("${div:1,4}", 0.25),
        ("${idiv:${n},8}", 12),
        ("${calc_exp_lr_decay_rate:0.1,${n}}", 0.1 ** (1 / 100)),
        ("${tuple2:${rate}}", [0.1, 0.1]),
        ("${rmspace:${prompt},_}", "a_blue_cup"),
        ("it/${rmspace:'b, c',-}/${n}", "it/b,-c/100"),
        ("${basename:data/cup.png}", "cup.png"),
        ("${gt0:${loss.b}}", False),
        ("${cmaxgt0:${loss.a}}", True),
        ("${cmaxgt0orcmaxgt0:${loss.b},${loss.a}}", True),
        ("${not:${flag}}", False),
        ("${if:${gt:${n},50},large,small}", "large"),
        ("${${which}.b}", 0.0),
        ("${loss.a[1]}", 1.0),
        ("${max:[1,7,3]}", 7),
        ("${env:NOT_THERE_AT_ALL,${n}}", 100),
        ("${oc.env:NOT_THERE_AT_ALL,a, b}", "a, b"),
        ("${oc.select:nothing.here,3}", 3),
        ("${oc.decode:'[1, 2]'}", "[1, 2]"),
        ("$${n} and \\${n}", "${n} and ${n}"),
        ("${pow:2,10}", 1024),
        ("${join:-,[a,b]}", "a-b"),
    ],
)
def test_references_are_resolved_within_each_other(text: str, expected: object) -> None:
    found = resolved(text)
    assert found == expected and type(found) is type(expected)


def test_a_reference_with_dots_begins_where_it_stands() -> None:
    found = load({"a": {"b": 2, "c": "${.b}", "d": {"e": "${..b}", "f": ["${...b}"]}}})
    assert found["a"]["c"] == found["a"]["d"]["e"] == found["a"]["d"]["f"][0] == 2


def test_what_omegaconf_resolves_is_the_same_here() -> None:
    values = {"a": {"b": 3, "c": "${.b}"}, "d": "${a.b}x", "e": ["${a.c}"], "f": "${oc.select:a.z,7}", "g": "${oc.dict.keys:a}"}
    theirs = OmegaConf.to_container(OmegaConf.create({**values, "g": 0}), resolve=True)
    ours = load(values)
    assert {**ours, "g": 0} == theirs and ours["g"] == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("${mull:1,2}", "there is no resolver 'mull'", "did you mean 'mul'"),
        ("${eval:1+1}", "there is no resolver 'eval'", "tw.register_resolver('eval', function)"),
        ("${mul:1}", "'mul' takes other values", "${mul:a,b}"),
        ("${div:1,0}", "cannot be computed", "${div:a,b}"),
        ("${mul:a,2}", "cannot be computed", "${mul:a,b}"),
        ("${mul:0.1,${n}", "never closed", "close it"),
        ("${mul:0.1,${rat}}", "${rat} names no option", "did you mean ${rate}"),
        ("${x}", "refers to itself", ""),
        ("${HOME}", "names no option", "${env:NAME}"),
        ("${pow:10,${pow:10,10}}", "cannot be computed", "${pow:a,b}"),
        ("${" * 200 + "n" + "}" * 200, "deep in each other", "refer to less"),
    ],
)
def test_what_cannot_be_resolved_is_told_where_it_stands(tmp_path: Path, text: str, what: str, fix: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"n: 100\nx: '{text}'\nrate: 0.1\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert what in caught.value.what and fix in caught.value.fix and caught.value.where.startswith(f"{file}:2:")


def test_a_program_registers_resolvers_and_imports_run_before_they_are_asked(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import trainwright as tw\n\n@tw.register_resolver('half')\ndef half(n):\n    return n // 2\n")
    (tmp_path / "c.yaml").write_text(
        "imports: [./mine.py]\ndata: {source: 'builtin:iris'}\ntargets: [target]\ntrainer: {max_steps: '${half:20}'}\n"
    )
    try:
        composed = compose_config(tmp_path / "c.yaml")
        assert not composed.problems and composed.values["trainer"]["max_steps"] == 10
        with pytest.raises(ConfigError, match="two resolvers are named 'half'"):
            tw.register_resolver("half", lambda n: n)
        tw.register_resolver("half", lambda n: n / 2, replace=True)
        assert load({"a": "${half:3}"})["a"] == 1.5
        register_resolver("half", lambda n: object(), replace=True)
        with pytest.raises(ConfigError, match="which a configuration cannot hold"):
            load({"a": "${half:3}"})
    finally:
        REGISTERED.pop("half", None)


@pytest.mark.parametrize("name", ["mul", "env", "9", "a b", ""])
def test_names_that_cannot_be_registered_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        tw.register_resolver(name, len)


def test_no_resolver_that_is_built_in_runs_text() -> None:
    for name, function in BUILT_IN.items():
        for values in (["__import__('os').getcwd()"], ["1+1", "2"]):
            try:
                found = function(*values)
            except (TypeError, ValueError, AttributeError, OverflowError):
                continue
            assert found != 2 and str(Path.cwd()) not in str(found), name


def test_a_value_that_must_be_given_is_told_where_it_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("data:\n  source: ???\ntargets: [target]\ntrainer:\n  max_steps: ???\n  optimizer:\n    learning_rate: ???\n")
    composed = compose_config(file, ["data.source=builtin:iris", "trainer.max_steps=3"])
    (error,) = composed.problems
    assert error.what.startswith("trainer.optimizer.learning_rate is not given") and error.where == f"{file}:7:20"
    assert "trainer.optimizer.learning_rate=…" in error.fix
    with pytest.raises(ManyErrors) as caught:
        load(file)
    assert len(caught.value.errors) == 3
    assert load({"words": ["???"]}) == {"words": ["???"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("(64, 64)", [64, 64]), ("(1, (2, 'a'))", [1, [2, "a"]]), ("(0.5,)", [0.5]), ("()", []), ("(a, b)", "(a, b)"), ("(64)", "(64)")],
)
def test_tuples_of_an_override_are_lists(text: str, expected: object) -> None:
    assert override(f"system.size={text}").value.plain() == expected
