"""Options of exporters; they import no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from trainwright.config.model import PartConfig


def read_sizes(value: Any) -> Any:
    """`signal.length=250,other` as a mapping, None for an axis without a size; anything else as it is."""
    if not isinstance(value, str):
        return value
    pairs = [each.partition("=") for each in value.split(",") if each.strip()]
    return {name.strip(): _whole(size.strip()) if equals else None for name, equals, size in pairs}


def _whole(text: str) -> int | str:
    return int(text) if text.isdigit() else text


class ProgramOptions(PartConfig):
    """What every format that is traced has."""

    fixed: dict[str, int | None] = Field(default={}, json_schema_extra={"metavar": "AXIS=SIZE"})
    """Axes that have one size alone, where the network allows no other: `signal.length=250`; without a size that of training."""

    _sizes = field_validator("fixed", mode="before")(read_sizes)


class OnnxOptions(ProgramOptions):
    """One file that takes rows as they are, by the names of their columns, and needs neither torch nor Trainwright."""

    type: str = "onnx"
    opset: int = Field(default=20, ge=18, le=23)
    """Version of ONNX's operators, 18 to 23: the oldest runtime that is to load the file decides it."""


class Pt2Options(ProgramOptions):
    """A program of torch.export."""

    type: str = "pt2"


class AotiOptions(ProgramOptions):
    """A library that AOTInductor compiles. Loading it runs it, so it is written with --trust-code alone."""

    type: str = "aoti"


class FxFolderOptions(ProgramOptions):
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
