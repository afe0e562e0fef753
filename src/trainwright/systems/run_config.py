"""The whole configuration of a run. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import (
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from trainwright.config.choice import choice
from trainwright.config.compose import Assignment, Composed, compose
from trainwright.config.errors import ConfigError, did_you_mean, nearest
from trainwright.config.foreign import found_at, looking_in
from trainwright.config.limits import MOST_SEED, refuse_long_path
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel, as_refusal, refusal
from trainwright.config.own_parts import absolute_imports, import_named
from trainwright.config.places import Node
from trainwright.config.registry import parts
from trainwright.config.trust import reading
from trainwright.engine.config import EvaluationOptions, TrainerConfig
from trainwright.metrics.interval_options import IntervalOptions, Intervals
from trainwright.systems.domain_config import ask_domain, lay_under, write_out_claim, write_out_path, write_out_type

DEFAULT_SYSTEM = "supervised"
DEVICES = ("auto", "cpu", "cuda", "cuda:1", "mps")
"""Devices as they are written; `cuda:1` stands for any number."""


def _short_path(value: str) -> str:
    refuse_long_path(value)
    return value


class RunConfig(ConfigModel):
    """Which run this is and where it is kept."""

    name: str = ""
    """The folder under `runs/`; default: the name of the data and the target."""
    dir: str = ""
    """The run directory itself; default: `runs/<name>/<start time>`."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Fixes the split, the initial weights, the order of rows and dropout."""
    device: str = Field(default="auto", json_schema_extra={"pattern": r"^(auto|cpu|cuda|cuda:\d+|mps)$"})
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0 leaves its choice."""
    warnings: Literal["once", "all", "log", "error"] = "once"
    """Python's warnings: `once` a place or `all`, on the console and in the log; only in the `log`; or as an `error` that ends the run."""

    @field_validator("name", "dir")
    @classmethod
    def _is_no_longer_than_a_path(cls, value: str) -> str:
        return refusal(_short_path)(value)

    @field_validator("device")
    @classmethod
    def _is_spelled_well(cls, value: str) -> str:
        if value not in DEVICES and not re.fullmatch(r"cuda:[0-9]+", value):
            close = "cuda" if value.lower().startswith("gpu") else nearest(value, DEVICES)
            hint = f"did you mean '{close}'? " if close else ""
            raise as_refusal(ConfigError(f"'{value}' is no device", fix=f"{hint}one of: {', '.join(DEVICES)}"))
        return value


class EvaluationConfig(EvaluationOptions):
    """What is measured after training, and what is kept of evaluations."""

    baselines: list[choice("baseline")] = Field(default=["constant", "linear", "boosting"], validate_default=True)  # type: ignore[valid-type]
    """Simple models trained on the same rows; an empty list switches them off."""
    intervals: Intervals = IntervalOptions()
    """Bootstrap intervals of the test metrics; `{by: patient}` draws patients, not rows."""
    importance: bool = True
    """Permutation importance of the columns."""
    views: list[str] = []
    """Ways to look at every picture, over which the answers of the finished model are averaged: flip, five_crop, … (test-time views)."""
    calibration: list[choice("calibration")] = []  # type: ignore[valid-type]
    """What is fitted on the validation rows after training: temperature, vector, thresholds, conformal; none unless asked for."""


COLUMNS = "columns"
"""The data of a supervised system: rows of a source, with columns that have types."""


def takes_columns(system: Any) -> bool:
    """Whether a system, as options or as it is written, is trained on columns with types; one that cannot be told is not."""
    return _is_marked(system, "takes_columns")


def predicts_columns(system: Any) -> bool:
    """Whether it predicts some columns from others, as the supervised system does."""
    return _is_marked(system, "predicts_columns")


def _is_marked(system: Any, mark: str) -> bool:
    name = system.get("type", DEFAULT_SYSTEM) if isinstance(system, Mapping) else getattr(system, "type", system)
    name = DEFAULT_SYSTEM if name is None else name
    known = parts("system")
    return isinstance(name, str) and name in known and bool(getattr(known[name].config, mark))


if TYPE_CHECKING:
    Data: TypeAlias = Any
    Evaluation: TypeAlias = EvaluationConfig
else:
    Data = choice("dataset", COLUMNS) | None
    Evaluation = SerializeAsAny[EvaluationOptions]


class _OfColumns(NamedTuple):
    """What is written as the data of a supervised system."""

    written: Any


class Config(ConfigModel):
    """The whole configuration of a run, with whatever system."""

    short: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": ("targets", "target", "inputs", "ignore", "columns", "model", "loss", "metrics"),
        "plain": (*("model", "loss", "metrics", "target", "extensions", "init", "parametrizations", "hooks", "weights", "weights_ignore"),),
    }

    imports: list[str] = []
    """Files and packages that are run first, so that what they register by `@tw.register` has a name: `[./my_parts.py]`."""
    parser: str = ""
    """A function that makes an argparse parser for arguments of your own (`./my_args.py:make_parser`); `tw.arguments()` has them."""
    arguments: list[str] = []
    """The words that the parser reads; unknown flags of the command line come here by themselves."""
    system: choice("system") = Field(default="supervised", validate_default=True)  # type: ignore[valid-type]
    """What is trained: `supervised` (columns), `diffusion` (more like those of a column), `plain` (a model and a loss),
    `./my_system.py:MySystem`, or `base:mixin1,mixin2`."""
    data: Data = Field(default=None, validate_default=True)
    """The data: a source of columns, or a registered kind, or a class or function at a path that gives the splits."""
    trainer: TrainerConfig = TrainerConfig()
    """How it is trained."""
    evaluation: Evaluation = Field(default={}, validate_default=True)
    """What is measured after training."""
    launch: choice("launcher") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """Which processes train together, who starts them, and how they find each other."""
    run: RunConfig = RunConfig()
    """Which run this is and where it is kept."""

    @classmethod
    def section_at(cls, name: str, values: Any) -> type[ConfigModel] | None:
        """What is measured after training follows from the system."""
        if name != "evaluation":
            return None
        return EvaluationConfig if predicts_columns(values.get("system") if isinstance(values, Mapping) else None) else EvaluationOptions

    @model_validator(mode="before")
    @classmethod
    def _data_follow_from_the_system(cls, values: Any) -> Any:
        """Marked here, so that they are checked whatever else is wrong with the system."""
        if isinstance(values, dict) and takes_columns(values.get("system")):
            return {**values, "data": _OfColumns(values.get("data"))}
        return values

    @field_validator("data", mode="before")
    @classmethod
    def _fits_the_system(cls, value: Any, info: ValidationInfo) -> Any:
        """Columns for a supervised system, and splits for every other."""
        if isinstance(value, _OfColumns):
            return _as_columns(value.written)
        if (value.get("type") if isinstance(value, dict) else value) == COLUMNS and "system" in info.data:
            why = f"the system is {info.data['system'].type}"
            fix = "name other data: `trainwright list dataset`; or leave `system` out"
            raise as_refusal(ConfigError(f"'{COLUMNS}' are the data of a supervised system", why=why, fix=fix))
        return value

    @field_validator("evaluation", mode="before")
    @classmethod
    def _measures_what_the_system_has(cls, value: Any, info: ValidationInfo) -> Any:
        kind = EvaluationConfig if predicts_columns(info.data.get("system")) else EvaluationOptions  # what cannot be told apart passes
        return kind.model_validate(value) if isinstance(value, dict) else value

    @model_serializer(mode="wrap")
    def _as_it_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """With the options of a supervised system at the top, where people write them."""
        written = handler(self)
        if not predicts_columns(self.system):
            return written
        unsaid = [name for name in ("loss", "metrics") if not getattr(self.system, name, True)]
        options = {name: each for name, each in written.pop("system", {}).items() if name not in ("type", *unsaid)}
        data = {name: each for name, each in written.pop("data", {}).items() if name != "type"}
        named = {name: written.pop(name) for name in ("imports", "parser", "arguments") if name in written}
        return {**{name: each for name, each in named.items() if each}, "data": data, **options, **written}


def _as_columns(value: Any) -> Any:
    """The data of a system of columns with their type; refuses what gives no columns."""
    if value is None:
        raise PydanticCustomError("missing", "{what}", {"what": "data is missing"})
    if isinstance(value, dict) and "type" not in value:
        return {"type": COLUMNS, **value}
    name = value.get("type") if isinstance(value, dict) else value
    if not isinstance(name, str) or name == COLUMNS:
        return value
    sources = parts("source")
    if name.replace("-", "_") not in parts("dataset") and nearest(name, sources):
        raise as_refusal(
            ConfigError(f"there is no source '{name}'", why="data.type names what reads the data", fix=did_you_mean(name, sources))
        )
    what = f"'{name}' does not give columns with types, which this system is trained on"
    fix = f"name the rows: `data: {{source: {name if isinstance(value, str) else 'titanic.csv'}}}`; or the system that these data are for"
    raise as_refusal(ConfigError(what, fix=fix))


def compose_config(config: Any = None, overrides: Iterable[str | Assignment] = ()) -> Composed:
    """Compose the configuration of a run, and run its imports, so that what they register has a name."""
    composed = compose(Config, config, overrides, before=run_imports)
    name_given(composed)
    run_imports(composed)
    read_types_beside(composed)
    if takes_columns(composed.values.get("system")):
        write_out_path(composed)
        write_out_type(composed)
        write_out_claim(composed)
        lay_under(composed)
    else:
        ask_domain(composed)
    return composed


def run_imports(composed: Composed) -> None:
    """Run what `imports` names, once each: before references are resolved, since it may register resolvers; those it refers to, after."""
    imports = composed.root.under("imports")
    if imports is None:
        return
    named = imports.value if isinstance(imports.value, list) else [imports]
    with reading(composed.received):
        for each in named:
            if each not in composed.imported and not (isinstance(each.value, str) and "${" in each.value):
                composed.imported.append(each)
                composed.problems += import_named(each, composed.folders)


def name_given(composed: Composed) -> None:
    """Write out the system of a run that `tw.fit` made before its configuration had one: its `model` is the name of a class."""
    system = composed.root.under("system")
    model = None if system is None else system.under("model")
    if composed.received is None or model is None or system is None or not isinstance(model.value, str):
        return
    if set(composed.root.value) <= {"system", "trainer", "evaluation", "run"} and set(system.value) == {"type", "model", "loss"}:
        system.value["type"] = Node("given", model.place)


def read_types_beside(composed: Composed) -> None:
    """Judge `system` and `data` by the `system_type` and `data_type` that threestudio writes beside them, which are refused themselves."""
    for section in ("system", "data"):
        named, options = composed.root.under(f"{section}_type"), composed.root.under(section)
        if named is None or not isinstance(named.value, str):
            continue
        if options is None:
            composed.root.value[section] = Node({"type": Node(named.value, named.place)}, named.place)
        elif isinstance(options.value, dict):
            options.value.setdefault("type", Node(named.value, named.place))


def read_config(config: Any = None, overrides: Iterable[str | Assignment] = ()) -> Config:
    """The configuration of a run, composed and checked; raises ManyErrors holding every mistake with its place."""
    return check_config(compose_config(config, overrides))


def check_config(composed: Composed) -> Config:
    """A composed configuration checked, its imports and parser named so that they mean the same from any folder; raises ManyErrors."""
    if isinstance(composed.checked, Config):
        return composed.checked
    config = validate(Config, composed)
    with reading(composed.received), looking_in(composed.folders):
        imports = absolute_imports(list(config.imports))
        parser = found_at(config.parser)[1] if config.parser else ""
    composed.checked = config.model_copy(update={"imports": imports, "parser": parser})
    return composed.checked
