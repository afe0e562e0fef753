"""A program of torch.export, for Python programs that have torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch

from trainwright.deploy.exporters.base import Answers, Trained
from trainwright.deploy.exporters.torch_answers import open_with
from trainwright.deploy.exporters.torch_program import ProgramExporter


class Pt2Exporter(ProgramExporter):
    """`model.pt2`. Torch reads names of sizes in it as expressions, and unpickles what it does not know: from others it is code."""

    suffix: ClassVar[str] = ".pt2"
    executes_on_load: ClassVar[bool] = True

    def write(self, trained: Trained, target: Path) -> list[Path]:
        torch.export.save(self.trace(trained), target)
        return [target]

    def open(self, target: Path) -> Answers:
        return open_with(_load, target)


def _load(target: Path) -> Any:
    return torch.export.load(target).module()
