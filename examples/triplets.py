"""Metric learning with triplets: a space in which things of one kind are near, also for kinds it was never shown.

Each thing is 40 numbers: 6 that tell its kind and 34 of louder noise, mixed. Run it with `python examples/triplets.py`. It takes two
seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import trainwright as tw

SIGNAL, NUMBERS, KINDS = 6, 40, 40
MIXING = torch.linalg.qr(torch.randn(NUMBERS, NUMBERS, generator=torch.Generator().manual_seed(7)))[0]


def things(kinds: int, each: int, seed: int) -> Tensor:
    """`each` things of every kind (kinds, each, 40)."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(kinds, 1, SIGNAL, generator=generator) + 0.2 * torch.randn(kinds, each, SIGNAL, generator=generator)
    noise = 2.0 * torch.randn(kinds, each, NUMBERS - SIGNAL, generator=generator)
    return torch.cat([own, noise], dim=2) @ MIXING


def triplets(things: Tensor, rows: int, seed: int) -> dict[str, Tensor]:
    """A thing, another of its kind, and one of another kind, `rows` times (each n, 40)."""
    kinds, each, _ = things.shape
    generator = torch.Generator().manual_seed(seed)

    def drawn(most: int, least: int = 0) -> Tensor:
        return torch.randint(least, most, (rows,), generator=generator)

    kind, one = drawn(kinds), drawn(each)
    other = (one + drawn(each, 1)) % each  # never the same thing
    strange = (kind + drawn(kinds, 1)) % kinds  # never the same kind
    return {"anchor": things[kind, one], "positive": things[kind, other], "negative": things[strange, drawn(each)]}


class Space(nn.Module):
    """Things (n, 40) → points on a sphere (n, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(NUMBERS, 8)

    def embed(self, things: Tensor) -> Tensor:
        return normalize(self.net(things), dim=-1)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # The batch's names are the parameters' names; the loss takes the three in order. There is no target.
        return self.embed(anchor), self.embed(positive), self.embed(negative)


def nearest_is_right(points: Tensor) -> float:
    """Share of points (kinds, each, d) whose nearest other point is of their kind."""
    flat, kind = points.flatten(0, 1), torch.arange(len(points)).repeat_interleave(points.size(1))
    apart = torch.cdist(flat, flat).fill_diagonal_(torch.inf)
    return float((kind[apart.argmin(dim=1)] == kind).float().mean())


def main(run_dir: str | None = None, epochs: int = 8) -> dict[str, float]:
    """Trains, and gives how often the nearest neighbour is of the same kind, before and after, for kinds not trained on."""
    seen, unseen = things(KINDS, 25, seed=0), things(20, 25, seed=1)
    torch.manual_seed(0)
    model = Space()
    tw.fit(
        model,
        triplets(seen, 6000, seed=0),
        triplets(unseen, 500, seed=1),
        loss={"type": "triplet_margin", "margin": 0.5},
        max_epochs=epochs,
        batch_size=100,
        learning_rate=1e-2,
        run_dir=run_dir,
    )
    with torch.no_grad():
        found = {"before": nearest_is_right(unseen), "after": nearest_is_right(model.embed(unseen))}
    print(f"the nearest is of the same kind: {found['before']:.1%} of the time before, {found['after']:.1%} after")
    return found


if __name__ == "__main__":
    main()
