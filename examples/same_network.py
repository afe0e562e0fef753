"""One network twice: as nodes in same_network.yaml, and here as a class. Trained, they have the same weights, bit for bit.

Run it with `python examples/same_network.py`, or the file alone with `trainwright train examples/same_network.yaml`. It takes a few
seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

import trainwright as tw
from trainwright.tools.graph import graph

CONFIG = Path(__file__).with_suffix(".yaml")


class Net(nn.Module):
    """Pictures (n, 1, 8, 8) → logits of ten digits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 12, 3, padding=1)
        self.second = nn.Conv2d(12, 12, 3, padding=1)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(12 * 4 * 4, 10)

    def forward(self, picture: Tensor) -> Tensor:
        relu = self.first(picture).relu()
        pooled = nn.functional.avg_pool2d(self.second(relu) + relu, 2)
        return self.head(self.dropout(pooled.flatten(1)))


def digits() -> dict[str, tuple[Tensor, Tensor]]:
    """1,797 handwritten digits that come with scikit-learn: every fourth is for validation. The configuration names this function."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures, labels = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16, torch.tensor(found.target)
    held_out = torch.arange(len(labels)) % 4 == 0
    return {"train": (pictures[~held_out], labels[~held_out]), "validation": (pictures[held_out], labels[held_out])}


def main(run_dir: str | None = None) -> tuple[dict[str, Tensor], float]:
    """Trains both, and gives the weights, which are those of both, and the accuracy."""
    settings = yaml.safe_load(CONFIG.read_text())
    written, data = settings["model"], digits()
    torch.manual_seed(settings["run"]["seed"])
    of_code = trained(Net(), data, settings, run_dir and f"{run_dir}/code")
    torch.manual_seed(settings["run"]["seed"])
    of_nodes = trained(graph(written["nodes"], written["inputs"]), data, settings, run_dir and f"{run_dir}/nodes")
    weights, others = of_code.system.state_dict(), of_nodes.system.state_dict()
    if any(not torch.equal(weights[name], others[name]) for name in weights | others):
        raise SystemExit("the weights differ")
    accuracy = of_code.metrics["validation"]["accuracy"]
    print(f"code and nodes have the same {tw.n_params(of_code.system):,} numbers; accuracy {accuracy:.3f}")
    return weights, accuracy


def trained(net: nn.Module, data: dict[str, Any], settings: dict[str, Any], run_dir: str | None) -> Any:
    """The network trained with the settings of the file: options of `trainer:` are keywords of `tw.fit`."""
    said = {name: settings[name] for name in ("loss", "metrics")}
    return tw.fit(net, data["train"], data["validation"], **said, **settings["trainer"], run_dir=run_dir)


if __name__ == "__main__":
    main()
