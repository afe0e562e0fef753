"""What every format has: it is written from a trained model, and opened again without the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import nn

from trainwright.config.errors import RequestError
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.predictor import Predictor, Tensors

Arrays = dict[str, np.ndarray]
Answers = Callable[[Arrays], Arrays]
"""Inputs by name → outputs by name, rows first."""


@dataclass
class Trained:
    """A trained model that is exported: where it is, and what answers rows with it."""

    path: Path
    """A run, or the folder of an exported model."""
    predictor: Predictor
    shrinks: bool = False
    """Whether units that change nothing are left out of what is exported."""

    @cached_property
    def deliverable(self) -> Deliverable:
        """The model as one module, for formats that trace it; raises RequestError for one that cannot be traced, or be smaller where that
        is asked for."""
        made = self.predictor.deliverable()
        self.module = made.module
        if self.shrinks:
            from trainwright.deploy.shrinking.shrinking import shrink_module  # traces, which imports much

            made.module = shrink_module(made)
        return made

    module: nn.Module = field(init=False)
    """The module of the run, whole; known with the deliverable."""


class Exporter(ABC):
    """A format under its options. One that cannot be opened again has no numbers that could be compared with the run's."""

    suffix: ClassVar[str]
    """The ending of its file (`.onnx`); empty where it is a folder."""
    opens: ClassVar[bool] = True
    """Whether what it writes can answer inputs by itself."""
    describes_itself: ClassVar[bool] = False
    """Whether the artifact holds how its columns are read; else columns.json lies beside it."""
    loader: ClassVar[str] = ""
    """The file of `deploy/loading/` that loads it without Trainwright, which is copied beside it; empty for none."""
    executes_on_load: ClassVar[bool] = False
    """Whether who opens it may run what it holds, so that one from elsewhere is only opened where somebody consents."""

    proof_rows: int = 256
    """Rows of the run that the artifact is proven on."""
    may_lose: float | None = None
    """Points of a metric that an artifact of rounded weights may lose; None where it must answer as the run does."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.fixed: dict[str, int] = {}
        """The axes that what it has written holds to one size."""
        self.findings: dict[str, Any] = {}
        """What was found while it was written, by name, for parity.json."""

    @abstractmethod
    def write(self, trained: Trained, target: Path) -> list[Path]:
        """Write a new file, or a new folder; the files that were written. Raises RequestError for what the format cannot hold."""

    def given(self, deliverable: Deliverable, tensors: Tensors) -> Arrays:
        """What the artifact takes, of what the module takes."""
        return {name: each.numpy() for name, each in tensors.items()}

    def inside(self, target: Path, arrays: Arrays) -> Arrays:
        """What modules of the network give inside of what was just written, by their paths, as far as that can be seen."""
        del target, arrays
        return {}

    def open(self, target: Path) -> Answers:
        """What answers inputs with what was written, and nothing else. Raises RunError for a file that is damaged."""
        raise RequestError("this format holds no network that could answer", where=str(target), fix="export it as onnx or pt2")
