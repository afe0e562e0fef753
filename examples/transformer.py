"""A Transformer that writes: next characters of a ferryman's log, or of a text of yours.

Run it with `python examples/transformer.py`, or `python examples/transformer.py my_text.txt --steps 3000 --width 128` for more. It takes
a few seconds as it is.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import trainwright as tw

TEXT = Path(__file__).parent / "text/ferryman.txt"


class Writer(nn.Module):
    """Characters (b, t) → logits of the character after each (b, t, c); no place sees what comes after it."""

    def __init__(self, characters: int, width: int, context: int, layers: int = 2) -> None:
        super().__init__()
        self.context = context
        self.character, self.place = nn.Embedding(characters, width), nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, activation="gelu", batch_first=True, norm_first=True, dropout=0.0)
        self.body = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, characters)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context), persistent=False)

    def forward(self, characters: Tensor) -> Tensor:
        length = characters.size(1)
        hidden = self.character(characters) + self.place.weight[:length]
        return self.head(self.body(hidden, self.mask[:length, :length], is_causal=True))


def next_character(logits: Tensor, target: Tensor) -> Tensor:
    """Nats per character, one for each (b·t); any function of (output, target) can be a loss."""
    return cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")


def windows(codes: Tensor, context: int, stride: int) -> tuple[Tensor, Tensor]:
    """Pieces of the text (n, t) and what follows each character of theirs (n, t)."""
    pieces = codes.unfold(0, context + 1, stride)
    return pieces[:, :-1], pieces[:, 1:]


@torch.no_grad()
def written(model: Writer, start: Tensor, length: int) -> Tensor:
    """`length` characters after those of `start` (t), drawn one by one more surely than the model is."""
    codes, generator = start, torch.Generator().manual_seed(0)
    model.eval()
    for _ in range(length):
        chances = (model(codes[-model.context :].unsqueeze(0))[0, -1] / 0.5).softmax(0)
        codes = torch.cat([codes, torch.multinomial(chances, 1, generator=generator)])
    return codes[len(start) :]


def unigram_entropy(text: str) -> float:
    """Nats per character for one who knows only how frequent each is."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log(count / len(text)) for count in counts)


def main(text: Path = TEXT, run_dir: str | None = None, steps: int = 300, width: int = 48, context: int = 32) -> dict[str, float]:
    """Trains, writes a few lines, and gives nats per character on the last tenth of the text, which was not trained on."""
    whole = text.read_text(encoding="utf-8")
    characters = sorted(set(whole))
    codes = torch.tensor([characters.index(each) for each in whole])
    edge = len(codes) * 9 // 10
    torch.manual_seed(0)
    model = Writer(len(characters), width, context)
    result = tw.fit(
        model,
        windows(codes[:edge], context, stride=4),
        windows(codes[edge:], context, stride=context),
        loss=next_character,
        max_steps=steps,
        batch_size=16,
        learning_rate=1e-2,
        schedule="cosine",
        clip={"norm": 1.0},
        evaluate_every="100 steps",
        run_dir=run_dir,
    )
    found = {"loss": result.metrics["validation"]["loss"], "unigram": unigram_entropy(whole)}
    print("".join(characters[code] for code in written(model, codes[edge - context : edge], 240)))
    print(f"{found['loss']:.3f} nats per character; knowing only how frequent each is: {found['unigram']:.3f}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learn to write like a text.")
    parser.add_argument("text", nargs="?", type=Path, default=TEXT)
    for name, default in (("steps", 300), ("width", 48), ("context", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    main(**vars(parser.parse_args()))
