"""What a strategy cannot take is refused before anything is placed, with what works instead. One process that says it is several."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.nn.networks.mlp import MLP
from trainwright.parallel.strategies.mesh import MeshOptions, lay_out, legal_splits
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem


class Several(World):
    """One process that says that it is rank 0 of several, as far as nothing is exchanged."""

    def __init__(self, size: int) -> None:
        self.size = size


class ByHand(tw.System):
    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 2)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: Any, context: Any) -> Any:
        raise NotImplementedError

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        raise NotImplementedError


class OwnLBFGS(ByHand):
    automatic_optimization = True

    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters())


class Sparse(ByHand):
    automatic_optimization = True

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4, sparse=True)

    def configure_optimizers(self) -> Any:
        return None


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
        self.head.weight = self.words.weight

    def forward(self, x: Any) -> Any:
        return self.head(self.words(x))


def network(*layers: nn.Module) -> PlainSystem:
    return PlainSystem(nn.Sequential(*(layers or (nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))), ["input"], "cross_entropy", [])


def said(strategy: Any, system: Any = None, ranks: int = 2, **options: Any) -> str:
    """Every word of the refusal."""
    given = {"strategy": strategy, "max_steps": 2} | options
    with pytest.raises((ConfigError, ManyErrors, ValidationError)) as raised:
        config = TrainerConfig.model_validate(given)
        Trainer(config, device="cpu", console=False, world=Several(ranks)).check(system or network(), 24, 0)
    error = raised.value
    if isinstance(error, ValidationError):
        return " ".join(
            f"{each['msg']} {each.get('ctx', {}).get('why', '')} {each.get('ctx', {}).get('fix', '')}" for each in error.errors()
        )
    errors: list[RequestError] = list(error.errors) if isinstance(error, ManyErrors) else [error]
    return " ".join(f"{each.where} {each.what} {each.why} {each.fix}" for each in errors)


PLAN = {"0": "colwise", "2": "rowwise"}
REFUSED: list[tuple[Any, Any, dict[str, Any], list[str]]] = [
    ("dp", None, {}, ["no strategy 'dp'", "use ddp"]),
    ("fsdp1", None, {}, ["use fsdp"]),
    ("tpp", None, {}, ["'ddp', 'zero', 'fsdp' or 'tp'"]),
    ({"type": "fsdp", "offload": "cpu"}, None, {}, ["trainer.strategy.offload", "needs an accelerator", "leave offload out"]),
    ({"type": "fsdp", "hook": "bf16"}, None, {}, ["'hook' does nothing", "belongs to ddp"]),
    ({"type": "zero", "plan": PLAN}, None, {}, ["belongs to fsdp and tp", "the strategy is zero"]),
    ({"type": "fsdp", "reduce": "ordered"}, None, {}, ["belongs to ddp and zero"]),
    ({"hook": "bf16", "reduce": "ordered"}, None, {}, ["a hook cannot be combined with reduce: ordered"]),
    ({"hook": {"type": "powersgd", "start_step": 1}}, None, {}, ["greater than or equal to 2"]),
    ({"type": "tp", "plan": PLAN, "mesh": {"tp": 3}}, None, {}, ["mesh {tp: 3} does not fit", "3 processes, and 2", "{tp: 2}"]),
    ({"type": "tp", "mesh": {"shard": 2}}, None, {}, ["no direction 'shard'", "use strategy fsdp"]),
    ("tp", None, {}, ["splits the layers of a plan, and there is none", "colwise"]),
    ({"type": "tp", "plan": {"4": "colwise"}}, None, {}, ["trainer.strategy.plan.4", "no module is named '4'"]),
    ({"type": "tp", "plan": {"model.3": "colwise"}}, None, {}, ["did you mean 'model.2'"]),
    ({"type": "tp", "plan": {"1": "colwise"}}, None, {}, ["is a ReLU", "cannot be split colwise"]),
    (
        {"type": "tp", "plan": {"0": "colwise"}},
        network(nn.Linear(4, 33), nn.Linear(33, 2)),
        {},
        ["trainer.strategy.plan.0 layer 'model.0' has 33 outputs, not divisible by tp 2", "use 32 or 34, or leave the layer out"],
    ),
    ({"type": "tp", "plan": {"1": "rowwise"}}, network(nn.Linear(4, 33), nn.Linear(33, 2)), {}, ["has 33 inputs"]),
    ({"type": "tp", "plan": {"head": "colwise"}}, PlainSystem(Tied(), ["input"], "cross_entropy", []), {}, ["is tied", "leave it out"]),
    ({"type": "fsdp", "groups": {"match": ["model.7"]}}, None, {}, ["no such module is named 'model.7'", "did you mean 'model.2'"]),
    ({"type": "fsdp", "plan": PLAN}, None, {}, ["the plan splits no layer", "mesh: {tp: 2}"]),
    ("fsdp", ByHand(), {}, ["'fsdp' cannot take ByHand", "use ddp"]),
    ("zero", ByHand(), {}, ["'zero' cannot take ByHand", "use ddp"]),
    ({"hook": "bf16"}, ByHand(), {}, ["a communication hook cannot be used with ByHand", "use ddp as it is"]),
    ("fsdp", None, {"optimizer": "lbfgs"}, ["lbfgs cannot work on parts", "use strategy ddp, or an optimizer", "adamw, sgd"]),
    ("fsdp", None, {"optimizer": "adamw_8bit"}, ["adamw_8bit cannot work on parts", "use strategy ddp or zero"]),
    ("fsdp", None, {"optimizer": {"type": "torch.optim.Adafactor"}}, ["Adafactor cannot work on parts", "rows and columns"]),
    ("fsdp", OwnLBFGS(), {}, ["LBFGS", "cannot work on parts"]),
    ("zero", None, {"optimizer": "sam"}, ["sam cannot be dealt", "ddp, or fsdp"]),
    ("zero", OwnLBFGS(), {}, ["lbfgs cannot be dealt", "use strategy ddp"]),
    ("fsdp", Sparse(), {}, ["'words' has sparse gradients", "sparse=False"]),
    ({"reduction": "torch"}, None, {"batch_size": "auto"}, ["auto cannot be measured under torch's reduction"]),
    ("fsdp", None, {"batch_size": "auto"}, ["trainer.batch_size", "auto cannot be measured", "with ddp"]),
    ("fsdp", None, {"callbacks": ["gradient_flow"]}, ["trainer.callbacks.0", "looks at whole parameters", "ddp or zero"]),
    ("fsdp", None, {"modes": {"channels_last": True}}, ["channels_last cannot be combined with fsdp", "ddp or zero"]),
]


@pytest.mark.parametrize(("strategy", "system", "options", "words"), REFUSED)
def test_what_a_strategy_cannot_take_is_refused_with_what_works(
    strategy: Any, system: Any, options: dict[str, Any], words: list[str]
) -> None:
    found = said(strategy, system, **options)
    assert all(each in found for each in words), found


def test_one_process_takes_the_settings_of_several() -> None:
    config = TrainerConfig.model_validate({"strategy": {"type": "fsdp", "mesh": {"replicate": 2, "shard": 4, "tp": 2}}, "max_steps": 2})
    Trainer(config, device="cpu", console=False).check(network(), 24, 0)


def test_every_split_that_is_named_is_one() -> None:
    for size in (2, 3, 4, 8, 12):
        for kind in ("fsdp", "tp"):
            splits = legal_splits(kind, size, limit=100)
            assert splits
            for each in splits:
                given = {name: int(count) for name, count in (part.split(": ") for part in each.strip("{}").split(", "))}
                mesh = lay_out(MeshOptions(**given), kind, size, 0)
                assert mesh.replicate * mesh.shard * mesh.tp == size
                assert mesh.sizes == given


def test_ranks_that_are_neighbours_split_layers() -> None:
    places = [lay_out(MeshOptions(replicate=2, tp=2), "fsdp", 8, rank).place for rank in range(8)]
    assert places == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)]
    meshes = [lay_out(MeshOptions(replicate=2, tp=2), "fsdp", 8, rank) for rank in range(8)]
    assert [(mesh.data_rank, mesh.data_size) for mesh in meshes] == [(place // 2, 4) for place in range(8)]


def test_what_hangs_on_a_linear_layer_of_our_own_is_called() -> None:
    seen: list[str] = []
    layers = MLP(4, [6, 6])
    x = torch.randn(3, 4)
    before = layers(x)
    layers.linears[0].register_forward_hook(lambda *_: seen.append("after"))
    layers.linears[1].register_forward_pre_hook(lambda *_: seen.append("before"))
    assert torch.equal(layers(x), before)
    assert seen == ["after", "before"]
