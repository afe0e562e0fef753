"""Options of exporters; they import no torch."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.config.model import PartConfig, as_refusal, refusal
from trainwright.config.name_patterns import Patterns

_absolute = refusal(lambda path: found_at(path)[1])


def read_sizes(value: Any) -> Any:
    """`signal.length=250,other` as a mapping, None for an axis without a size; anything else as it is."""
    if not isinstance(value, str):
        return value
    pairs = [each.partition("=") for each in value.split(",") if each.strip()]
    return {name.strip(): _whole(size.strip()) if equals else None for name, equals, size in pairs}


def read_passes(value: Any) -> Any:
    """`./passes.py:swap,./passes.py:other` as a list, files with their whole paths; anything else as it is."""
    given = [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        return given
    return ["=".join(_absolute(path) for path in each.split("=")) for each in given]


def _whole(text: str) -> int | str:
    return int(text) if text.isdigit() else text


class ProgramOptions(PartConfig):
    """What every format that is traced has."""

    fixed: dict[str, int | None] = Field(default={}, json_schema_extra={"metavar": "AXIS=SIZE"})
    """Axes that have one size alone, where the network allows no other: `signal.length=250`; without a size that of training."""

    shrink: bool = False
    """Leave out units that change nothing, as pruning of whole rows makes them: smaller matrices with the same answers."""

    _sizes = field_validator("fixed", mode="before")(read_sizes)


class TorchProgramOptions(ProgramOptions):
    """What every format of torch has."""

    passes: list[str] = Field(default=[], json_schema_extra={"metavar": "PATHS"})
    """Your own changes of the graph, `./passes.py:swap`, or `./passes.py:pattern=./passes.py:replacement`; several with commas."""

    _paths = field_validator("passes", mode="before")(read_passes)


class OnnxOptions(ProgramOptions):
    """One file that takes rows as they are, by the names of their columns, and needs neither torch nor Trainwright."""

    type: str = "onnx"
    opset: int = Field(default=20, ge=18, le=23)
    """Version of ONNX's operators, 18 to 23: the oldest runtime that is to load the file decides it."""
    int8: Literal["static", "dynamic"] | None = Field(default=None, json_schema_extra={"metavar": "KIND"})
    """Weights and inputs of layers as int8: `static` in ranges of training rows, `dynamic` (dense layers) in the range of each call."""
    int8_rows: int = Field(default=512, ge=8)
    """Training rows that ranges are calibrated on (static)."""
    int8_data: str = Field(default="", json_schema_extra={"metavar": "DATA"})
    """A file of training rows for it (static), of a run that has none of its own: of tw.fit, or copied without its data."""
    int8_ranges: Literal["minmax", "entropy", "percentile"] = Field(default="minmax", json_schema_extra={"metavar": "KIND"})
    """How a range is chosen (static): all that was seen, where least information is lost, or without the outermost 0.001 %."""
    int8_skip: Patterns = Field(default=[], json_schema_extra={"metavar": "NAMES"})
    """Layers that stay float, by name; the report says what each layer costs."""
    max_drop: float = Field(default=0.5, ge=0, json_schema_extra={"metavar": "POINTS"})
    """Points of accuracy (of R² for numbers) that the int8 file may lose on rows of the run, those of its test split first."""

    @model_validator(mode="after")
    def _without_effect(self) -> Self:
        """Options of int8 need it."""
        given = [each for each in ("int8_rows", "int8_data", "int8_ranges", "int8_skip", "max_drop") if each in self.model_fields_set]
        if self.int8 is None and given:
            raise as_refusal(ConfigError(f"{', '.join(given)} without int8 has no effect", fix="add int8: static, or leave it out"))
        static = [each for each in ("int8_rows", "int8_data", "int8_ranges") if each in self.model_fields_set]
        if self.int8 == "dynamic" and static:
            why = "dynamic int8 is calibrated on no rows"
            raise as_refusal(ConfigError(f"{', '.join(static)} has no effect", why=why, fix="leave it out, or use int8: static"))
        return self


class Pt2Options(TorchProgramOptions):
    """A program of torch.export."""

    type: str = "pt2"


class AotiOptions(TorchProgramOptions):
    """A library that AOTInductor compiles. Loading it runs it, so it is written with --trust-code alone."""

    type: str = "aoti"


class FxFolderOptions(TorchProgramOptions):
    """A folder of Python with the operations one after another, the weights as safetensors, and the graph as a table."""

    type: str = "fx_folder"


class SafetensorsOptions(PartConfig):
    """The model as it is, with its configuration, in a folder that predicts as the run does."""

    type: str = "safetensors"
    dtype: Literal["fp16", "bf16"] | None = Field(default=None, json_schema_extra={"metavar": "TYPE"})
    """Round the weights to half precision, fp16 or bf16; they are loaded as they are elsewhere."""
    sparse: Literal["coo", "csr", "csc", "bsr", "bsc"] | None = Field(default=None, json_schema_extra={"metavar": "LAYOUT"})
    """Write weights that are smaller so by the places and values of what is not zero; they are read back as dense ones."""
    block: int = Field(default=4, ge=2)
    """Side of the blocks of bsr and bsc; a weight whose sides are no multiples stays dense."""


class TorchScriptOptions(ProgramOptions):
    """A trace of TorchScript, which torch calls deprecated. Loading it runs it, so it is written with --trust-code alone."""

    type: str = "torchscript"
