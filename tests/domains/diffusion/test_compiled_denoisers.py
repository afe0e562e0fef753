"""Whole denoisers go through `torch.compile` as one graph, guided ones too, and give what they gave."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.domains.diffusion.denoisers.continuous import FlowDenoiser, VDenoiser
from trainwright.domains.diffusion.denoisers.edm import Denoiser
from trainwright.domains.diffusion.guidance.denoisers import AutoguidanceDenoiser, CFGDenoiser, ComposedDenoiser, DynamicThresholdDenoiser

NOTHING = {"class_cond": torch.full((4,), 2)}
CLASSES = torch.tensor([0, 1, 0, 1])
LEVELS = torch.tensor([0.05, 1.0, 2.0, 9.0])


class Network(nn.Module):
    """A line in x, the class and the level."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.classes = nn.Linear(6, 6), nn.Embedding(3, 6)

    def forward(self, x: Tensor, level: Tensor, class_cond: Tensor) -> Tensor:
        made: Tensor = self.line(x) + self.classes(class_cond) + level[:, None].to(x.dtype)
        return made


def guided_by(rule: str, denoiser: nn.Module) -> nn.Module:
    return DynamicThresholdDenoiser(CFGDenoiser(denoiser, 2.0, NOTHING, interval=(0.1, 5.0), rescale=0.5, rule=rule))


WAYS: dict[str, Any] = {
    "v": lambda: VDenoiser(Network()),
    "linear": lambda: guided_by("linear", Denoiser(Network())),
    "apg": lambda: guided_by("apg", Denoiser(Network())),
    "zero_star": lambda: guided_by("zero_star", FlowDenoiser(Network())),
    "weaker": lambda: AutoguidanceDenoiser(Denoiser(Network()), Denoiser(Network()), 2.0),
    "composed": lambda: ComposedDenoiser(Denoiser(Network()), [({"class_cond": CLASSES}, 2.0)], NOTHING),
}


@pytest.mark.parametrize(("way", "backend"), [("linear", "inductor"), *((each, "eager") for each in WAYS if each != "linear")])
def test_a_denoiser_is_one_graph(way: str, backend: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6)
    with torch.no_grad():
        expected, compiled = WAYS[way](), WAYS[way]()
        compiled.load_state_dict(expected.state_dict())
        torch.compiler.reset()
        as_graph = torch.compile(compiled, fullgraph=True, backend=backend)
        for levels in (LEVELS, LEVELS / 2):
            torch.testing.assert_close(as_graph(x, levels, class_cond=CLASSES), expected(x, levels, class_cond=CLASSES))
