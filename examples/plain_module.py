"""A plain module: two spirals told apart by a network that knows nothing of Trainwright.

Run it with `python examples/plain_module.py`. It takes about two seconds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

import trainwright as tw


def spirals(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points (n, 2) on two arms that wind round each other, and the arm that each is on (n)."""
    generator = torch.Generator().manual_seed(seed)
    arm = torch.arange(rows) % 2
    turn = torch.rand(rows, generator=generator).sqrt() * 3 * math.pi
    angle = turn + math.pi * arm
    points = torch.stack([angle.cos(), angle.sin()], dim=1) * turn.unsqueeze(1) / (3 * math.pi)
    return points + 0.02 * torch.randn(rows, 2, generator=generator), arm


class Net(nn.Module):
    """Three layers; a first one of sines, since straight cuts are slow to wind."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, points: Tensor) -> Tensor:
        return self.body(torch.sin(4 * self.first(points)))


def main(run_dir: str | None = None) -> float:
    """Trains, and gives the share of held-out points that are told apart."""
    torch.manual_seed(0)  # the first weights are the model's own business; the seed of the run is for the order of the rows
    result = tw.fit(
        Net(),
        spirals(1000, seed=0),  # (x, y) tensors are all that is needed
        spirals(400, seed=1),
        loss="cross_entropy",
        metrics=["accuracy"],
        max_epochs=20,
        learning_rate=3e-3,
        run_dir=run_dir,
    )
    # The weights are now those of the epoch with the best validation loss, and the run directory holds them too.
    accuracy = result.metrics["validation"]["accuracy"]
    print(f"accuracy on points it has not seen: {accuracy:.3f} (best epoch ends at step {result.best_step})")
    return accuracy


if __name__ == "__main__":
    main()
