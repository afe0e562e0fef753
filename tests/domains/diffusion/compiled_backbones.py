"""Compiles every small network without a graph break; run in a process without checks of shapes."""

from __future__ import annotations

from dataclasses import replace

import torch
from small_backbones import EVERYTHING, MADE, SIZES, draw_weights, inputs


def compile_network(name: str) -> None:
    """Raises where a graph breaks, or the result is another."""
    shape = replace(EVERYTHING, size=SIZES["picture"])
    network = draw_weights(MADE[name](shape)).eval()
    x, conditions = inputs(shape)
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="eager", dynamic=False)
    torch.testing.assert_close(compiled(x, torch.ones(3), **conditions), network(x, torch.ones(3), **conditions))


if __name__ == "__main__":
    for each in MADE:
        compile_network(each)
        print(each)
