"""The `data:` section: where the rows are, how they are split, and what may be held in memory."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.config.model import ConfigModel, refusal
from trainwright.config.registry import parts
from trainwright.config.sizes import Bytes
from trainwright.data.cache import CachedData
from trainwright.data.endings import COMPRESSED, EXTENSIONS
from trainwright.data.expressions.syntax import ensure_condition, ensure_derivations
from trainwright.data.transforms import Transforms, ensure_table_chain
from trainwright.data.window_options import WindowConfig


class SamplingConfig(ConfigModel):
    """How training rows are drawn; validation and test rows never are."""

    by: str = ""
    """What weighs a row: `class` (one over the size of its class), `label_rarity` (of its labels), a column, `./f.py:function`."""
    rarity: Literal["max", "sum"] = "max"
    """Of `label_rarity`: the rarity of a row's rarest label, one over how many rows have it, or the sum over all its labels; having none
    counts as a label."""
    target: str = ""
    """The target whose classes or labels weigh; default: the first that has any."""
    replacement: bool = True
    """Whether a row can be drawn again in an epoch."""
    samples: int | None = Field(default=None, ge=1)
    """Rows of an epoch; default: as many as there are training rows."""
    repeats: int | None = Field(default=None, ge=2)
    """In place of `by`: each row that an epoch sees comes so many times, varied otherwise each time; the epoch stays as long, so that it
    sees fewer rows (repeated augmentation)."""

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        refusal(_ensure_sampling)(self)
        return self

    @field_validator("by")
    @classmethod
    def _is_found_from_anywhere(cls, value: str) -> str:
        """A function's file by its whole path, so that a run is continued from any folder."""
        return str(refusal(found_at)(value)[1]) if ".py:" in value else value


def _ensure_sampling(options: SamplingConfig) -> None:
    if not options.by and options.repeats is None:
        fix = "data.sampling: {by: class}, or {repeats: 3}"
        raise ConfigError("data.sampling says neither what rows are drawn by nor how often each comes", fix=fix)
    given = [name for name in ("by", "rarity", "target", "replacement") if name in options.model_fields_set]
    if options.repeats is not None and given:
        why = "repeated rows are drawn alike"
        raise ConfigError(f"data.sampling.repeats stands beside {given[0]}", why=why, fix=f"leave {given[0]} or repeats out")


class DataConfig(CachedData):
    """Where the rows are, how they are split, and what may be held in memory."""

    type: str = "columns"
    source: choice("source")  # type: ignore[valid-type]
    """A path, a glob, an address (https), a .zip or .tar, `builtin:NAME`, or a source with its `type` and options."""
    split: choice("split") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """How rows are divided into training, validation and test."""
    memory_limit: Bytes = Bytes.parse("4 GiB")
    """Above this, encoded rows are kept in a memory-mapped file instead of memory, and the file is read in pieces."""
    where: str = ""
    """Which rows count: `age >= 18 and class in ['a', 'b'] and not missing(fare)`; in training, evaluation and prediction alike."""
    derive: dict[str, str] = {}
    """Columns made of others: `bmi: weight / height ** 2`; kept with the model, and made again of the rows it predicts."""
    weights: str = ""
    """A column that says how much each row counts, 0 or more, in the loss, the metrics and the baselines; it is no input."""
    sampling: SamplingConfig | None = None
    """How training rows are drawn: `{by: class}`; without it every row comes once in an epoch."""
    transform: Transforms = []
    """What is done to whole batches of training rows, where the model is: `mixup`, or functions with `runs_on: device`."""
    window: WindowConfig | None = None
    """Long rows cut into samples of one length: `{length: 1000, stride: 500}`; each row is predicted from all its windows."""
    duplicates: Literal["report", "drop", "error"] = "report"
    """Exact duplicates across splits: `report` them, `drop` them from training, or stop with an `error`."""
    leaks: Literal["drop", "report", "error"] = "drop"
    """Columns that are a target in other words: `drop` them from the inputs, only `report` them, or stop with an `error`."""

    @field_validator("source", mode="before")
    @classmethod
    def _a_path_is_a_source(cls, value: Any) -> Any:
        """A path alone, or one with options but without the `type` that its ending tells."""
        from trainwright.data.sources import from_text

        if isinstance(value, str):
            return refusal(from_text)(value)
        if isinstance(value, dict) and isinstance(value.get("path"), str) and "type" not in value:
            return {**refusal(from_text)(value["path"]), **{key: each for key, each in value.items() if key != "path"}}
        if isinstance(value, dict) and "path" not in value and is_text_of_data(value.get("type")):
            rest = {key: each for key, each in value.items() if key != "type"}
            return {**refusal(from_text)(value["type"]), **rest}
        return value

    @field_validator("transform")
    @classmethod
    def _fit_a_table(cls, value: Any) -> Any:
        refusal(ensure_table_chain)(value)
        return value

    @field_validator("where")
    @classmethod
    def _is_an_expression(cls, value: str) -> str:
        return refusal(ensure_condition)(value)

    @field_validator("derive")
    @classmethod
    def _are_expressions(cls, value: dict[str, str]) -> dict[str, str]:
        refusal(ensure_derivations)(value)
        return value


def is_text_of_data(text: Any) -> bool:
    """Whether a source given by its type alone names data (`titanic.csv`, `builtin:iris`) and no class."""
    if not isinstance(text, str) or text.replace("-", "_") in parts("source"):
        return False
    if text.startswith("builtin:"):
        return True
    return Path(text).suffix.lower() in {*EXTENSIONS, *COMPRESSED} or bool(glob(text))
