"""A program compiled by AOTInductor to a shared library, for this kind of processor, operating system and version of torch."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any, ClassVar

import torch

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.exporters.base import Answers, Trained
from trainwright.deploy.exporters.consent import require_consent
from trainwright.deploy.exporters.torch_answers import LONGEST, open_with
from trainwright.deploy.exporters.torch_program import ProgramExporter


class AotiExporter(ProgramExporter):
    """`model.aoti.pt2`."""

    suffix: ClassVar[str] = ".aoti.pt2"
    executes_on_load: ClassVar[bool] = True

    def write(self, trained: Trained, target: Path) -> list[Path]:
        require_consent("aoti", "it is a compiled library, which runs as part of the program that loads it")
        _require_compiler()
        program = self.trace(trained)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
                torch._inductor.aoti_compile_and_package(program, package_path=str(target))
        except FOREIGN as error:  # the compilers raise whatever they met
            fix = "export it as onnx or pt2, which nothing compiles"
            raise RequestError(
                "the program cannot be compiled", where="--to aoti", why=describe_failure(error)[:LONGEST], fix=fix
            ) from error
        return [target]

    def open(self, target: Path) -> Answers:
        return open_with(_load, target)


def _require_compiler() -> None:
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        fix = "install one (apt install g++), or export it as onnx or pt2"
        raise RequestError("there is no compiler of C++ here", where="--to aoti", why="AOTInductor writes C++ and compiles it", fix=fix)


def _load(target: Path) -> Any:
    return torch._inductor.aoti_load_package(str(target))
