"""A program of torch.export: loading it executes nothing, and torch is all that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from trainwright.config.errors import FOREIGN, RunError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.exporters.base import Answers, Arrays, Exporter, Trained
from trainwright.deploy.tracing.program import trace_program


class Pt2Exporter(Exporter):
    """`model.pt2`."""

    suffix: ClassVar[str] = ".pt2"

    def write(self, trained: Trained, target: Path) -> list[Path]:
        torch.export.save(trace_program(trained.deliverable, recurrent="torch"), target)
        return [target]

    def open(self, target: Path) -> Answers:
        try:
            program = torch.export.load(target).module()
        except FOREIGN as error:  # torch raises whatever it met
            fix = "restore it from a copy, or export the run again"
            raise RunError("this program cannot be loaded", where=str(target), why=describe_failure(error)[:300], fix=fix) from error

        def answer(inputs: Arrays) -> Arrays:
            with torch.inference_mode():
                found = program({name: torch.from_numpy(each) for name, each in inputs.items()})
            return {name: each.numpy() for name, each in found.items()}

        return answer
