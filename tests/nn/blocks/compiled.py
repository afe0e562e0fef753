"""Compiles every small block without a graph break, in evaluation and in training; run in a process without checks of shapes."""

from __future__ import annotations

import torch
from small import SMALL, in_doubles


def compile_case(case: str) -> None:
    """Raises where a graph breaks, or the result is another."""
    module, inputs = in_doubles(case)
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), module(*inputs))
    module.train()
    torch.manual_seed(0)
    compiled(*inputs).sum().backward()


if __name__ == "__main__":
    for each in SMALL:
        compile_case(each)
        print(each)
