"""Options of exporters; they import no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig


class OnnxOptions(PartConfig):
    """One file that takes rows as they are, by the names of their columns, and needs neither torch nor Trainwright."""

    type: str = "onnx"
    opset: int = Field(default=20, ge=18, le=23)
    """Version of ONNX's operators, 18 to 23: the oldest runtime that is to load the file decides it."""


class Pt2Options(PartConfig):
    """A program of torch.export."""

    type: str = "pt2"


class AotiOptions(PartConfig):
    """A library that AOTInductor compiles. Loading it runs it, so it is written with --trust-code alone."""

    type: str = "aoti"


class FxFolderOptions(PartConfig):
    """A folder of Python with the operations one after another, the weights as safetensors, and the graph as a table."""

    type: str = "fx_folder"


class TorchScriptOptions(PartConfig):
    """A trace of TorchScript, which torch calls deprecated. Loading it runs it, so it is written with --trust-code alone."""

    type: str = "torchscript"
