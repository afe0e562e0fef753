"""Options of exporters; they import no torch."""

from __future__ import annotations

from trainwright.config.model import PartConfig


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
