"""A VAE: pictures of a soft dot, told by two numbers.

Its loss has two terms, the second with a weight that rises over the run. Run it with `python examples/vae.py`. It takes a few seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import trainwright as tw

SIZE = 12


def dots(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures (n, 144) of a dot, and where it is (n, 2), from -1 to 1."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(rows, 2, generator=generator) * 1.4 - 0.7
    line = torch.linspace(-1, 1, SIZE)
    across, down = (torch.exp(-((line - place[:, [axis]]) ** 2) / 0.08) for axis in (0, 1))
    return (down.unsqueeze(2) * across.unsqueeze(1)).flatten(1), place


class Vae(tw.System):
    """Encoder to mean and log-variance of a few numbers, and decoder back (Kingma and Welling 2014)."""

    class Config(tw.System.Config):
        latent: int = 2
        """Numbers that tell a picture."""
        width: int = 128

    def __init__(self, config: object = None) -> None:
        super().__init__(config)
        latent, width = self.config.latent, self.config.width
        self.encoder = nn.Sequential(nn.Linear(SIZE * SIZE, width), nn.SiLU(), nn.Linear(width, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, SIZE * SIZE))

    def training_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        picture = batch["picture"]
        mean, log_variance = self.encoder(picture).chunk(2, dim=1)
        drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)  # seeded by the run and the step
        off = (self.decoder(drawn) - picture).square().sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return {"reconstruction": off.mean(), "divergence": divergence.mean()}

    def evaluation_step(self, batch: dict[str, Tensor], context: tw.StepContext) -> dict[str, Tensor]:
        picture = batch["picture"]
        mean, _ = self.encoder(picture).chunk(2, dim=1)
        return {"loss": (self.decoder(mean) - picture).square().mean(1)}  # per pixel, without the noise

    def predict_step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"latent": self.encoder(batch["picture"])[:, : self.config.latent]}


def main(run_dir: str | None = None, steps: int = 1500) -> dict[str, float]:
    """Trains, and gives error per pixel on pictures not seen, what the mean picture would give, and how well the place can be read."""
    train, _ = dots(2000, seed=0)
    held_out, place = dots(500, seed=1)
    torch.manual_seed(0)
    system = Vae({"loss": {"lambda_divergence": [0, 0.0, 0.02, 500]}})  # with the full weight at once it would ignore the pictures
    result = tw.fit(
        system,
        {"picture": train},
        {"picture": held_out},
        max_steps=steps,
        batch_size=64,
        learning_rate=2e-3,
        run_dir=run_dir,
    )
    with torch.no_grad():
        latent = system.predict_step({"picture": held_out})["latent"]
    found = {
        "error": result.metrics["validation"]["loss"],
        "without": float((held_out - train.mean(0)).square().mean()),
        "place": explained(latent, place),
    }
    print(f"squared error per pixel {found['error']:.5f}; the mean picture has {found['without']:.5f}")
    print(f"the two numbers explain {found['place']:.1%} of where the dot is")
    return found


def explained(latent: Tensor, place: Tensor) -> float:
    """Share of the variance of the place that a cubic polynomial of the latent numbers gives (R²)."""
    a, b = ((latent - latent.mean(0)) / latent.std(0)).T
    terms = torch.stack([a**i * b**j for i in range(4) for j in range(4 - i)], dim=1)
    fitted = terms @ torch.linalg.lstsq(terms, place).solution
    return float(1 - (fitted - place).square().sum() / (place - place.mean(0)).square().sum())


if __name__ == "__main__":
    main()
