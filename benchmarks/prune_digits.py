"""Digits (scikit-learn, 1,797 pictures), 64 → 256 → 256 → 10: accuracy on 360 test rows, dense and pruned by the cubic schedule."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import trainwright as tw

EPOCHS, BATCH = 60, 64
SPARSITIES = (0.8, 0.9, 0.95, 0.98)
Pairs = tuple[Tensor, Tensor]


def splits(seed: int) -> tuple[Pairs, Pairs, Pairs]:
    """Rows to train on, to choose by and to test on: 60, 20 and 20 %, drawn by the seed."""
    bunch = load_digits()
    x, y = torch.tensor(bunch.data, dtype=torch.float32) / 16, torch.tensor(bunch.target)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    train, validation, test = order.split([len(y) - 2 * 360, 360, 360])
    return (x[train], y[train]), (x[validation], y[validation]), (x[test], y[test])


def network(seed: int) -> nn.Module:
    """The network with first values of the seed."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def accuracy(seed: int, sparsity: float) -> tuple[float, float]:
    """Accuracy on the test rows, and the share of weights that are zero in the model that is kept."""
    train, validation, (x, y) = splits(seed)
    method = {"type": "global_l1", "amount": sparsity}
    named: list[Any] = [{"type": "pruning", "method": method, "schedule": "cubic"}] if sparsity else []
    model = network(seed)
    with tempfile.TemporaryDirectory() as folder:
        tw.fit(
            model,
            train,
            validation,
            batch_size=BATCH,
            max_epochs=EPOCHS,
            seed=seed,
            device="cpu",
            callbacks=named,
            console=False,
            run_dir=f"{folder}/run",
            evaluation={"history": "none", "report": False},
        )
    with torch.no_grad():
        right = (model.eval()(x).argmax(1) == y).float().mean()
    weights = [each.weight for each in model if isinstance(each, nn.Linear)]
    zeros, total = sum(int((each == 0).sum()) for each in weights), sum(each.numel() for each in weights)
    return 100 * float(right), zeros / total


def main(seeds: int = 3) -> None:
    """Print accuracy by sparsity, and the mean loss against the dense network of the same seed."""
    dense = [accuracy(seed, 0.0)[0] for seed in range(seeds)]
    print(f"digits, dense                     {statistics.mean(dense):.2f} % of test rows ({', '.join(f'{each:.2f}' for each in dense)})")
    for sparsity in SPARSITIES:
        found = [accuracy(seed, sparsity) for seed in range(seeds)]
        loss = statistics.mean(first - right for first, (right, _) in zip(dense, found, strict=True))
        zeros = statistics.mean(share for _, share in found)
        shown = ", ".join(f"{right:.2f}" for right, _ in found)
        mean = statistics.mean(right for right, _ in found)
        bar = "; bar 0.5" if sparsity == 0.95 else ""
        print(f"cubic, {100 * zeros:.2f} % zeros              {mean:.2f} % ({shown}): {loss:+.2f} points lost{bar}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    main(parser.parse_args().seeds)
