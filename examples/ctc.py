"""A CTC model: reads Morse code from a noisy signal, without being told where a letter begins.

Dots, dashes and pauses last as long as the sender's hand makes them. The target is only the word, so the loss sums over all ways in which
its letters can lie along the signal (Graves et al. 2006). Run it with `python examples/ctc.py`. It takes a few seconds.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.data.padding import Padded
from trainwright.nn.variable_length import unpad

MORSE = {"A": ".-", "D": "-..", "E": ".", "I": "..", "M": "--", "N": "-.", "O": "---", "R": ".-.", "S": "...", "T": "-"}
LETTERS = "".join(MORSE)  # symbol 0 is the blank, symbol k the letter k - 1
STRIDE = 2  # samples of the signal for each output


def sent(word: str, generator: torch.Generator) -> Tensor:
    """A word as a signal (t, 1): 1 while the key is down, with uneven lengths and noise."""

    def lasting(units: int) -> int:
        return 2 * units + int(torch.randint(-1 if units > 1 else 0, 2, (), generator=generator))

    pieces = [torch.zeros(lasting(3))]
    for letter in word:
        for mark in MORSE[letter]:
            pieces += [torch.ones(lasting(1 if mark == "." else 3)), torch.zeros(lasting(1))]
        pieces.append(torch.zeros(lasting(3)))
    signal = torch.cat(pieces)
    return (signal + 0.2 * torch.randn(len(signal), generator=generator)).unsqueeze(1)


def messages(rows: int, seed: int) -> dict[str, Tensor]:
    """Random words of 2 to 5 letters, sent: padded, with the lengths of both beside them."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(rows):
        length = int(torch.randint(2, 6, (), generator=generator))
        letters = torch.randint(len(LETTERS), (length,), generator=generator)
        signal = sent("".join(LETTERS[each] for each in letters), generator)
        samples.append({"signal": signal, "word": letters + 1})
    batch: dict[str, Tensor] = Padded(fields=["signal", "word"])(samples)
    batch["steps"] = batch["signal_lengths"] // STRIDE  # what the network makes of a signal
    return batch


class Reader(nn.Module):
    """Signals (b, t, 1) → logits of blank and letters (b, t / 2, 11); each output sees about 60 samples, more than the longest letter."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(1, width, 4, STRIDE, padding=1), nn.GELU()]
        for dilation in (1, 2, 4):
            layers += [nn.Conv1d(width, width, 5, dilation=dilation, padding=2 * dilation), nn.BatchNorm1d(width), nn.GELU()]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(width, len(LETTERS) + 1)

    def forward(self, signal: Tensor) -> Tensor:
        return self.head(self.body(signal.transpose(1, 2)).transpose(1, 2))


@torch.no_grad()
def read(model: Reader, batch: dict[str, Tensor]) -> list[str]:
    """Words by the best symbol of each step: repeated ones joined, blanks left out."""
    best = model.eval()(batch["signal"]).argmax(2)
    words = [[symbol for symbol, _ in groupby(row.tolist()) if symbol] for row in unpad(best, batch["steps"])]
    return ["".join(LETTERS[symbol - 1] for symbol in word) for word in words]


def edits(one: str, other: str) -> int:
    """Letters to put in, take out or change (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def main(run_dir: str | None = None, epochs: int = 6, **trainer: Any) -> float:
    """Trains, reads words that were not trained on, and gives the share of letters that are wrong."""
    torch.manual_seed(0)
    model = Reader()
    # The loss finds the signal's and the word's lengths in the batch, under the names given here.
    loss = {
        "type": "ctc",
        "batch_first": True,
        "log_softmax": True,
        "inputs": {"input_lengths": "steps", "target_lengths": "word_lengths"},
    }
    held_out = messages(300, seed=1)
    tw.fit(
        model,
        messages(2000, seed=0),
        held_out,
        target="word",
        loss=loss,
        max_epochs=epochs,
        batch_size=32,
        learning_rate=1e-2,
        schedule="cosine",
        run_dir=run_dir,
        **trainer,
    )
    words = ["".join(LETTERS[symbol - 1] for symbol in word.tolist()) for word in unpad(held_out["word"], held_out["word_lengths"])]
    found = read(model, held_out)
    wrong = sum(map(edits, found, words)) / sum(map(len, words))
    print("\n".join(f"sent {word:6}  read {one}" for word, one in zip(words[:5], found[:5], strict=True)))
    print(f"{wrong:.2%} of the letters are wrong")
    return wrong


if __name__ == "__main__":
    main()
