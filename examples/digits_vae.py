"""A VAE that learns to write digits, and shows what it writes while it learns.

Its `sample` decodes noise; `sampling` calls it every 100 steps and puts the pictures into the run's `media/samples`. Afterwards
`trainwright sample RUN -n 64` makes as many as you like. Run it with `python examples/digits_vae.py`. It takes some seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import trainwright as tw

SIDE = 8


def digits() -> dict[str, dict[str, Tensor]]:
    """The 1,797 handwritten digits of scikit-learn, 8 × 8 pixels of 0 to 1, the last 397 held back."""
    pictures = torch.from_numpy(load_digits().images.astype(np.float32) / 16).unsqueeze(1)
    return {"train": {"picture": pictures[:1400]}, "validation": {"picture": pictures[1400:]}}


class DigitsVae(tw.System):
    """Encoder to mean and log-variance of a few numbers, and decoder back (Kingma and Welling 2014)."""

    class Config(tw.System.Config):
        latent: int = 8
        """Numbers that tell a picture."""
        width: int = 256

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        latent, width, pixels = self.config.latent, self.config.width, SIDE * SIDE
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.SiLU(), nn.Linear(width, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, pixels))

    def training_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        mean, log_variance = self.encoder(batch["picture"]).chunk(2, dim=1)
        drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        off = binary_cross_entropy_with_logits(self.decoder(drawn), batch["picture"].flatten(1), reduction="none").sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return {"reconstruction": off.mean(), "divergence": divergence.mean()}

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Pictures (n, 1, 8, 8) of 0 to 1, of nothing but noise."""
        noise = torch.randn(n, self.config.latent, generator=generator, device=generator.device)
        return self.decoder(noise).sigmoid().reshape(n, 1, SIDE, SIDE)


def main(run_dir: str | None = None, steps: int = 800, **trainer: object) -> dict[str, float]:
    """Trains, and gives how far pictures of noise are from real digits, beside real digits not seen and the mean digit."""
    data, system = digits(), DigitsVae()
    asked = {
        "max_steps": steps,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "ema": 0.99,
        "sampling": {"every": "100 steps", "n": 25},
        **trainer,
    }
    tw.fit(system, data["train"], data["validation"], run_dir=run_dir, **asked)
    system.eval()
    with torch.no_grad():
        made = system.sample(397, torch.Generator().manual_seed(1))
    train, held_out = data["train"]["picture"], data["validation"]["picture"]
    found = {
        "made": nearest(made, train),
        "real": nearest(held_out, train),
        "mean": nearest(train.mean(0, keepdim=True), train),
        "spread": float(made.std(0).mean() / held_out.std(0).mean()),
    }
    told = ", ".join(f"{what} {found[what]:.2f}" for what in ("made", "real", "mean"))
    print(f"distance to the nearest digit of training (the last is that of their mean): {told}")
    print(f"pictures of noise differ {found['spread']:.0%} as much from each other as real ones")
    return found


def nearest(pictures: Tensor, others: Tensor) -> float:
    """The mean distance (Euclidean, of 64 pixels) from each picture to the nearest of the others."""
    return float(torch.cdist(pictures.flatten(1), others.flatten(1)).min(1).values.mean())


if __name__ == "__main__":
    main()
