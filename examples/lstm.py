"""An LSTM on sequences of different lengths: whistles that go up, go down, or stay.

A whistle has 15 to 40 samples. Batches are padded by `Padded`, which keeps the lengths beside them, and `VariableLength` runs the LSTM so
that what is filled up changes nothing. Run it with `python examples/lstm.py`. It takes a few seconds.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import trainwright as tw
from trainwright.data.padding import Padded
from trainwright.nn.variable_length import VariableLength

KINDS = ("down", "steady", "up")


class Whistles(Dataset[dict[str, Any]]):
    """Sounds with noise: `sound` (t, 1) and `label`, the place in KINDS."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows, self.seed = rows, seed

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, number: int) -> dict[str, Any]:
        if not 0 <= number < self.rows:
            raise IndexError(number)
        # Each row has a generator of its own, so that it is the same whenever, and in whatever process, it is read.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        length = int(torch.randint(15, 41, (), generator=generator))
        start, label = 0.6 + 0.4 * torch.rand((), generator=generator), number % len(KINDS)
        pitch = start * (1 + 0.6 * (label - 1) * torch.linspace(0, 1, length))  # radians per sample
        phase = pitch.cumsum(0) + 2 * math.pi * torch.rand((), generator=generator)
        sound = phase.sin() + 0.1 * torch.randn(length, generator=generator)
        return {"sound": sound.unsqueeze(1), "label": label}


class Listener(nn.Module):
    """Sounds (b, t, 1) and their lengths (b) → logits of the kinds (b, 3)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.rnn = VariableLength("LSTM", input_size=1, hidden_size=width)
        self.head = nn.Linear(width, len(KINDS))

    def forward(self, sound: Tensor, sound_lengths: Tensor) -> Tensor:
        # The arguments are called as the batch calls its tensors; that is all the wiring there is.
        _, (last, _) = self.rnn(sound, sound_lengths)
        return self.head(last[-1])


def loader(rows: int, seed: int, shuffle: bool = False) -> DataLoader[Any]:
    """Batches of 32 whistles; `sound` padded, and `sound_lengths` with it."""
    return DataLoader(Whistles(rows, seed), batch_size=32, shuffle=shuffle, collate_fn=Padded(fields=["sound"]))


def main(run_dir: str | None = None, epochs: int = 8, resume: bool = False, **trainer: Any) -> float:
    """Trains, and gives the share of held-out whistles that are heard right."""
    torch.manual_seed(0)
    model = Listener()
    result = tw.fit(
        model,
        loader(1200, seed=0, shuffle=True),
        loader(300, seed=1),
        loss="cross_entropy",
        metrics=["accuracy"],
        max_epochs=epochs,
        learning_rate=5e-3,
        schedule="cosine",
        clip={"norm": 1.0},
        run_dir=run_dir,
        resume=resume,
        **trainer,
    )
    accuracy = result.metrics["validation"]["accuracy"]
    print(f"heard right: {accuracy:.3f} of whistles not heard before")
    return accuracy


if __name__ == "__main__":
    main()
