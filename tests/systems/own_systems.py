"""Small systems of one's own, as people write them, and the data they are trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

import trainwright as tw


def rows(n: int = 48, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


class Field(tw.BaseModule):
    """A part with options, parameters, and a memory of what it was told."""

    class Config(tw.BaseModule.Config):
        width: int = 5

    def configure(self, inputs: int = 6) -> None:
        self.net = nn.Sequential(nn.Linear(inputs, self.cfg.width), nn.Tanh(), nn.Linear(self.cfg.width, 2))
        self.told: list[tuple[str, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def update_step(self, context: tw.StepContext) -> None:
        self.told.append(("before", context.step))

    def update_step_end(self, context: tw.StepContext) -> None:
        self.told.append(("after", context.step))


class Guide(tw.BaseObject):
    """A part that stays out of the parameters, with a large module in it."""

    class Config(tw.ConfigModel):
        strength: float = 0.5

    def configure(self) -> None:
        self.large = nn.Linear(64, 64)
        self.at = -1

    def update_step(self, context: tw.StepContext) -> None:
        self.at = context.step


class Parts(tw.System):
    """Two parts, and a loss in two terms."""

    class Config(tw.System.Config):
        field: tw.Part = Field.__module__ + ":Field"
        width: int = 5

    def build(self, spec: Any) -> None:
        self.spec = spec
        self.field = Field({"width": self.cfg.width})
        self.guide = Guide()

    def training_step(self, batch: Any, context: tw.StepContext) -> dict[str, Tensor]:
        fit = cross_entropy(self.field(batch["input"]), batch["target"])
        return {"fit": fit, "size": torch.stack([each.pow(2).sum() for each in self.parameters()]).sum()}


class Gan(tw.System):
    """A generator and a discriminator, each with its own optimizer, stepped by the system."""

    automatic_optimization = False

    def __init__(self, config: Any = None, made: str = "ours") -> None:
        super().__init__(config)
        self.made = made
        self.generator, self.discriminator = nn.Linear(3, 6), nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))

    def configure_optimizers(self) -> Any:
        if self.made == "torch":
            return [torch.optim.Adam(self.generator.parameters(), lr=2e-3), torch.optim.SGD(self.discriminator.parameters(), lr=1e-2)]
        return {
            "generator": {"parameters": "generator", "type": "adam", "learning_rate": 2e-3},
            "discriminator": {"parameters": "discriminator", "type": "sgd", "learning_rate": 1e-2},
        }

    def training_step(self, batch: Any, context: tw.StepContext) -> dict[str, Tensor]:
        of_generator, of_discriminator = self.optimizers()  # type: ignore[misc]
        real, noise = batch["input"], torch.randn(len(batch["input"]), 3)
        fake = self.generator(noise)
        with of_discriminator.toggled():
            told = softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake.detach())).mean()
            of_discriminator.zero_grad()
            self.manual_backward(told)
            of_discriminator.step()
        with of_generator.toggled():
            fooled = softplus(-self.discriminator(fake)).mean()
            of_generator.zero_grad()
            self.manual_backward(fooled)
            of_generator.step()
        return {"loss": told.detach() + fooled.detach(), "told": told.detach(), "fooled": fooled.detach()}
