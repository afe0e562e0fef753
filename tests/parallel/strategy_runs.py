"""A small network and a loop written by hand, to see what a strategy makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.config import registry
from trainwright.engine.system import Loss
from trainwright.optim.build import build_optimizer
from trainwright.optim.clipping import clip_gradients
from trainwright.optim.dealt import DealtOptimizer
from trainwright.optim.parameter_groups import as_groups
from trainwright.optim.parameter_options import Clipping
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.strategies.plan import LayerStyle

ROWS, PIECE, STEPS = 24, 4, 6
PLAN = {
    "blocks.*.up": LayerStyle(style="colwise"),
    "blocks.*.down": LayerStyle(style="rowwise"),
    "blocks.*.norm": LayerStyle(style="sequence"),
    "mixed": LayerStyle(style="colwise"),
    "out": LayerStyle(style="rowwise"),
}


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


class Network(nn.Module):
    """Odd widths, a parameter of its own, tied embeddings, dropout: 24 rows of 3 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.mixed = nn.Linear(5, 9), nn.Linear(9, 8)
        self.blocks = nn.ModuleList(Block(8) for _ in range(2))
        self.out, self.scale = nn.Linear(8, 3), nn.Parameter(torch.ones(1))

    def training_step(self, batch: dict[str, Tensor], context: Any) -> Loss:
        x = self.mixed(self.first(batch["x"]))
        for block in self.blocks:
            x = block(x)
        y = self.out(F.dropout(x, 0.1, self.training)).mean(1) * self.scale
        return Loss(F.cross_entropy(y, batch["y"], reduction="sum"), len(batch["y"]))

    def evaluation_step(self, batch: dict[str, Tensor], context: Any) -> dict[str, Tensor]:
        return {"loss": self.training_step(batch, context).total}


def rows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"x": torch.randn(ROWS, 3, 5, generator=generator), "y": torch.randint(0, 3, (ROWS,), generator=generator)}


def optimizer_of(strategy: Strategy, module: nn.Module, name: str, options: dict[str, Any] | None = None) -> Any:
    chosen = registry.options_class("optimizer", name).model_validate(
        {"type": name}
        | ({} if "inner" in (options or {}) else {"lr" if name.startswith("torch.") else "learning_rate": 0.05})
        | (options or {})
    )
    groups = as_groups(list(module.named_parameters()))
    if hasattr(strategy, "owners"):
        return DealtOptimizer(groups, strategy, lambda own: build_optimizer(chosen, own))  # type: ignore[arg-type]
    return build_optimizer(chosen, groups)


def gradient(strategy: Any, network: Network, optimizer: Any, step: int, piece: int = PIECE) -> int:
    """The gradient of the mean loss of all rows, in the parameters of the optimizer, piece by piece as a run makes it."""
    batch = rows()
    strategy.begin_step()
    starts = list(range(0, ROWS, piece))
    mine = starts[strategy.data_rank :: strategy.data_size]
    counts: list[Any] = []
    for start in mine:
        torch.manual_seed(1000 * step + start)
        with strategy.micro_batch(start == mine[-1], True):
            loss = network.training_step({name: each[start : start + piece] for name, each in batch.items()}, None)
            (loss.total / ROWS).backward()
        counts.append(loss.count)
        strategy.end_piece(optimizer.parameters())
    return int(strategy.reduce(optimizer.parameters(), counts, len(starts)).items)


def trained(strategy: Any, name: str, options: dict[str, Any] | None = None, look: Callable[..., Any] | None = None) -> dict[str, Any]:
    """What six steps make of the network: its weights, whole again, and the norm of each step's gradient."""
    torch.manual_seed(0)
    network = Network()
    identities = {each: id(parameter) for each, parameter in network.named_parameters()}
    strategy.place(network)
    module = strategy.trained(network)
    optimizer = optimizer_of(strategy, module, name, options)
    norms = []
    for step in range(STEPS):
        assert gradient(strategy, network, optimizer, step) == ROWS
        norms.append(float(clip_gradients(optimizer.parameters(), Clipping(norm=1.0))))
        if optimizer.redoes:
            optimizer.step_with(lambda: redone(strategy, network, optimizer, step), torch.zeros(()))  # noqa: B023
        else:
            optimizer.step()
        optimizer.zero_grad()
    seen = None if look is None else look(strategy, network, module, optimizer)
    strategy.release(network)
    assert type(network) is Network
    assert {type(each).__name__ for each in network.modules()} == {"Network", "Linear", "LayerNorm", "Block", "ModuleList"}
    assert {each: id(parameter) for each, parameter in network.named_parameters()} == identities
    assert not {"training_step", "evaluation_step"} & set(vars(network))
    weights = {each: tensor.detach().clone() for each, tensor in network.state_dict().items()}
    return {"weights": weights, "norms": norms, "seen": seen}


def redone(strategy: Any, network: Network, optimizer: Any, step: int) -> Tensor:
    optimizer.zero_grad()
    gradient(strategy, network, optimizer, step)
    return torch.zeros(())


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of any weight."""
    return max(float((one["weights"][name] - other["weights"][name]).abs().max()) for name in one["weights"])
