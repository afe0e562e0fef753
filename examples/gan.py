"""A GAN: two networks with an optimizer each, stepped by the system itself.

The generator learns to throw points on a ring of eight spots. Run it with `python examples/gan.py`. It takes a few seconds.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import trainwright as tw

SPOTS = 8


def ring(rows: int, seed: int) -> Tensor:
    """Points (n, 2) near eight spots on a circle of radius 1."""
    generator = torch.Generator().manual_seed(seed)
    angle = torch.randint(SPOTS, (rows,), generator=generator) * (2 * math.pi / SPOTS)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(rows, 2, generator=generator)


def network(inputs: int, outputs: int, width: int = 64) -> nn.Sequential:
    """Two hidden layers."""
    layers = [nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Linear(width, outputs)]
    return nn.Sequential(*layers)


class Gan(tw.System):
    """Generator and discriminator with the non-saturating loss, and a penalty on the slope at real points (R1, Mescheder et al. 2018)."""

    automatic_optimization = False  # training_step goes backwards and steps by itself, in its own order

    class Config(tw.System.Config):
        noise: int = 8
        """Numbers that go into the generator."""
        penalty: float = 0.5
        """Weight of the slope: without it the two chase each other round the ring."""
        learning_rate: float = 1e-3

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        self.generator = network(self.config.noise, 2)
        self.discriminator = network(2, 1)

    def configure_optimizers(self) -> Any:
        # Options by name; lists of torch's own optimizers work as well.
        options = {"type": "adam", "learning_rate": self.config.learning_rate, "betas": [0.5, 0.99]}
        return {name: {"parameters": name, **options} for name in ("generator", "discriminator")}

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Points (n, 2) that the generator throws; `trainwright sample` and `trainer.sampling` call it too."""
        return self.generator(torch.randn(n, self.config.noise, generator=generator))

    def training_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        generator, discriminator = self.optimizers()
        # The generator of the step is seeded from it, so what is drawn is the same in a run that is continued.
        real, fake = batch["input"].requires_grad_(), self.sample(len(batch["input"]), context.generator)

        with discriminator.toggled():  # only its parameters get gradients
            judged = self.discriminator(real)
            (slope,) = torch.autograd.grad(judged.sum(), real, create_graph=True)
            penalty = slope.square().sum(1).mean()
            told = softplus(-judged).mean() + softplus(self.discriminator(fake.detach())).mean()
            discriminator.zero_grad()
            self.manual_backward(told + self.config.penalty * penalty)
            discriminator.step()

        with generator.toggled():
            fooled = softplus(-self.discriminator(fake)).mean()
            generator.zero_grad()
            self.manual_backward(fooled)
            generator.step()

        return {"told": told.detach(), "fooled": fooled.detach()}  # only logged: nothing goes backwards from here


def main(run_dir: str | None = None, steps: int = 2000, resume: bool = False, **trainer: Any) -> dict[str, float]:
    """Trains, and gives how far mean and spread of 4000 samples are from the truth, and the share of spots that are hit."""
    torch.manual_seed(0)
    system = Gan()
    tw.fit(system, {"input": ring(4000, seed=0)}, max_steps=steps, batch_size=128, ema=0.99, run_dir=run_dir, resume=resume, **trainer)
    # `ema`: the kept generator is an average over the last steps, which circles less than the last one.
    with torch.no_grad():
        thrown, truth = system.sample(4000, torch.Generator().manual_seed(1)), ring(4000, seed=1)
    return report(thrown, truth)


def report(thrown: Tensor, truth: Tensor) -> dict[str, float]:
    """Samples beside true points, in four numbers."""
    angle = torch.atan2(thrown[:, 1], thrown[:, 0])
    spot = (angle / (2 * math.pi / SPOTS)).round().long() % SPOTS
    centre = torch.stack([(spot * 2 * math.pi / SPOTS).cos(), (spot * 2 * math.pi / SPOTS).sin()], dim=1)
    near = (thrown - centre).norm(dim=1) < 0.25  # five deviations
    hit = torch.bincount(spot[near], minlength=SPOTS) > len(thrown) / SPOTS / 4
    found = {
        "mean": float((thrown.mean(0) - truth.mean(0)).abs().max()),
        "spread": float((thrown.std(0) / truth.std(0) - 1).abs().max()),
        "spots": float(hit.float().mean()),
        "near": float(near.float().mean()),
    }
    print(
        f"mean off by {found['mean']:.3f}, spread off by {found['spread']:.1%}, "
        f"{int(hit.sum())} of {SPOTS} spots hit, {found['near']:.1%} of the points near one"
    )
    return found


if __name__ == "__main__":
    main()
