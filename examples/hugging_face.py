"""A Hugging Face model that returns its own loss: a tiny BERT, made from its config, learns what "not" does.

Nothing is downloaded. It needs `pip install 'trainwright[huggingface]'`. Run it with `python examples/hugging_face.py`. It takes about ten
seconds, half of them for imports.
"""

from __future__ import annotations

import torch
from torch import Tensor

import trainwright as tw

try:
    from transformers import BertConfig, BertForSequenceClassification
except ImportError:
    raise SystemExit("this example needs transformers: pip install 'trainwright[huggingface]'") from None

WORDS = ["[PAD]", "[CLS]", "the", "film", "was", "and", "long", "quiet", "we", "saw", "it", "not", "good", "bad"]
PAD, CLS, NOT, GOOD, BAD = (WORDS.index(word) for word in ("[PAD]", "[CLS]", "not", "good", "bad"))
LENGTH = 12


def reviews(rows: int, seed: int) -> dict[str, Tensor]:
    """Reviews with one verdict in each, `not` before it half of the time and another word anywhere: the columns that BERT takes."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(least: int, most: int) -> Tensor:
        return torch.randint(least, most, (rows,), generator=generator)

    words = torch.randint(CLS + 1, NOT, (rows, LENGTH), generator=generator)
    row, verdict, place, negated = torch.arange(rows), drawn(GOOD, BAD + 1), drawn(2, 8), drawn(0, 2).bool()
    words[:, 0] = CLS
    words[row, place] = verdict
    words[row[negated], place[negated] - 1] = NOT
    mask = torch.arange(LENGTH) < drawn(9, LENGTH + 1).unsqueeze(1)
    return {
        "input_ids": words.masked_fill(~mask, PAD),
        "attention_mask": mask.long(),
        "labels": ((verdict == GOOD) ^ negated).long(),
    }


def main(run_dir: str | None = None, epochs: int = 5) -> float:
    """Trains, and gives the share of held-out reviews that are understood."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        num_labels=2,
        initializer_range=0.1,  # the usual 0.02 is for hundreds of units; here it would take long to leave zero
    )
    result = tw.fit(
        BertForSequenceClassification(config),  # called as model(**batch); its `.loss` is what is trained
        reviews(2000, seed=0),
        reviews(500, seed=1),
        max_epochs=epochs,
        batch_size=50,
        learning_rate=3e-3,
        schedule="cosine",
        run_dir=run_dir,
    )
    accuracy = result.metrics["validation"]["accuracy"]
    print(f"understood: {accuracy:.3f} of reviews not read before")
    return accuracy


if __name__ == "__main__":
    main()
