"""One example of every loss of torch: options, torch's own module, and rows of what they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

WEIGHTS = [0.5, 2.0, 1.0, 3.0]
D = torch.float64

Rows = tuple[Any, Any, dict[str, Tensor]]
"""Output, target, batch."""


@dataclass
class Case:
    """`make(rows, generator)` gives output, target and batch; `call` gives torch's mean of them."""

    options: dict[str, Any]
    torch_loss: nn.Module
    make: Callable[[int, torch.Generator], Rows]
    call: Callable[[nn.Module, Any, Any, dict[str, Tensor]], Tensor] = lambda loss, output, target, batch: loss(output, target)
    row_dim: int = 0


def normal(*shape: int, g: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=D)


def classes(*shape: int, g: torch.Generator, ignore: int | None = None) -> Tensor:
    found = torch.randint(0, 4, shape, generator=g)
    if ignore is not None:
        found[torch.rand(shape, generator=g) < 0.3] = ignore
    return found


def signs(b: int, g: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (b,), generator=g).to(D) * 2 - 1


def pair(of: Callable[[Any, torch.Generator], Tensor], *shape: int) -> Callable[[int, torch.Generator], Rows]:
    def make(b: int, g: torch.Generator) -> Rows:
        return normal(b, *shape, g=g), of((b, *shape), g), {}

    return make


def indexed(*extra: int, ignore: int | None = None, log: bool = False) -> Callable[[int, torch.Generator], Rows]:
    def make(b: int, g: torch.Generator) -> Rows:
        output = normal(b, 4, *extra, g=g)
        return output.log_softmax(1) if log else output, classes(b, *extra, g=g, ignore=ignore), {}

    return make


def ctc(b: int, g: torch.Generator) -> Rows:
    target = torch.randint(1, 5, (b, 4), generator=g)
    lengths = {"input_lengths": torch.randint(9, 13, (b,), generator=g), "target_lengths": torch.randint(1, 5, (b,), generator=g)}
    return normal(b, 12, 5, g=g), target, lengths


def embeddings(count: int, target: bool) -> Callable[[int, torch.Generator], Rows]:
    def make(b: int, g: torch.Generator) -> Rows:
        return tuple(normal(b, 3, g=g) for _ in range(count)), signs(b, g) if target else None, {}

    return make


def label_lists(b: int, g: torch.Generator) -> Rows:
    target = torch.full((b, 4), -1)
    for row in range(b):
        kept = torch.randperm(4, generator=g)[: int(torch.randint(0, 4, (1,), generator=g))]
        target[row, : len(kept)] = kept
    return normal(b, 4, g=g), target, {}


def zero_one(shape: Any, g: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=g).to(D)


def values(shape: Any, g: torch.Generator) -> Tensor:
    return normal(*shape, g=g)


def plus_minus(shape: Any, g: torch.Generator) -> Tensor:
    return zero_one(shape, g) * 2 - 1


def counts(shape: Any, g: torch.Generator) -> Tensor:
    return torch.randint(0, 6, shape, generator=g).to(D)


def spread(shape: Any, g: torch.Generator) -> Tensor:
    return normal(*shape, g=g).softmax(1)


def of_two(loss: nn.Module, output: Any, target: Any, batch: dict[str, Tensor]) -> Tensor:
    found: Tensor = loss(*output, target)
    return found


def weight(*numbers: float) -> Tensor:
    return torch.tensor(numbers or WEIGHTS, dtype=D)


def probabilities(b: int, g: torch.Generator) -> Rows:
    return normal(b, 4, g=g).sigmoid(), zero_one((b, 4), g), {}


def gaussian(b: int, g: torch.Generator) -> Rows:
    return (normal(b, 3, g=g), normal(b, 3, g=g).exp()), normal(b, 3, g=g), {}


def log_pair(b: int, g: torch.Generator) -> Rows:
    return normal(b, 4, g=g).log_softmax(1), normal(b, 4, g=g).log_softmax(1), {}


def ranking(b: int, g: torch.Generator) -> Rows:
    return (normal(b, g=g), normal(b, g=g)), signs(b, g), {}


CASES: dict[str, Case] = {
    "l1": Case({"type": "l1"}, nn.L1Loss(), pair(values, 3)),
    "mse": Case({"type": "mse"}, nn.MSELoss(), pair(values, 3)),
    "smooth_l1": Case({"type": "smooth_l1", "beta": 0.5}, nn.SmoothL1Loss(beta=0.5), pair(values, 3)),
    "huber": Case({"type": "huber", "delta": 0.7}, nn.HuberLoss(delta=0.7), pair(values, 3)),
    "poisson": Case({"type": "poisson_nll", "full": True}, nn.PoissonNLLLoss(full=True), pair(counts, 3)),
    "gaussian": Case(
        {"type": "gaussian_nll", "full": True},
        nn.GaussianNLLLoss(full=True),
        gaussian,
        lambda loss, output, target, batch: loss(output[0], target, output[1]),
    ),
    "kl": Case(
        {"type": "kl_div", "log_softmax": True},
        nn.KLDivLoss(),
        pair(spread, 4),
        lambda loss, output, target, batch: loss(output.log_softmax(1), target),
    ),
    "kl batchmean, log target": Case(
        {"type": "kl_div", "log_target": True, "reduction": "batchmean"}, nn.KLDivLoss(log_target=True, reduction="batchmean"), log_pair
    ),
    "bce": Case({"type": "bce", "weight": WEIGHTS}, nn.BCELoss(weight=weight()), probabilities),
    "bce_with_logits": Case(
        {"type": "bce_with_logits", "weight": WEIGHTS, "pos_weight": [1.0, 2.0, 3.0, 0.5]},
        nn.BCEWithLogitsLoss(weight=weight(), pos_weight=weight(1.0, 2.0, 3.0, 0.5)),
        pair(zero_one, 4),
    ),
    "soft_margin": Case({"type": "soft_margin"}, nn.SoftMarginLoss(), pair(plus_minus, 3)),
    "hinge": Case({"type": "hinge_embedding", "margin": 0.6}, nn.HingeEmbeddingLoss(margin=0.6), pair(plus_minus, 2)),
    "cosine": Case({"type": "cosine_embedding", "margin": 0.2}, nn.CosineEmbeddingLoss(margin=0.2), embeddings(2, True), of_two),
    "ranking": Case({"type": "margin_ranking", "margin": 0.3}, nn.MarginRankingLoss(margin=0.3), ranking, of_two),
    "multi_margin": Case(
        {"type": "multi_margin", "p": 2, "margin": 0.5, "weight": WEIGHTS}, nn.MultiMarginLoss(2, 0.5, weight()), indexed()
    ),
    "multi_label_margin": Case({"type": "multi_label_margin"}, nn.MultiLabelMarginLoss(), label_lists),
    "multi_label_soft_margin": Case(
        {"type": "multi_label_soft_margin", "weight": WEIGHTS}, nn.MultiLabelSoftMarginLoss(weight()), pair(zero_one, 4)
    ),
    "triplet": Case(
        {"type": "triplet_margin", "margin": 0.4, "p": 1.5, "swap": True},
        nn.TripletMarginLoss(0.4, 1.5, swap=True),
        embeddings(3, False),
        lambda loss, output, target, batch: loss(*output),
    ),
    "triplet with distance": Case(
        {"type": "triplet_margin_with_distance", "distance_function": "torch.nn.CosineSimilarity", "margin": 0.4},
        nn.TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity(), margin=0.4),
        embeddings(3, False),
        lambda loss, output, target, batch: loss(*output),
    ),
    "nll": Case({"type": "nll", "weight": WEIGHTS, "ignore_index": 2}, nn.NLLLoss(weight(), ignore_index=2), indexed(log=True)),
    "nll of pixels": Case({"type": "nll"}, nn.NLLLoss(), indexed(3, 2, log=True, ignore=-100)),
    "cross_entropy": Case({"type": "cross_entropy"}, nn.CrossEntropyLoss(), indexed()),
    "cross_entropy, all options": Case(
        {"type": "cross_entropy", "weight": WEIGHTS, "ignore_index": 1, "label_smoothing": 0.2},
        nn.CrossEntropyLoss(weight(), ignore_index=1, label_smoothing=0.2),
        indexed(),
    ),
    "cross_entropy of pixels": Case(
        {"type": "cross_entropy", "weight": WEIGHTS}, nn.CrossEntropyLoss(weight()), indexed(3, 2, ignore=-100)
    ),
    "cross_entropy of probabilities": Case(
        {"type": "cross_entropy", "weight": WEIGHTS, "label_smoothing": 0.1},
        nn.CrossEntropyLoss(weight(), label_smoothing=0.1),
        pair(spread, 4, 3),
    ),
    "ctc": Case(
        {"type": "ctc", "batch_first": True, "log_softmax": True},
        nn.CTCLoss(),
        ctc,
        lambda loss, output, target, batch: loss(
            output.log_softmax(-1).transpose(0, 1), target, batch["input_lengths"], batch["target_lengths"]
        ),
    ),
}
