from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

import trainwright.config.own_parts as tw
from trainwright.config.choice import choice
from trainwright.config.compose import compose
from trainwright.config.dump import dump
from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
from trainwright.config.options import options_of
from trainwright.config.registry import build, canonical_name, known_parts, load, options_class

GEOMETRY = '''
from dataclasses import dataclass, field
from typing import Optional, List
import trainwright.config.own_parts as tw
from trainwright.config.model import ConfigModel

@tw.register("sphere")
class Sphere:
    """A ball."""

    @dataclass
    class Config:
        radius: float = 1.0
        centre: Optional[list[float]] = None
        """Where."""

    def __init__(self, cfg, device="cpu"):
        self.cfg, self.device = cfg, device


class Textured:
    @dataclass
    class Config:
        texture: str
        radius: float = 2.0

    def texture(self):
        return "textured"


@tw.register("noisy")
class Noisy:
    @dataclass
    class Config:
        noise: float = 0.1

    def texture(self):
        return "noisy"


class Outer:
    """Holds another part."""

    class Config(ConfigModel):
        geometry: tw.Part
        """The shape."""
        size: int = 3

    def __init__(self, config, device="cpu"):
        self.config = config
        self.geometry = tw.make(config.geometry, device=device, unknown=1)
'''


class Section(ConfigModel):
    """A configuration with one part."""

    part: choice("part") | None = None  # type: ignore[valid-type]
    """The part."""
    parts: list[choice("part")] = []  # type: ignore[valid-type]
    """Several."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = dict(tw.PARTS)
    sys.modules.pop("shapes", None)
    sys.path.insert(0, str(tmp_path))
    (tmp_path / "shapes.py").write_text(GEOMETRY)
    yield tmp_path
    tw.PARTS.clear()
    tw.PARTS.update(before)


def checked(values: dict[str, Any]) -> Section:
    return validate(Section, compose(Section, values, (), {}))


def refusals(values: dict[str, Any] | Path) -> list[ConfigError]:
    with pytest.raises(ManyErrors) as caught:
        validate(Section, compose(Section, values, (), {}))
    return caught.value.errors


class Shading(Enum):
    flat = 1
    smooth = 2


@dataclass
class Light:
    strength: float = 1.0
    colours: list[tuple[int, int, int]] = field(default_factory=lambda: [(255, 255, 255)])


@dataclass
class Branch:
    depth: int = 1
    child: Branch | None = None


@dataclass
class EverythingConfig:
    name: str
    count: int = 3
    rate: float = 1
    steps: list[int] | None = None
    table: dict[str, float] = field(default_factory=dict)
    free: dict = field(default_factory=dict)
    anything: Any = None
    box: tuple[float, float] = (0, 1)
    light: Light = field(default_factory=Light)
    lights: list[Light] = field(default_factory=list)
    backup: Light | None = None
    folder: Path = Path("here")
    shading: Shading = Shading.flat
    tags: set = field(default_factory=lambda: {"a"})
    act: Any = len
    inner: tw.Part = "sphere"
    derived: int = field(default=0, init=False)
    helped: int = field(default=1, metadata={"help": "What it does."})


class Everything:
    Config = EverythingConfig

    def __init__(self, config: EverythingConfig, scale: float = 1.0) -> None:
        self.config, self.scale = config, scale


class TestRegistering:
    def test_a_registered_class_is_found_by_name_path_and_file(self, folder: Path) -> None:
        tw.import_modules(["./shapes.py"])
        assert tw.find("sphere") is tw.find("./shapes.py:Sphere")
        assert tw.find("shapes.Sphere").__name__ == "Sphere"
        assert known_parts("part")["sphere"].summary == "A ball."
        assert known_parts("part")["sphere"].path == f"{folder / 'shapes.py'}:7 (Sphere)"

    def test_dashes_and_underscores_are_the_same_in_names(self) -> None:
        @tw.register("no-material")
        class NoMaterial: ...

        assert tw.find("no_material") is tw.find("no-material") is NoMaterial

    def test_a_second_class_of_the_same_name_is_refused_with_both_places(self, folder: Path) -> None:
        tw.import_modules(["./shapes.py"])
        (folder / "other.py").write_text('import trainwright.config.own_parts as tw\n@tw.register("sphere")\nclass Ball: ...\n')
        with pytest.raises(ConfigError) as caught:
            tw.import_modules(["./other.py"])
        assert "two parts are named 'sphere'" in caught.value.why
        with pytest.raises(ConfigError) as caught:
            tw.register("sphere")(Light)
        assert f"{folder / 'shapes.py'}:7 (Sphere)" in caught.value.why and "test_own_parts.py" in caught.value.why

    def test_the_same_file_run_again_replaces_its_classes(self, folder: Path) -> None:
        importlib.import_module("shapes")
        first = tw.find("sphere")
        sys.modules.pop("shapes")
        again = importlib.import_module("shapes")
        assert tw.find("sphere") is again.Sphere is not first

    @pytest.mark.parametrize("name", ["", "a:b", "a,b", "a.b", "a b", 3])
    def test_names_that_a_type_could_not_hold_are_refused(self, name: Any) -> None:
        with pytest.raises(ConfigError, match="cannot be the name of a part"):
            tw.register(name)

    def test_an_unknown_name_is_answered_with_the_nearest_or_with_how_to_register(self) -> None:
        with pytest.raises(ConfigError) as caught:
            tw.find("cube")
        assert caught.value.fix == "register it with @tw.register('cube') in a file that `imports` names"
        tw.import_modules(["./shapes.py"])
        with pytest.raises(ConfigError) as caught:
            tw.find("spere")
        assert caught.value.fix.startswith("did you mean 'sphere'?")

    def test_a_name_that_trainwright_has_too_is_refused_where_it_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from trainwright.config import registry

        monkeypatch.setitem(registry.KINDS, "system", "trainwright.optim")
        tw.register("adamw")(Light)
        with pytest.raises(ConfigError, match="both a part of your own and a system"):
            registry.options_class("system", "adamw")
        assert registry.options_class("optimizer", "adamw").__name__ == "AdamWOptions"

    @pytest.mark.parametrize("kind", ["system", "model", "dataset", "part"])
    def test_registered_names_and_compositions_are_found_for_every_kind_of_own_code(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trainwright.config import registry

        monkeypatch.setitem(registry.KINDS, kind, "trainwright.config.own_parts" if kind == "part" else "trainwright.tracking")
        tw.import_modules(["./shapes.py"])
        assert load(kind, "sphere") is tw.find("sphere")
        assert load(kind, "sphere:noisy") is tw.find("sphere:noisy")

    def test_registering_needs_no_torch(self) -> None:
        program = "import trainwright.config.own_parts as tw, sys; tw.import_modules(['./shapes.py']); tw.make('sphere')\n"
        program += "assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", program], check=True)


class TestNestedConfigs:
    def test_a_dataclass_of_every_type_is_validated_and_given_back_as_it_is(self) -> None:
        tw.import_modules(["./shapes.py"])
        values = {
            "name": "x",
            "rate": 2,
            "steps": [1, 2],
            "table": {"a": 1},
            "free": {"b": {"c": [1]}},
            "box": [1, 2],
            "light": {"strength": 2, "colours": [[1, 2, 3]]},
            "lights": [{"strength": 3}],
            "backup": {},
            "folder": "there",
            "shading": "smooth",
            "tags": ["b", "c"],
            "inner": {"type": "sphere", "radius": 3},
        }
        tw.register("everything")(Everything)
        made = tw.make({"type": "everything", **values}, scale=2.0, unknown=1)
        config = made.config
        assert type(config) is EverythingConfig and made.scale == 2.0
        assert (config.name, config.count, config.rate, config.steps, config.box) == ("x", 3, 2.0, [1, 2], (1, 2))
        assert config.light == Light(2, [(1, 2, 3)]) and config.lights == [Light(3)] and config.backup == Light()
        assert (config.folder, config.shading, config.tags) == (Path("there"), Shading.smooth, {"b", "c"})
        assert config.act is len and config.derived == 0
        assert tw.make(config.inner).cfg.radius == 3.0

    def test_defaults_are_those_of_the_dataclass(self) -> None:
        tw.import_modules(["./shapes.py"])
        config = tw.configured(Everything, {"name": "x"})
        expected = EverythingConfig("x")
        for name in (
            "count",
            "rate",
            "steps",
            "table",
            "free",
            "anything",
            "box",
            "light",
            "lights",
            "backup",
            "folder",
            "shading",
            "tags",
        ):
            assert getattr(config, name) == getattr(expected, name), name
        assert config.inner.type == "sphere"

    def test_every_mistake_is_told_with_its_place_in_the_file_and_the_nearest_name(self, folder: Path) -> None:
        tw.import_modules(["./shapes.py"])
        tw.register("everything")(Everything)
        path = folder / "c.yaml"
        path.write_text(
            "part:\n  type: everything\n  cuont: 4\n  rate: fast\n  light:\n    strenght: 1\n  shading: smoth\n  steps: [1, x]\n"
        )
        assert [(each.where, each.what) for each in refusals(path)] == [
            (f"{path}:1:1", "part.name is missing"),
            (f"{path}:3:3", "unknown option 'cuont' of part 'everything' in part"),
            (f"{path}:4:9", "part.rate: 'fast' is not a number"),
            (f"{path}:6:5", "unknown option 'strenght' in part.light"),
            (f"{path}:7:12", "part.shading: 'smoth' is not allowed"),
            (f"{path}:8:14", "part.steps.1: 'x' is not a whole number"),
        ]
        fixes = [each.fix for each in refusals(path)]
        assert any("did you mean 'count'?" in each for each in fixes)
        assert any("did you mean 'strength'?" in each for each in fixes)
        assert any("did you mean 'smooth'?" in each for each in fixes)

    def test_what_a_dataclass_refuses_itself_is_told_at_its_place(self) -> None:
        class Picky:
            @dataclass
            class Config:
                low: int = 0
                high: int = 1

                def __post_init__(self) -> None:
                    if self.low > self.high:
                        raise ValueError("low is above high")

            def __init__(self, config: Any) -> None:
                self.config = config

        tw.register("picky")(Picky)
        assert tw.make({"type": "picky", "low": 1, "high": 4}).config.high == 4
        (error,) = refusals({"part": {"type": "picky", "low": 3}})
        assert "ValueError: low is above high" in error.why and error.what.startswith("part: ")

    def test_a_config_may_hold_one_of_its_own_kind(self) -> None:
        class Tree:
            Config = Branch

            def __init__(self, config: Branch) -> None:
                self.config = config

        assert tw.configured(Tree, {"child": {"depth": 3, "child": {}}}) == Branch(1, Branch(3, Branch()))
        with pytest.raises(ConfigError, match="Branch refuses its values") as caught:
            tw.configured(Tree, {"child": {"dept": 3}})
        assert caught.value.why.startswith("dept:") and caught.value.fix == "its options: depth, child"

    def test_a_function_has_its_options_in_its_signature(self) -> None:
        @tw.register("doubled")
        def doubled(width: int = 1, device: str = "cpu") -> tuple[int, str]:
            return 2 * width, device

        assert tw.make({"type": "doubled", "width": 3}) == (6, "cpu")
        (error,) = refusals({"part": {"type": "doubled", "widht": 3}})
        assert "did you mean 'width'?" in error.fix

    def test_a_config_model_is_given_as_itself(self) -> None:
        class Mine:
            class Config(ConfigModel):
                width: int = Field(default=4, ge=1)
                """How wide."""

            def __init__(self, config: Mine.Config, group: Any = None) -> None:
                self.config, self.group = config, group

        tw.register("mine")(Mine)
        made = tw.make({"type": "mine", "width": 7}, group="g", other=1)
        assert isinstance(made.config, Mine.Config) and (made.config.width, made.group) == (7, "g")
        (error,) = refusals({"part": {"type": "mine", "width": 0}})
        assert error.what == "part.width: 0 is not at least 1"
        assert options_of(options_class("part", "mine"))[0].meaning == "How wide."

    def test_a_plain_class_with_annotations_is_a_config(self) -> None:
        class Plain:
            class Config:
                width: int = 8
                names: list[str] = ["a"]
                scale = 1.5
                needed: str

            def __init__(self, cfg: Any) -> None:
                self.cfg = cfg

        tw.register("plain")(Plain)
        made = tw.make({"type": "plain", "needed": "n", "scale": 2.0})
        assert isinstance(made.cfg, Plain.Config)
        assert (made.cfg.width, made.cfg.names, made.cfg.scale, made.cfg.needed) == (8, ["a"], 2.0, "n")
        made.cfg.names.append("b")
        assert tw.make({"type": "plain", "needed": "n"}).cfg.names == ["a"]
        assert [each.what for each in refusals({"part": {"type": "plain", "widht": 1}})] == [
            "part.needed is missing",
            "unknown option 'widht' of part 'plain' in part",
        ]

    def test_threestudios_pair_of_type_and_options_passes_through(self) -> None:
        class System:
            @dataclass
            class Config:
                geometry_type: str = ""
                geometry: dict = field(default_factory=dict)
                loss: dict[str, Any] = field(default_factory=dict)

            def __init__(self, cfg: Any) -> None:
                self.geometry = tw.find(cfg.geometry_type)(tw.configured(tw.find(cfg.geometry_type), cfg.geometry))

        tw.import_modules(["./shapes.py"])
        tw.register("system-of-mine")(System)
        made = tw.make({"type": "system-of-mine", "geometry_type": "sphere", "geometry": {"radius": 5}, "loss": {"lambda_x": [0, 1.0]}})
        assert made.geometry.cfg.radius == 5.0

    def test_parts_lie_inside_parts(self, folder: Path) -> None:
        tw.import_modules(["./shapes.py"])
        part = {"type": "./shapes.py:Outer", "geometry": {"type": "sphere", "radius": 2}}
        config = checked({"part": part})
        assert dump(config).startswith(f"part:\n  type: {folder}/shapes.py:Outer\n  geometry:\n    type: sphere\n    radius: 2.0\n")
        made = build("part", config.part, device="cuda")
        assert (made.geometry.cfg.radius, made.geometry.device) == (2.0, "cuda")
        part["geometry"] = {"type": "sphere", "raduis": 2}
        (error,) = refusals({"part": part})
        assert error.what == "unknown option 'raduis' of part 'sphere' in part.geometry" and "'radius'" in error.fix
        (error,) = refusals({"part": {"type": "./shapes.py:Outer", "geometry": "spher"}})
        assert error.what == "part.geometry: unknown part type 'spher'"

    def test_a_subclass_with_a_signature_of_its_own_is_read_from_its_signature(self) -> None:
        class Base:
            @dataclass
            class Config:
                width: int = 1

            def __init__(self, config: Any) -> None:
                self.config = config

        class Own(Base):
            def __init__(self, depth: int = 2) -> None:
                self.depth = depth

        class Passing(Base):
            def __init__(self, config: Any, extra: int = 1) -> None:
                super().__init__(config)

        tw.register("own")(Own)
        tw.register("passing")(Passing)
        assert list(options_class("part", "own").model_fields) == ["type", "depth"]
        assert tw.make({"type": "own", "depth": 5}).depth == 5
        assert tw.make({"type": "passing", "width": 5}).config.width == 5

    def test_configured_takes_what_a_base_class_is_given(self) -> None:
        from argparse import Namespace

        from omegaconf import OmegaConf

        tw.import_modules(["./shapes.py"])
        sphere = tw.find("sphere")
        assert tw.configured(sphere).radius == 1.0
        for given in ({"radius": 2}, Namespace(radius=2), OmegaConf.create({"radius": 2}), {"type": "sphere", "radius": 2}):
            assert tw.configured(sphere, given) == sphere.Config(2.0)
        assert tw.configured(sphere, sphere.Config(3)) == sphere.Config(3)
        with pytest.raises(ConfigError, match="unknown option 'raduis'"):
            tw.configured(sphere, {"raduis": 1})


class TestMixins:
    def test_methods_come_in_the_order_mixins_then_base(self) -> None:
        tw.import_modules(["./shapes.py"])
        made = tw.find("./shapes.py:Sphere:noisy,Textured")
        assert [each.__name__ for each in made.__mro__[1:4]] == ["Noisy", "Textured", "Sphere"]
        assert made is tw.find("./shapes.py:Sphere:noisy,Textured")

    def test_the_config_is_that_of_all_of_them(self) -> None:
        tw.import_modules(["./shapes.py"])
        name = "./shapes.py:Sphere:noisy,Textured"
        made = tw.make({"type": name, "texture": "wood", "noise": 0.5})
        assert (made.cfg.radius, made.cfg.texture, made.cfg.noise, made.cfg.centre) == (2.0, "wood", 0.5, None)
        assert made.texture() == "noisy" and isinstance(made, tw.find("sphere")) and type(made).Config is type(made.cfg)
        errors = refusals({"part": {"type": name, "noize": 1}})
        assert [each.what for each in errors] == [
            "part.texture is missing",
            f"unknown option 'noize' of part '{name}' in part",
        ]

    def test_the_written_name_means_the_same_from_another_folder(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tw.import_modules(["./shapes.py"])
        name = canonical_name("part", "./shapes.py:Sphere:noisy,Textured")
        assert name == f"{folder}/shapes.py:Sphere:noisy,Textured"
        made = tw.find("./shapes.py:Sphere:noisy,Textured")
        monkeypatch.chdir("/")
        assert tw.find(name) is made
        assert canonical_name("part", "sphere:noisy") == "sphere:noisy"

    @pytest.mark.parametrize(
        ("name", "what", "fix"),
        [
            ("sphere:nosy", "unknown mixin 'nosy' in 'sphere:nosy'", "did you mean 'noisy'?"),
            ("sphere:noisy,noisy", "names Noisy twice", "name each mixin once"),
            ("sphere:sphere", "names Sphere twice", "name each mixin once"),
            ("sphere:noisy,", "a mixin without a name", "write base:mixin1,mixin2"),
            ("spere:noisy", "unknown part type 'spere'", "did you mean 'sphere'?"),
            ("./shapes.py:Spere:noisy", "cannot import './shapes.py:Spere'", "did you mean 'Sphere'?"),
            ("./shapes.py:noisy,Textured", "names a file but no class", "./shapes.py:ClassName:noisy,Textured"),
            ("sphere:maker", "'maker' of 'sphere:maker' is function, not a class", "only classes"),
            ("below:above", "cannot be put together", "derives from another one before it"),
        ],
    )
    def test_what_cannot_be_put_together_says_why(self, name: str, what: str, fix: str) -> None:
        tw.import_modules(["./shapes.py"])
        tw.register("maker")(lambda width=1: width)

        class Above: ...

        class Below(Above): ...

        tw.register("above")(Above)
        tw.register("below")(Below)
        with pytest.raises(ConfigError) as caught:
            tw.find(name)
        assert what in caught.value.what and fix in caught.value.fix

    def test_configs_written_in_different_ways_are_refused(self) -> None:
        class Modern:
            class Config(ConfigModel):
                width: int = 1

        tw.import_modules(["./shapes.py"])
        tw.register("modern")(Modern)
        with pytest.raises(ConfigError, match="cannot be merged"):
            tw.find("sphere:modern")

    def test_paths_to_one_class_stay_what_they_were(self) -> None:
        tw.import_modules(["./shapes.py"])
        assert load("encoder", "./shapes.py:Sphere") is tw.find("sphere")
        assert tw.find("shapes:Sphere").__name__ == "Sphere"
        assert tw.find("collections:OrderedDict").__name__ == "OrderedDict"
        tw.register("shapes")(Light)
        assert tw.find("shapes:Sphere").__name__ == "Sphere"


class TestImports:
    def test_every_file_and_package_that_fails_is_told_at_its_place(self, folder: Path) -> None:
        (folder / "broken.py").write_text("1 / 0\n")
        (folder / "c.yaml").write_text("imports: [./shapes.py, ./absent.py, no_such_package_here, ./broken.py, 3]\n")
        from trainwright.config.reading import read_yaml

        problems = tw.import_named(read_yaml(folder / "c.yaml", "c.yaml").under("imports"), [folder])
        assert [(each.where, each.what) for each in problems] == [
            ("c.yaml:1:24", "cannot import './absent.py'"),
            ("c.yaml:1:37", "cannot import 'no_such_package_here'"),
            ("c.yaml:1:59", f"cannot import '{folder / 'broken.py'}'"),
            ("c.yaml:1:72", "`imports` names files and packages"),
        ]
        assert "ZeroDivisionError" in problems[2].why and "sphere" in tw.PARTS

    def test_they_are_looked_for_beside_the_config_and_kept_with_their_whole_path(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir("/")
        tw.import_modules(["./shapes.py"], [folder])
        assert "sphere" in tw.PARTS
        monkeypatch.chdir(folder)
        assert tw.absolute_imports(["./shapes.py", "json"]) == [str(folder / "shapes.py"), "json"]
