"""Batch norm over two processes is batch norm over one that has all rows: values, gradients, running statistics. Two real gloo ranks."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.config.errors import TrainwrightError
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.single_rows import is_of_single_row
from trainwright.engine.trainer import Trainer
from trainwright.optim.norm_statistics import hold_norm_statistics
from trainwright.parallel.batch_norm import Together, in_step, synchronise_norms
from trainwright.parallel.buffers import settle_buffers
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

ROWS = 24
SHARES = {"even": (12, 12), "ragged": (15, 9), "empty": (24, 0), "one row": (23, 1)}


class Own(nn.BatchNorm1d):
    """A layer with a forward pass of its own."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * 2


def network(**options: Any) -> nn.Sequential:
    torch.manual_seed(1)
    made = nn.Sequential(
        nn.Conv1d(3, 6, 3), nn.BatchNorm1d(6, **options), nn.Tanh(), nn.Flatten(), nn.Linear(18, 5), nn.BatchNorm1d(5, **options)
    )
    for each in made.parameters():
        nn.init.normal_(each)
    return made


def norms_of(model: nn.Module) -> list[Any]:
    return [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]


def data(offset: float = 0.0) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(2)
    return torch.randn(ROWS, 3, 5, generator=made) + offset, torch.randn(ROWS, 5, generator=made)


def step(model: nn.Module, rows: Tensor, weights: Tensor) -> Tensor:
    """Two forward passes, the second one's gradient, and the values."""
    model(rows)
    values = model(rows)
    ((values * weights).sum() / ROWS).backward()
    return values.detach()


def summed(model: nn.Module, world: DistributedWorld) -> dict[str, Tensor]:
    return {name: world.sum(torch.zeros_like(each) if each.grad is None else each.grad) for name, each in model.named_parameters()}


def second_order(model: nn.Module, rows: Tensor) -> Tensor:
    """A penalty on the gradient of the values by the rows, its gradient by the first weights."""
    rows = rows.requires_grad_()
    (slope,) = torch.autograd.grad(model(rows).pow(2).sum(), rows, create_graph=True)
    (found,) = torch.autograd.grad(slope.pow(2).sum(), model[0].weight)
    return found


def fit(world: World, folder: Path, rows: int = 48, act: Any = None, **options: Any) -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(5)
    x = torch.randn(rows, 6, generator=made) * 2 + 1
    data = TensorRows({"input": x, "target": (x[:, 0] > x[:, 1]).long()})
    torch.manual_seed(7)
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    system = PlainSystem(net, ["input"], "cross_entropy", None)
    if act is not None:
        net.register_forward_pre_hook(act)
    given = {"batch_size": 24, "max_epochs": 2, "trackers": ["csv"], "early_stopping": None}
    given |= {"sanity_check": 0, "checkpoint": {"background": False}, "optimizer": {"type": "sgd", "learning_rate": 0.1}}
    trainer = Trainer(TrainerConfig.model_validate(given | options), seed=3, device="cpu", console=False, world=world)
    trainer.fit(system, data, run=folder)
    assert type(net[1]) is nn.BatchNorm1d
    return {name: each.clone() for name, each in net.state_dict().items()}


SAM = {"type": "sam", "inner": {"type": "sgd", "learning_rate": 0.1}}
RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one round": ({}, {}),
    "ragged": ({"rows": 41}, {"rows": 41}),
    "rounds, and a rank without rows in the last": ({"micro_batch_size": 5}, {"micro_batch_size": 10}),
    "of parts": ({"strategy": {"type": "fsdp", "batch_norm": "sync"}}, {}),
    "SAM": ({"optimizer": SAM}, {"optimizer": SAM}),
}
"""What two ranks do with layers that are synchronised, and one process that is the same."""


def ends_in_the_third(world: World) -> Any:
    """Memory runs out on rank 1 in its third step."""
    calls = [0]

    def hook(module: nn.Module, inputs: Any) -> None:
        calls[0] += module.training
        if calls[0] == 3 and world.rank == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    return hook


def on_rank(world: DistributedWorld, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, sizes in SHARES.items():
        for kind, options in {"plain": {}, "cumulative": {"momentum": None}, "no statistics": {"track_running_stats": False}}.items():
            model = network(**options)
            before = [type(each) for each in model]
            start = sum(sizes[: world.rank])
            rows, weights = (each[start : start + sizes[world.rank]] for each in data())
            together = Together(None)
            with synchronise_norms(norms_of(model), together) as left, in_step(together):
                values = step(model, rows, weights)
            found[f"{name}, {kind}"] = {"values": values, "grads": summed(model, world), "state": copy.deepcopy(model.state_dict())}
            assert left == [] and [type(each) for each in model] == before
            assert all("_together" not in each.__dict__ for each in model)
    rows, weights = data()
    mine = slice(0, 15) if world.rank == 0 else slice(15, ROWS)
    together = Together(None)

    model = network()
    with (
        synchronise_norms(norms_of(model), together),
        in_step(together, counted=world.is_main),
    ):  # rank 1 repeats the rows of rank 0, for nothing
        step(model, rows, weights * world.is_main)
        found["repeated"] = {"grads": summed(model, world), "state": copy.deepcopy(model.state_dict())}
        ours = found["repeated"]["state"]
        found["bits"] = all(torch.equal(ours[name], each) for theirs in world.gather(ours) for name, each in theirs.items())

    model = network()
    with synchronise_norms(norms_of(model), together), in_step(together), hold_norm_statistics(model):
        step(model, rows[mine], weights[mine])
        found["held"] = copy.deepcopy(model.state_dict())

    model = network()
    with synchronise_norms(norms_of(model), together), in_step(together):
        found["second order"] = world.sum(second_order(model, rows[mine].clone()))

    model = network()
    far = data(offset=3000.0)[0]
    with synchronise_norms(norms_of(model), together), in_step(together):
        model[1](model[0](far[mine]))
    found["far"] = copy.deepcopy(model.state_dict())

    model = nn.SyncBatchNorm.convert_sync_batchnorm(network())
    with synchronise_norms(norms_of(model), together), in_step(together):
        found["torch's"] = step(model, rows[mine], weights[mine])
    with synchronise_norms(norms_of(model), together):  # not in a step: by the rows here, with a process group about and on a CPU
        found["alone"] = model(rows[:4]).detach()

    model = nn.Sequential(nn.BatchNorm1d(5), Own(5))
    with synchronise_norms(norms_of(model), together) as left:
        found["left"] = [left == [model[1]]]
        kept, apart = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)
        found["copies"] = [type(kept[0]), type(apart[0])]
        with in_step(together):
            try:
                model[0](weights[: 1 - world.rank])
            except ValueError as error:
                found["single"] = is_of_single_row(error)
            try:
                model[0](torch.zeros(3, 4, 5, 6))
            except ValueError as error:
                found["dimensions"] = str(error)
    place = folder / "runs"
    world.first(place.mkdir)
    for number, (name, (options, _)) in enumerate(RUNS.items()):
        found[f"run: {name}"] = fit(world, place / str(number), **{"strategy": {"batch_norm": "sync"}} | options)
    found["local"] = fit(world, place / "local")
    found |= settled(world)
    try:
        fit(world, place / "memory", act=ends_in_the_third(world), strategy={"batch_norm": "sync"})
    except TrainwrightError as error:
        found["memory"] = str(error)
    return found


def settled(world: DistributedWorld) -> dict[str, Any]:
    """Buffers of two processes that had other rows, twice settled, and settled once at the end."""
    rows, _ = data()
    mine = slice(0, 15) if world.rank == 0 else slice(15, ROWS)
    often, once, named = network(), network(), []
    often.register_buffer("own", torch.full((3,), float(world.rank)))
    often.register_buffer("same", torch.full((3,), 5.0))
    for turn in range(3):
        for each in (often, once):
            each(rows[mine] + turn)
        named.append(settle_buffers(often, world))
    if world.rank == 1:
        once(rows)  # its count is one more
    before = copy.deepcopy(once.state_dict())
    settle_buffers(once, world)
    return {"often": often.state_dict(), "once": once.state_dict(), "before": before, "named": named}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = on_ranks(tmp_path_factory.mktemp("norms"), on_rank)
    return first, second


Ranks = tuple[dict[str, Any], dict[str, Any]]


def near(found: dict[str, Tensor], wanted: dict[str, Tensor], at_most: float = 1e-6) -> bool:
    return found.keys() == wanted.keys() and all(
        torch.allclose(found[name].double(), each.double(), rtol=at_most, atol=at_most * max(1.0, float(each.abs().max())))
        for name, each in wanted.items()
    )


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(
    ("kind", "options"), [("plain", {}), ("cumulative", {"momentum": None}), ("no statistics", {"track_running_stats": False})]
)
def test_two_ranks_normalise_as_one_batch_does(ranks: Ranks, share: str, kind: str, options: dict[str, Any]) -> None:
    whole = network(**options)
    values = step(whole, *data())
    found = [each[f"{share}, {kind}"] for each in ranks]
    assert torch.allclose(torch.cat([each["values"] for each in found]), values, atol=2e-6)
    for each in found:
        assert near(each["grads"], {name: value.grad for name, value in whole.named_parameters()})
        assert near(each["state"], whole.state_dict())  # the variance is that of the data: divided by n - 1
    assert all(torch.equal(found[0]["state"][name], each) for name, each in found[1]["state"].items())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_two_ranks_ends_as_one_of_one_process_that_normalises_over_the_same_rows(ranks: Ranks, name: str, tmp_path: Path) -> None:
    alone = fit(World(), tmp_path / "alone", **RUNS[name][1])
    for each in ranks:
        assert near(each[f"run: {name}"], alone)


def test_a_run_that_is_not_synchronised_ends_with_equal_buffers(ranks: Ranks, tmp_path: Path) -> None:
    first, second = (each["local"] for each in ranks)
    assert all(torch.equal(each, second[name]) for name, each in first.items())
    assert not near(first, fit(World(), tmp_path / "alone"))


def test_memory_that_runs_out_between_exchanges_is_told(ranks: Ranks) -> None:
    assert "memory ran out on rank 1" in ranks[1]["memory"] and "trainer.micro_batch_size: 6" in ranks[1]["memory"]
    assert "another process of this run has ended" in ranks[0]["memory"]


def test_rows_that_a_rank_repeats_to_take_part_count_nothing(ranks: Ranks) -> None:
    whole = network()
    step(whole, *data())
    for each in ranks:
        assert near(each["repeated"]["grads"], {name: value.grad for name, value in whole.named_parameters()})
        assert near(each["repeated"]["state"], whole.state_dict()) and each["bits"]


def test_a_penalty_on_a_gradient_goes_through_the_norm(ranks: Ranks) -> None:
    wanted = second_order(network(), data()[0].clone())
    assert near({"": ranks[0]["second order"]}, {"": wanted}, 3e-6)


def test_statistics_that_are_held_stay(ranks: Ranks) -> None:
    assert near(ranks[0]["held"], network().state_dict(), 0.0)


def test_a_large_mean_cancels_no_variance(ranks: Ranks) -> None:
    whole = network()
    whole[1](whole[0](data(offset=3000.0)[0]))
    assert near({"": ranks[0]["far"]["1.running_var"]}, {"": whole[1].running_var}, 1e-4)  # by squares in float32 it would be off by 1


def test_layers_of_torch_that_refuse_the_cpu_are_taken_too(ranks: Ranks) -> None:
    whole = network()
    values = step(whole, *data())
    assert torch.allclose(torch.cat([each["torch's"] for each in ranks]), values, atol=2e-6)
    assert ranks[0]["alone"].shape == (4, 5)


def test_a_layer_with_a_forward_pass_of_its_own_is_named_and_copies_are_plain(ranks: Ranks) -> None:
    assert ranks[0]["left"] == [True] and ranks[0]["copies"] == [nn.BatchNorm1d, nn.BatchNorm1d]


def test_a_single_row_on_all_ranks_and_a_wrong_number_of_dimensions_are_refused_as_by_torch(ranks: Ranks) -> None:
    assert [each["single"] for each in ranks] == [True, True]
    assert "expected 2D or 3D input" in ranks[0]["dimensions"]


def test_buffers_of_all_ranks_become_equal_whenever_it_is_done(ranks: Ranks) -> None:
    first, second = ranks
    assert all(torch.equal(first["often"][name], each) for name, each in second["often"].items())
    assert first["named"] == [["own"], [], []] and torch.equal(second["often"]["own"], torch.zeros(3))
    for name, each in first["once"].items():
        assert torch.equal(each, second["once"][name])
        if "running" in name:
            assert torch.allclose(each, (first["before"][name] + second["before"][name]) / 2, atol=1e-6)
    assert int(first["once"]["1.num_batches_tracked"]) == 4
