"""A trace of TorchScript, for programs in C++ that have nothing newer; torch itself calls it deprecated."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure, own_place
from trainwright.deploy.exporters.base import Answers, Trained
from trainwright.deploy.exporters.consent import require_consent
from trainwright.deploy.exporters.fixed_axes import sizes_of
from trainwright.deploy.exporters.torch_answers import LONGEST, open_with
from trainwright.deploy.exporters.torch_program import ProgramExporter
from trainwright.deploy.tracing.program import as_exported, check_fixed
from trainwright.domains.deliverable import Deliverable
from trainwright.domains.predictor import Tensors

DEBUG = ".debug_pkl"
"""The ending of the parts of a file that say which line of code an operation came from."""


class TorchScriptExporter(ProgramExporter):
    """`model.pt`: the operations of one pass, with the weights as constants."""

    suffix: ClassVar[str] = ".pt"
    executes_on_load: ClassVar[bool] = True

    def write(self, trained: Trained, target: Path) -> list[Path]:
        require_consent("torchscript", "it is a program of TorchScript")
        self.fixed = sizes_of(self.options.fixed, trained.deliverable)
        check_fixed(trained.deliverable, self.fixed)
        save_script(trained.deliverable, target, self.fixed)
        return [target]

    def open(self, target: Path) -> Answers:
        return open_with(_load, target)


def save_script(deliverable: Deliverable, target: Path, fixed: Mapping[str, int] | None = None) -> None:
    """Write the trace of a model; sizes that code reads as numbers stay those of the example. Raises RequestError for what has none."""
    with _without_gradients(deliverable.module):  # constants of the trace are the weights themselves, and saved as they are then
        _trace_script(deliverable, fixed).save(str(target))
    _forget_places(target)


def _forget_places(target: Path) -> None:
    """Take the lines of code out of a file: they name folders of this machine."""
    whole = target.with_name(f".{target.name}")
    target.rename(whole)
    with zipfile.ZipFile(whole) as given, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as written:
        for each in given.infolist():
            if not each.filename.endswith(DEBUG):
                written.writestr(each, given.read(each))
    whole.unlink()


def _trace_script(deliverable: Deliverable, fixed: Mapping[str, int] | None) -> Any:
    module = deliverable.module

    def answer(raw: Tensors) -> Any:  # a function: of a module every property is asked
        return module(raw)

    try:
        with torch.no_grad(), as_exported("torch"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls all of it deprecated, and warns of sizes; that is what parity is for
            return torch.jit.trace(answer, (deliverable.example(fixed),), strict=False, check_trace=False)  # type: ignore[no-untyped-call]
    except FOREIGN as error:  # torch raises whatever it met
        where, why = own_place(error) or "--to torchscript", describe_failure(error)[:LONGEST]
        raise RequestError("the network of this run cannot be traced", where=where, why=why, fix="export it as onnx or pt2") from error


def _load(target: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(target), map_location="cpu")  # type: ignore[no-untyped-call]


@contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """Weights that want gradients can neither be constants of a trace nor be loaded as such."""
    wanting = [each for each in module.parameters() if each.requires_grad]
    for each in wanting:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in wanting:
            each.requires_grad_(True)
