"""A system of one's own: the frequency of a damped swing, found from few noisy measurements and the law it obeys.

The network u(t) has to pass near the measurements *and* to satisfy u'' + 2·d·u' + w²·u = 0, with d and w unknown and trained beside its
weights (a physics-informed network). No loss by name can say this, so the step is written here.
Run it with `python examples/custom_system.py`. It takes a few seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import trainwright as tw

DAMPING, FREQUENCY = 0.3, 4.0
END = 4.0


def swing(t: Tensor) -> Tensor:
    """The truth: the solution of the equation that starts at 1 and at rest."""
    inner = (FREQUENCY**2 - DAMPING**2) ** 0.5
    return (-DAMPING * t).exp() * ((inner * t).cos() + DAMPING / inner * (inner * t).sin())


class Oscillator(tw.System):
    """Learns u(t) and the two numbers of its equation."""

    monitor = "mae"  # the metric of `evaluation_step` that picks the best weights

    class Config(tw.System.Config):
        width: int = 32
        """Units of a layer."""
        points: int = 64
        """Times per step at which the equation is asked for."""

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        width = self.config.width
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        self.raw = nn.Parameter(torch.tensor([0.0, 2.0]))  # softplus keeps both positive

    def forward(self, t: Tensor) -> Tensor:
        """The swing at times t (b, 1)."""
        return self.net(2 * t / END - 1)

    def training_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        # A mapping of parts: each is weighted by `loss` of the options and logged under its name.
        measured = (self(batch["t"]) - batch["u"]).square().mean()
        # `context.generator` follows from the run's seed and the step, so a run that is continued draws the same times.
        t = END * torch.rand(self.config.points, 1, generator=context.generator)
        return {"measured": measured, "equation": self.residual(t).square().mean()}

    def residual(self, t: Tensor) -> Tensor:
        """What is left of the equation at times t (b, 1)."""
        t.requires_grad_()
        u = self(t)
        (speed,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (acceleration,) = torch.autograd.grad(speed.sum(), t, create_graph=True)
        damping, frequency = softplus(self.raw)
        return (acceleration + 2 * damping * speed + frequency**2 * u) / 10  # about as large as u itself

    def evaluation_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        # One number per row, here against the truth; the mean over rows is a metric of the split.
        return {"mae": (self(batch["t"]) - batch["u"]).abs().squeeze(1)}


def main(run_dir: str | None = None, steps: int = 2000) -> dict[str, float]:
    """Trains, and gives the mean error of the curve where nothing was measured, and the two numbers found."""
    generator = torch.Generator().manual_seed(0)
    t = torch.linspace(0, END, 33)[::2].unsqueeze(1)
    noisy = swing(t) + 0.02 * torch.randn(t.shape, generator=generator)
    everywhere = torch.linspace(0, END, 200).unsqueeze(1)
    torch.manual_seed(0)
    # The equation comes in slowly: from the first step on it would flatten the curve, which satisfies it too.
    system = Oscillator({"loss": {"lambda_measured": 1.0, "lambda_equation": [0, 0.0, 1.0, 1000]}})
    result = tw.fit(
        system,
        {"t": t, "u": noisy},
        {"t": everywhere, "u": swing(everywhere)},
        max_steps=steps,
        batch_size=len(t),
        learning_rate=5e-3,
        evaluate_every="250 steps",
        run_dir=run_dir,
    )
    damping, frequency = softplus(system.raw).tolist()
    found = {"error": result.metrics["validation"]["mae"], "damping": damping, "frequency": frequency}
    print(f"damping {damping:.3f} (truth {DAMPING}), frequency {frequency:.3f} (truth {FREQUENCY})")
    print(f"the curve is off by {found['error']:.4f} on average")
    return found


if __name__ == "__main__":
    main()
