"""The parts of a step as named ranges: in the trace of torch.profiler, and for NVIDIA's tools on CUDA."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

NVTX: Any = torch.cuda.nvtx
PREFIX = "step: "
"""Before the names in a trace, where operations have such names too."""


class StepRanges:
    """`step`, and in it `forward`, `backward`, `wait` (for other processes, and what follows the last backward pass) and `optimizer`."""

    def __init__(self, cuda: bool) -> None:
        """`cuda`: whether ranges go to NVTX as well."""
        self._cuda = cuda
        self._open: list[tuple[str, Any]] = []
        self._handles: list[Any] = []

    def watch(self, system: nn.Module) -> None:
        """Notice when a forward pass begins, which no hook of a run tells: when a module of the system is called."""
        self._handles = [each.register_forward_pre_hook(self._begins) for each in system.children()]

    def begin(self) -> None:
        """A step begins."""
        self.close()
        self._push("step")
        self._push("forward")

    def turn(self, name: str) -> None:
        """Within a step, one part ends and the next begins."""
        if self._open:
            if len(self._open) > 1:
                self._pop()
            self._push(name)

    def close(self) -> None:
        """The step ended, or was given up."""
        while self._open:
            self._pop()

    def release(self) -> None:
        """Watch no longer."""
        self.close()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _begins(self, module: nn.Module, inputs: Any) -> None:
        if self._open and self._open[-1][0] == "wait":
            self.turn("forward")

    def _push(self, name: str) -> None:
        recorded: Any = torch.profiler.record_function(f"{PREFIX}{name}")
        recorded.__enter__()
        if self._cuda:
            NVTX.range_push(name)
        self._open.append((name, recorded))

    def _pop(self) -> None:
        _, recorded = self._open.pop()
        recorded.__exit__(None, None, None)
        if self._cuda:
            NVTX.range_pop()
