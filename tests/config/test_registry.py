from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from trainwright.config.compose import compose
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.located import validate
from trainwright.config.registry import KINDS, build, canonical_name, load, options_class, parts
from trainwright.config.trust import reading, trusting
from trainwright.systems.run_config import Config

NET = '''
from __future__ import annotations
from trainwright.config.model import PartConfig


class Net:
    """A net of one's own.

    More about it.
    """

    def __init__(
        self, group, width: int = 8, scale: float = 1.0, names: list[str] | None = None, pair: tuple[float, float] = (1, 2), act=len
    ):
        self.group, self.width, self.scale, self.names, self.pair, self.act = group, width, scale, names, pair, act


class Needs:
    def __init__(self, depth: int, nowhere):
        self.depth = depth


class Open:
    def __init__(self, **options):
        self.options = options


class MyOptions(PartConfig):
    type: str = "mine"
    depth: int = 2
    """How deep."""


class Mine:
    def __init__(self, options: MyOptions, group):
        self.options, self.group = options, group


number = 3
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not Path(each, "net.py").is_file()])  # of other tests
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "broken.py").write_text("import json\nvalue = 1 / 0\n")
    (tmp_path / "needing.py").write_text("import no_such_package_at_all\n")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_every_kind_has_options_a_class_and_a_summary(kind):
    for name, part in parts(kind).items():
        assert part.config.model_fields["type"].default in (name, PydanticUndefined), name
        assert part.summary, name
        assert part.config.__doc__, name
        assert callable(load(kind, name)), name


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "part"])  # which holds people's own
def test_every_option_of_every_part_says_what_it_means(kind):
    silent = [
        f"{name}.{key}"
        for name, part in parts(kind).items()
        for key, field in part.config.model_fields.items()
        if key != "type" and not field.description
    ]
    assert not silent


def test_a_name_is_accepted_with_dashes():
    assert options_class("encoder", "piecewise-linear") is options_class("encoder", "piecewise_linear")
    config = validate(
        Config, compose(Config, {"data": {"source": "builtin:iris"}, "model": {"encoders": {"number": "piecewise-linear"}}}, (), {})
    )
    assert config.system.model.encoders["number"].type == "piecewise_linear"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        options_class("encoder", "perodic")
    assert caught.value.fix.startswith("did you mean 'periodic'?")
    with pytest.raises(ConfigError, match="unknown kind 'encodr'"):
        parts("encodr")


class TestClassesNamedByPath:
    def test_options_are_read_from_the_signature_without_what_the_program_fills_in(self, folder):
        options = options_class("encoder", "./net.py:Net")
        assert list(options.model_fields) == ["type", "width", "scale", "names", "pair", "act"]
        assert options.__doc__ == "A net of one's own."
        made = options.model_validate({"type": "x", "width": 3, "pair": [1, 2]})
        assert (made.width, made.scale, made.pair) == (3, 1.0, (1, 2))

    def test_their_types_are_checked_as_strictly(self, folder):
        config = {
            "data": {"source": "builtin:iris"},
            "columns": {"a": {"type": "number", "encoder": {"type": "./net.py:Net", "width": "3", "widht": 1}}},
        }
        with pytest.raises(ManyErrors) as caught:
            validate(Config, compose(Config, config, (), {}))
        assert [each.what for each in caught.value.errors] == [
            "columns.a.encoder.width: '3' is not a whole number",
            "unknown option 'widht' of encoder './net.py:Net' in columns.a.encoder",
        ]
        assert "did you mean 'width'?" in caught.value.errors[1].fix

    def test_they_are_made_with_their_options_and_the_context_they_take(self, folder):
        options = options_class("encoder", "net:Net").model_validate({"type": "net:Net", "width": 3})
        made = build("encoder", options, group="the group", unknown="left out")
        assert (made.group, made.width, made.scale, made.act) == ("the group", 3, 1.0, len)

    def test_keyword_arguments_take_any_option(self, folder):
        options = options_class("encoder", "./net.py:Open").model_validate({"type": "./net.py:Open", "anything": [1]})
        assert build("encoder", options, group=1).options == {"anything": [1]}

    def test_a_class_written_like_ours_is_made_like_ours(self, folder):
        options = options_class("encoder", "./net.py:Mine").model_validate({"type": "./net.py:Mine", "depth": 4})
        made = build("encoder", options, group=1)
        assert (made.options.depth, made.group) == (4, 1)

    def test_what_a_class_needs_and_does_not_get_is_named(self, folder):
        options = options_class("encoder", "net:Needs").model_validate({"type": "net:Needs", "depth": 1, "nowhere": 2})
        assert build("encoder", options).depth == 1
        with pytest.raises(ValueError, match="nowhere"):
            options_class("encoder", "net:Needs").model_validate({"type": "net:Needs", "depth": 1})

    def test_a_file_is_named_by_its_whole_path_afterwards(self, folder, monkeypatch):
        name = canonical_name("encoder", "./net.py:Net")
        assert name == f"{folder / 'net.py'}:Net"
        monkeypatch.chdir("/")
        assert load("encoder", name) is load("encoder", f"{folder}/net.py:Net")

    def test_a_file_is_looked_for_beside_the_config_too(self, folder, monkeypatch):
        (folder / "c.yaml").write_text("data: {source: 'builtin:iris'}\nmodel: {encoders: {number: './net.py:Net'}}\n")
        monkeypatch.chdir("/")
        config = validate(Config, compose(Config, folder / "c.yaml", (), {}))
        assert config.system.model.encoders["number"].type == f"{folder / 'net.py'}:Net"

    def test_code_of_a_run_that_is_gone_is_in_the_copy_that_the_run_keeps(self, tmp_path):
        copy = tmp_path / "run" / "code" / "files" / "nets" / "net.py"
        copy.parent.mkdir(parents=True)
        copy.write_text("")
        with pytest.raises(ConfigError) as caught, trusting(True), reading(tmp_path / "run"):
            load("encoder", f"{tmp_path}/gone/net.py:Net")
        assert caught.value.why == f"no such file: {tmp_path}/gone/net.py"
        assert caught.value.fix == f"the run keeps a copy: mkdir -p {tmp_path}/gone && cp {copy} {tmp_path}/gone/net.py"

    @pytest.mark.parametrize(
        ("name", "why", "fix"),
        [
            ("no_such_package.Net", "No module named 'no_such_package'", "install it"),
            ("no_such_package.deep:Net", "No module named 'no_such_package'", "install it"),
            ("json.Nothing", "has no 'Nothing'", ""),
            ("net:Nett", "net.py has no 'Nett'", "did you mean 'Net'?"),
            ("net.Nett", "net.py has no 'Nett'", "did you mean 'Net'?"),
            ("./absent.py:Net", "no such file", "relative to the working directory"),
            ("/absent/net.py:Net", "no such file: /absent/net.py", "put the file back"),
            ("./net.py:Nett", "net.py has no 'Nett'", "did you mean 'Net'?"),
            ("broken:Net", "ZeroDivisionError: division by zero", "change what"),
            ("./broken.py:Net", "ZeroDivisionError: division by zero", "change what"),
            ("needing:Net", "No module named 'no_such_package_at_all'", "install it"),
            ("net:number", "it is int", "name a class"),
            ("./net.py", "", "write ./net.py:ClassName"),
        ],
    )
    def test_a_path_that_fails_says_why(self, folder, name, why, fix):
        with pytest.raises(ConfigError) as caught:
            load("encoder", name)
        assert why in caught.value.why
        assert fix in caught.value.fix
