from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import configargparse
import numpy as np
import pytest
import torch
from omegaconf import MISSING, OmegaConf
from pydantic import BaseModel
from yacs.config import CfgNode

from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.loading import is_old_form, read_file
from trainwright.config.old_forms.load import load
from trainwright.config.old_forms.node import ConfigNode
from trainwright.config.old_forms.with_parser import read_with_parser

NERF = """\
expname = blender_paper_chair
basedir = ./logs
# the data
datadir = ./data/nerf_synthetic/chair   # where it is
dataset_type: blender
--chunk 4096

no_batching = True
use_viewdirs
white_bkgd = true
half_res = no

lrate = 5e-4
N_samples = 64
precrop_frac = .5
[rendering]
; more
layers = [1, 2, 3]
names = [apple, "orange", lemon]
fruit = ["a", "b"]
title = "64"
nothing = None
empty =
"""


def nerf_parser(kind: type[argparse.ArgumentParser] = argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser = kind()
    parser.add_argument("--expname", type=str, help="experiment name")
    parser.add_argument("--basedir", default="./logs/")
    parser.add_argument("--datadir")
    parser.add_argument("--dataset_type", choices=["llff", "blender"])
    parser.add_argument("--chunk", type=int, default=1024)
    for flag in ("--no_batching", "--use_viewdirs", "--white_bkgd", "--half_res"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--lrate", type=float)
    parser.add_argument("--N_samples", type=int)
    parser.add_argument("--precrop_frac", type=float)
    parser.add_argument("--layers", type=int, nargs="+")
    parser.add_argument("--names", action="append")
    parser.add_argument("--fruit", action="append")
    parser.add_argument("--title")
    parser.add_argument("--nothing")
    parser.add_argument("--empty")
    parser.add_argument("--keep", action="store_false")
    parser.add_argument("--ratio", type=float, default=0.25)
    return parser


@pytest.fixture
def nerf(tmp_path: Path) -> Path:
    path = tmp_path / "chair.txt"
    path.write_text(NERF)
    return path


def errors_of(caught: pytest.ExceptionInfo[Any]) -> list[ConfigError]:
    return caught.value.errors if isinstance(caught.value, ManyErrors) else [caught.value]


class TestKeyValueFiles:
    def test_values_are_typed_and_sections_are_sections(self, nerf: Path) -> None:
        assert load(nerf) == {
            "expname": "blender_paper_chair",
            "basedir": "./logs",
            "datadir": "./data/nerf_synthetic/chair",
            "dataset_type": "blender",
            "chunk": 4096,
            "no_batching": True,
            "use_viewdirs": True,
            "white_bkgd": True,
            "half_res": "no",
            "lrate": 5e-4,
            "N_samples": 64,
            "precrop_frac": 0.5,
            "rendering": {
                "layers": [1, 2, 3],
                "names": ["apple", "orange", "lemon"],
                "fruit": ["a", "b"],
                "title": "64",
                "nothing": None,
                "empty": "",
            },
        }

    def test_a_line_is_read_as_configargparse_reads_it(self, nerf: Path) -> None:
        from trainwright.config.old_forms.key_value import read_lines

        with nerf.open() as file:
            theirs = configargparse.DefaultConfigFileParser().parse(file)
        ours = {each.keys[-1]: each.value for each in read_lines(nerf, sections=False)}
        assert ours == {key.lstrip("-"): value for key, value in theirs.items() if not key.startswith("---")}

    def test_with_a_parser_they_are_what_configargparse_makes_of_them(self, nerf: Path) -> None:
        theirs = nerf_parser(configargparse.ArgumentParser)
        theirs.add_argument("--config", is_config_file=True)
        expected = vars(theirs.parse_args(["--config", str(nerf)]))
        expected.pop("config")
        assert load(nerf, parser=nerf_parser()) == expected
        assert expected["layers"] == [1, 2, 3] and expected["half_res"] is False and expected["keep"] is True

    def test_a_configargparse_parser_does_too(self, nerf: Path) -> None:
        assert load(nerf, parser=nerf_parser(configargparse.ArgumentParser)) == load(nerf, parser=nerf_parser())

    def test_unknown_keys_and_wrong_values_are_told_with_line_and_nearest_name(self, tmp_path: Path) -> None:
        path = tmp_path / "c.txt"
        path.write_text("N_sample = 3\nlrate = fast\nchunk = 3\n\nwhite_bkgd = perhaps\ndataset_type = blendr\n")
        with pytest.raises(ManyErrors) as caught:
            load(path, parser=nerf_parser())
        assert [(each.where, each.what) for each in errors_of(caught)] == [
            (f"{path}:1:1", "unknown option 'N_sample'"),
            (f"{path}:2:9", "--lrate: invalid float value: 'fast'"),
            (f"{path}:5:14", "'white_bkgd' is a flag, and 'perhaps' is not true or false"),
            (f"{path}:6:16", errors_of(caught)[3].what),
        ]
        assert "did you mean 'N_samples'?" in errors_of(caught)[0].fix
        assert "invalid choice: 'blendr'" in errors_of(caught)[3].what

    def test_what_a_parser_requires_is_asked_for_at_the_file(self, tmp_path: Path) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--a", required=True)
        parser.add_argument("--b", required=True)
        (tmp_path / "c.ini").write_text("a = 1\n")
        with pytest.raises(ConfigError) as caught:
            read_with_parser(tmp_path / "c.ini", parser)
        assert caught.value.where == str(tmp_path / "c.ini") and "required: --b" in caught.value.what

    def test_counts_optional_flags_and_nested_lists_are_words_of_a_command(self, tmp_path: Path) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("-v", "--verbose", action="count", default=0)
        parser.add_argument("--cache", action=argparse.BooleanOptionalAction, default=True)
        parser.add_argument("--pair", action="append", nargs=2, type=int)
        (tmp_path / "c.ini").write_text("verbose = 2\ncache = off\npair = [[1, 2], [3, 4]]\n")
        assert load(tmp_path / "c.ini", parser=parser) == {"verbose": 2, "cache": False, "pair": [[1, 2], [3, 4]]}

    def test_keys_with_dots_are_nested_and_every_value_knows_its_place(self, tmp_path: Path) -> None:
        path = tmp_path / "c.ini"
        path.write_text("[trainer]\nmax_epochs = 3\noptimizer.type = adamw\n\n  [data]\nsource = a b.csv ; table\n")
        assert load(path) == {"trainer": {"max_epochs": 3, "optimizer": {"type": "adamw"}}, "data": {"source": "a b.csv"}}
        node = read_file(path)
        assert str(node.nearest(("trainer", "max_epochs"))[0].place) == f"{path}:2:14"
        assert str(node.nearest(("data", "source"))[0].key) == f"{path}:6:1"

    def test_mistakes_of_form_are_told_with_their_line(self, tmp_path: Path) -> None:
        path = tmp_path / "c.ini"
        path.write_text("= 3\nok = 1\n[half\n")
        with pytest.raises(ManyErrors) as caught:
            load(path)
        assert [each.where for each in errors_of(caught)] == [f"{path}:1:1", f"{path}:3:1"]
        path.write_text("a = 1\na = 2\n")
        with pytest.raises(ConfigError, match="'a' is given twice") as twice:
            load(path)
        assert twice.value.why == f"it was given before at {path}:1:1"
        path.write_text("a = 1\na.b = 2\n")
        with pytest.raises(ConfigError, match=r"'a\.b' lies inside a plain value"):
            load(path)
        with pytest.raises(ConfigError, match="no such file"):
            load(tmp_path / "absent.ini")


class TestFiles:
    def test_yaml_comes_with_its_bases(self, tmp_path: Path) -> None:
        (tmp_path / "base.yaml").write_text("a: {b: 1, c: 2}\nd: [1]\n")
        (tmp_path / "top.yaml").write_text("base: base.yaml\na: {c: 3}\n'e.f': 4\n")
        assert load(tmp_path / "top.yaml") == {"a": {"b": 1, "c": 3}, "d": [1], "e.f": 4}
        (tmp_path / "base.yaml").write_text("base: top.yaml\n")
        with pytest.raises(ConfigError, match="circle"):
            load(str(tmp_path / "top.yaml"))

    def test_json_is_read_by_its_own_rules(self, tmp_path: Path) -> None:
        path = tmp_path / "c.json"
        path.write_text('{\n\t"a": {"b": [1, 2.5, null, true]},\n\t"smile": "\\ud83d\\ude00", "path": "a\\/b"\n}')
        assert load(path) == {"a": {"b": [1, 2.5, None, True]}, "smile": "😀", "path": "a/b"}
        path.write_text('{"a": {"b": 1}}')
        assert str(read_file(path).nearest(("a", "b"))[0].place) == f"{path}:1:13"
        path.write_text('{"a": 1,}')
        with pytest.raises(ConfigError, match="not valid JSON") as caught:
            load(path)
        assert caught.value.where.startswith(f"{path}:1:")

    def test_other_endings_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "c.jsn").write_text("{}")
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / "c.jsn")
        assert "'.jsn' files hold no configuration" in caught.value.what and "did you mean 'c.json'?" in caught.value.fix
        with pytest.raises(ConfigError, match="a parser types"):
            load(tmp_path / "c.json", parser=nerf_parser())


class Colour(Enum):
    red = 1


@dataclass
class Inner:
    depth: int = 2
    path: Path = Path("a/b")


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    several: list[Inner] = field(default_factory=lambda: [Inner(3)])
    colour: Colour = Colour.red
    pair: tuple[int, int] = (1, 2)


class Model(BaseModel):
    width: int = 4
    inner: dict[str, int] = {"a": 1}


PLAIN = {"a": {"b": 1}, "c": [1, 2]}


class OddNode:
    """A node of no known library."""

    def __init__(self) -> None:
        self.a, self._hidden = 1, 2

    def freeze(self) -> None: ...

    def defrost(self) -> None: ...


class TestObjects:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (argparse.Namespace(**{"a.b": 1, "c": [1, 2]}), PLAIN),
            (argparse.Namespace(a=argparse.Namespace(b=1), c=(1, 2)), PLAIN),
            (SimpleNamespace(a=SimpleNamespace(b=1), c=range(1, 3)), PLAIN),
            (OrderedDict(a={"b": np.int64(1)}, c=[1, np.float64(2)]), PLAIN),
            (CfgNode(PLAIN), PLAIN),
            (OmegaConf.create({"a": {"b": 1}, "c": ["${a.b}", 2]}), PLAIN),
            ({"a": OmegaConf.create({"b": 1}), "c": OmegaConf.create([1, 2])}, PLAIN),
            (Outer(), {"inner": {"depth": 2, "path": "a/b"}, "several": [{"depth": 3, "path": "a/b"}], "colour": "red", "pair": [1, 2]}),
            (Model(), {"width": 4, "inner": {"a": 1}}),
            (ConfigNode(PLAIN), PLAIN),
            (OddNode(), {"a": 1}),
            ({"a.b": 1, "a": {"c": 2}, '"x.y".z': 3}, {"a": {"b": 1, "c": 2}, "x.y": {"z": 3}}),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_every_form_becomes_plain_mappings(self, given: Any, expected: dict[str, Any]) -> None:
        found = load(given)
        assert found == expected and type(found) is dict
        assert all(type(each) in (dict, list, int, float, str) for each in found.values())

    def test_a_frozen_node_is_taken(self) -> None:
        node = CfgNode(PLAIN)
        node.freeze()
        assert load(node) == PLAIN

    def test_structured_omegaconf_nodes_name_every_missing_value(self) -> None:
        @dataclass
        class Structured:
            name: str = MISSING
            sub: Any = None

        made = OmegaConf.structured(Structured(sub={"x": "???"}))
        with pytest.raises(ManyErrors) as caught:
            load(made)
        assert [each.what for each in errors_of(caught)] == ["name is missing (???)", "sub.x is missing (???)"]
        with pytest.raises(ConfigError, match="a reference cannot be resolved"):
            load(OmegaConf.create({"a": "${nowhere}"}))

    def test_what_cannot_be_a_value_is_refused_by_its_path(self) -> None:
        with pytest.raises(ManyErrors) as caught:
            load({"a": {"w": torch.zeros(2, 3)}, "b": [1, len], "c": {1}, "d": np.zeros(3), "e": Outer, "f": 1})
        assert [each.what for each in errors_of(caught)] == [
            "a.w: a Tensor of shape (2, 3) cannot be a value of a config",
            "b.1: the function len cannot be a value of a config",
            "c: a set cannot be a value of a config",
            "d: a ndarray of shape (3,) cannot be a value of a config",
            "e: the class Outer cannot be a value of a config",
        ]
        assert [each.fix for each in errors_of(caught)][1:3] == ["name it as text: builtins:len", "write a list"]

    def test_circles_clashes_and_things_that_are_no_configuration_are_refused(self) -> None:
        circle: dict[str, Any] = {}
        circle["a"] = {"b": circle}
        with pytest.raises(ConfigError, match=r"a\.b holds itself"):
            load(circle)
        with pytest.raises(ConfigError, match=r"'a\.b' lies inside a plain value"):
            load({"a": 1, "a.b": 2})
        with pytest.raises(ConfigError, match="int is not a configuration"):
            load(3)
        with pytest.raises(ConfigError, match="types files"):
            load({}, parser=nerf_parser())

    def test_only_objects_that_are_no_plain_mapping_are_old_forms(self) -> None:
        assert [is_old_form(each) for each in (None, "c.yaml", Path("c.yaml"), {}, argparse.Namespace(), CfgNode(), Outer())] == [
            False,
            False,
            False,
            False,
            True,
            True,
            True,
        ]


class TestConfigNodes:
    def test_keys_are_attributes_and_a_frozen_node_refuses_changes(self) -> None:
        node = load({"a": {"b": 1}, "c": [{"d": 2}]}, node=True)
        assert (node.a.b, node["c"][0].d) == (1, 2)
        node.a.b = 5
        node.freeze()
        for change in (
            lambda: setattr(node, "x", 1),
            lambda: setattr(node.a, "b", 1),
            lambda: setattr(node.c[0], "d", 1),
            lambda: node.update(x=1),
            lambda: node.pop("a"),
            lambda: node.setdefault("x", 1),
            lambda: node.merge_from_list(["a.b", 3]),
        ):
            with pytest.raises(ConfigError, match="frozen"):
                change()
        copy = node.clone()
        assert copy.is_frozen() and copy == node and pickle.loads(pickle.dumps(node)).is_frozen()
        with copy.unfrozen():
            copy.a.b = 6
        assert node.a.b == 5 and copy.a.is_frozen()
        with pytest.raises(AttributeError, match="did you mean 'a'"):
            _ = node.aa
        assert node.dump() == "a:\n  b: 5\nc:\n- d: 2\n"

    def test_merging_does_what_yacs_does(self, tmp_path: Path) -> None:
        start = {"MODEL": {"DEPTH": 3, "NAME": "a", "SIZES": (1, 2), "RATE": 0.1}, "OUT": None, "ON": False}
        ours, theirs = ConfigNode(start), CfgNode(start)
        words = ["MODEL.DEPTH", "4", "MODEL.NAME", "b", "MODEL.SIZES", [3, 4], "OUT", "x", "ON", True, "MODEL.RATE", 0.5]
        (tmp_path / "c.yaml").write_text("MODEL:\n  NAME: c\n  RATE: 0.25\n")
        for each in (ours, theirs):
            each.merge_from_list(words)
            each.merge_from_file(str(tmp_path / "c.yaml"))
            each.merge_from_other_cfg(type(each)({"MODEL": {"DEPTH": 9}}))
        assert ours.to_dict() == load(theirs) | {"MODEL": {**load(theirs)["MODEL"], "SIZES": (3, 4)}}
        ours.merge_from_list(["MODEL.DEPTH=7", "MODEL.RATE=1"])
        assert (ours.MODEL.DEPTH, ours.MODEL.RATE) == (7, 1.0)

    def test_merging_refuses_unknown_keys_and_other_kinds_all_at_once(self) -> None:
        node = ConfigNode({"MODEL": {"DEPTH": 3}})
        with pytest.raises(ManyErrors) as caught:
            node.merge_from_other_cfg({"MODEL": {"DEPHT": 1, "DEPTH": "x"}, "MODLE": 1})
        assert [each.what for each in errors_of(caught)] == [
            "unknown option 'MODEL.DEPHT'",
            "MODEL.DEPTH: 'x' does not fit 3",
            "unknown option 'MODLE'",
        ]
        assert "did you mean 'DEPTH'?" in errors_of(caught)[0].fix
        with pytest.raises(ConfigError, match=r"'MODEL\.DEPTH' has no value"):
            node.merge_from_list(["MODEL.DEPTH"])
        node.set_new_allowed(True)
        node.merge_from_list(["MODEL.NEW", 1])
        assert node.MODEL.NEW == 1
