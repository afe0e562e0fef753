"""The same mathematics under every strategy: real gloo processes, torch's own sharding, a network of odd widths."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from strategy_runs import PLAN, Network, distance, gradient, optimizer_of, rows, trained
from torch import Tensor

from trainwright.optim.clipping import clip_gradients
from trainwright.optim.gradient_hooks import GradientHooks
from trainwright.optim.parameter_options import Clipping, GradientHookOptions
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.strategies.ddp import DataParallel
from trainwright.parallel.strategies.fsdp import FullySharded
from trainwright.parallel.strategies.hook_options import HookOptions
from trainwright.parallel.strategies.mesh import MeshOptions, lay_out
from trainwright.parallel.strategies.sharded_options import GroupOptions, ShardPrecision
from trainwright.parallel.strategies.torch_ddp import TorchDataParallel
from trainwright.parallel.strategies.tp import TensorParallel
from trainwright.parallel.strategies.zero import ZeroRedundancy
from trainwright.parallel.world import World

pytestmark = pytest.mark.slow

CLOSE = 1e-6
EVERY = GroupOptions(match=["*"])
ADAMW, SGD = ("adamw", {}), ("sgd", {"momentum": 0.9})
INNER = {"inner": {"type": "adamw", "learning_rate": 0.05}}
SAM = {"inner": {"type": "sgd", "learning_rate": 0.05}}
OTHERS: dict[str, dict[str, Any]] = {
    "muon": {},
    "schedule_free_adamw": {},
    "lookahead": INNER | {"every": 4},
    "adamw_8bit": {"smallest": 1},
    "torch.optim.NAdam": {},
}

Making = Callable[[World], Any]


def fsdp(world: World, groups: GroupOptions | None = None, **mesh: int) -> FullySharded:
    plan = PLAN if "tp" in mesh else {}
    return FullySharded(world, lay_out(MeshOptions(**mesh), "fsdp", world.size, world.rank), plan, groups)


def tp(world: World) -> TensorParallel:
    return TensorParallel(world, lay_out(MeshOptions(tp=2), "tp", world.size, world.rank), PLAN)


STRATEGIES: dict[str, Making] = {
    "ddp": DataParallel,
    "torch's ddp": TorchDataParallel,
    "zero": ZeroRedundancy,
    "fsdp": fsdp,
    "fsdp by layer": lambda world: fsdp(world, EVERY),
    "tp": tp,
}
PRODUCTS: dict[str, Making] = {
    "replicas of fsdp": lambda world: fsdp(world, replicate=2),
    "fsdp of tp": lambda world: fsdp(world, GroupOptions(smallest=10), tp=2),
    "replicas of tp": tp,
}


def alone(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return trained(Strategy(World()), name, options)


@pytest.fixture(scope="module")
def single() -> dict[str, dict[str, Any]]:
    return {name: alone(name, options) for name, options in (ADAMW, SGD, *OTHERS.items(), ("sam", SAM))}


def of_two(world: Any, folder: Path) -> dict[Any, Any]:
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    found: dict[Any, Any] = {}
    for label, make in STRATEGIES.items():
        for name, options in (ADAMW, SGD):
            found[label, name] = trained(make(world), name, options, look_at_shards if name == "adamw" else None)
    for name, options in OTHERS.items():
        found["zero", name] = trained(ZeroRedundancy(world), name, options, look_at_averages)
        if name != "adamw_8bit":  # its blocks go over rows, which are dealt here
            found["fsdp", name] = trained(fsdp(world), name, options)
    found["tp", "muon"] = trained(tp(world), "muon", {})
    found["fsdp", "sam"] = trained(fsdp(world), "sam", SAM)
    found["clipped"] = {label: clipped(make(world)) for label, make in STRATEGIES.items()}
    found["hooks"] = {kind: hooked(world, kind) for kind in ("fp16", "bf16", "powersgd", f"{__file__}:twice_the_mean")}
    found["power"] = power(world)
    found["bf16"] = precise(world)
    return found


def look_at_shards(strategy: Any, network: Network, module: Any, optimizer: Any) -> dict[str, Any]:
    """What a checkpoint is told: name → part, shape and offsets; and the module while other weights are inside."""
    parts = {name: (strategy.shard_of(name, each), each.detach().clone()) for name, each in module.named_parameters()}
    state = {key: strategy.shard_of(key, each) for key, each in optimizer.tensors().items() if key.startswith("exp_avg/")}
    found: dict[str, Any] = {"parts": parts, "state": state, "exp_avg": dict(optimizer.tensors())}
    if strategy.weights_inside({}) is not None:
        batch = {name: each[:4] for name, each in rows().items()}
        network.eval()
        with torch.no_grad():
            before = network.evaluation_step(batch, None)["loss"]
            with strategy.weights_inside({name: torch.zeros_like(each) for name, each in module.named_parameters()}):
                found["zeros"] = float(network.evaluation_step(batch, None)["loss"])
            found["same again"] = torch.equal(network.evaluation_step(batch, None)["loss"], before)
        network.train()
    return found


def look_at_averages(strategy: Any, network: Network, module: Any, optimizer: Any) -> Any:
    found = optimizer.averaged()
    return None if found is None else {name: each.clone() for name, each in found.items()}


def clipped(strategy: Any) -> dict[str, Any]:
    """Gradients after every limit and a function of a person's own, as whole tensors."""
    torch.manual_seed(0)
    network = Network()
    strategy.place(network)
    module = strategy.trained(network)
    optimizer = optimizer_of(strategy, module, "sgd")
    gradient(strategy, network, optimizer, 0)
    hooks = GradientHooks([GradientHookOptions(match="blocks", clip_norm=0.05, log=True)], module)
    hooks.add("*.weight", lambda name, grad: grad / (1 + grad.norm()))
    hooks.apply()
    norm = clip_gradients(optimizer.parameters(), Clipping(value=0.05, per_parameter=0.04, adaptive=0.02, norm=0.03))
    whole = {name: whole_gradient(each) for name, each in module.named_parameters()}
    strategy.release(network)
    return {"weights": whole, "norms": [float(norm), *map(float, hooks.collect_norms().values())]}


def whole_gradient(parameter: Any) -> Tensor:
    part = getattr(parameter, "part", None)
    return (parameter.grad if part is None else part.whole(parameter.grad)).detach().clone()


def twice_the_mean(state: Any, bucket: Any) -> Any:
    """A hook of a person's own, wrong on purpose so that it is seen to be used."""
    import torch.distributed as dist

    return dist.all_reduce(bucket.buffer().div_(dist.get_world_size() / 2), async_op=True).get_future().then(lambda each: each.value()[0])


def hooked(world: World, kind: str) -> dict[str, Any]:
    options = HookOptions(type=kind, start_step=2, rank=9, least_saving=0.01)
    torch.manual_seed(0)
    network, strategy = Network(), TorchDataParallel(world, options)
    strategy.place(network)
    optimizer = optimizer_of(strategy, network, "sgd")
    for _ in range(4):  # the weights stay as they are
        optimizer.zero_grad()
        gradient(strategy, network, optimizer, 0)
    found = {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}
    strategy.release(network)
    return {"weights": found}


def power(world: World) -> dict[str, Any]:
    """PowerSGD of one column: what was sent and what was meant; and a run that goes on with what it remembers."""
    options = HookOptions(type="powersgd", start_step=2)

    def begun(state: Any = None, at: int = 0) -> tuple[Any, Network, Any]:
        torch.manual_seed(at)
        network, strategy = Network(), TorchDataParallel(world, options)
        strategy.place(network)
        if state is not None:
            strategy.load(state)
        return strategy, network, optimizer_of(strategy, network, "sgd")

    def sent(strategy: Any, network: Network, optimizer: Any) -> list[Tensor]:
        optimizer.zero_grad()
        gradient(strategy, network, optimizer, 0)
        return [each.grad.clone() for each in optimizer.parameters()]

    going = begun()
    true = sent(*going)
    differences = [torch.zeros_like(each) for each in true]
    sizes, middle = [], None
    for step in range(50):
        if step == 20:
            middle = {name: each.clone() for name, each in going[0].tensors().items()}
        last = sent(*going)
        differences = [gap + one - other for gap, one, other in zip(differences, last, true, strict=True)]
        sizes.append(max(float(gap.abs().max()) for gap in differences))
        if step == 22:
            third = last
    again = begun(middle)
    for _ in range(3):
        resumed = sent(*again)
    same = all(map(torch.equal, third, resumed))
    again[0].release(again[1])
    going[0].release(going[1])
    return {"drift": sizes, "largest": max(float(each.abs().max()) for each in true), "same": same, "kept": sorted(middle)}


def precise(world: World) -> dict[str, Any]:
    strategy = FullySharded(
        world, lay_out(MeshOptions(), "fsdp", world.size, world.rank), {}, GroupOptions(match=["blocks.*"]), ShardPrecision()
    )
    return trained(strategy, "sgd", {"momentum": 0.9})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    import torch.distributed.fsdp
    import torch.distributed.tensor.parallel  # noqa: F401  # once, for all that are forked

    return on_ranks(tmp_path_factory.mktemp("two"), of_two)


def test_every_strategy_comes_to_the_same_weights(two: list[dict[Any, Any]], single: dict[str, dict[str, Any]]) -> None:
    for name in ("adamw", "sgd"):
        runs = {label: two[0][label, name] for label in STRATEGIES} | {"single": single[name]}
        for one in runs:
            for other in runs:
                assert distance(runs[one], runs[other]) <= CLOSE, (one, other, name)
                assert runs[one]["norms"] == pytest.approx(runs[other]["norms"], abs=CLOSE), (one, other, name)
    assert all(distance(two[0][key], two[1][key]) == 0 for key in two[0] if isinstance(key, tuple))


def test_optimizers_that_look_at_whole_matrices_or_average_come_to_the_same_weights(
    two: list[dict[Any, Any]], single: dict[str, dict[str, Any]]
) -> None:
    pairs = [key for key in two[0] if isinstance(key, tuple) and key[1] not in ("adamw", "sgd")]
    assert len(pairs) == 2 * len(OTHERS) - 1 + 2
    for label, name in pairs:
        assert distance(two[0][label, name], single[name]) <= CLOSE, (label, name)
    for name in ("schedule_free_adamw", "lookahead"):
        seen = [rank["zero", name]["seen"] for rank in two]
        assert seen[0].keys() == single[name]["weights"].keys()
        assert all(torch.equal(seen[0][each], seen[1][each]) for each in seen[0])
        assert any(not torch.equal(seen[0][each], two[0]["zero", name]["weights"][each]) for each in seen[0])


@pytest.mark.parametrize("label", ["fsdp", "fsdp by layer", "tp"])
def test_the_parts_of_all_processes_make_the_whole(two: list[dict[Any, Any]], label: str) -> None:
    looked = [rank[label, "adamw"]["seen"] for rank in two]
    weights = two[0][label, "adamw"]["weights"]
    split = 0
    for name, whole in weights.items():
        for seen in looked:
            shard, part = seen["parts"][name]
            assert seen["state"][f"exp_avg/{name}"] == shard
            assert seen["exp_avg"][f"exp_avg/{name}"].shape == part.shape
            if shard is None:
                assert torch.equal(part, whole)
                continue
            split += 1
            assert shard.shape == whole.shape
            place = tuple(slice(start, start + length) for start, length in zip(shard.offsets, part.shape, strict=True))
            assert torch.equal(whole[place], part) or part.numel() == 0
    assert split >= 10
    assert all(seen["same again"] and seen["zeros"] == pytest.approx(4 * math.log(3)) for seen in looked)


def test_limits_of_gradients_are_of_the_whole_gradient(two: list[dict[Any, Any]]) -> None:
    expected = clipped(Strategy(World()))
    assert expected["norms"][1] == pytest.approx(0.05, rel=1e-4)  # it was larger
    for rank in two:
        for label, found in rank["clipped"].items():
            assert found["norms"] == pytest.approx(expected["norms"], abs=CLOSE), label
            assert distance(found, expected) <= CLOSE, label


def test_hooks_send_gradients_as_near_as_their_format(two: list[dict[Any, Any]]) -> None:
    torch.manual_seed(0)
    network, strategy = Network(), Strategy(World())
    optimizer = optimizer_of(strategy, network, "sgd")
    gradient(strategy, network, optimizer, 0)
    true = {"weights": {name: each.grad for name, each in network.named_parameters()}}
    largest = max(float(each.abs().max()) for each in true["weights"].values())
    bounds = {"fp16": 2**-10 * largest, "bf16": 2**-7 * largest, "powersgd": CLOSE}
    for rank in two:
        for kind, bound in bounds.items():
            assert distance(rank["hooks"][kind], true) <= bound, kind
        assert distance(rank["hooks"]["bf16"], true) > 0
        own = rank["hooks"][f"{__file__}:twice_the_mean"]
        assert distance(own, {"weights": {name: 2 * each for name, each in true["weights"].items()}}) <= CLOSE


def test_what_powersgd_leaves_out_is_sent_later_and_goes_on_with_the_run(two: list[dict[Any, Any]]) -> None:
    for rank in two:
        drift = rank["power"]["drift"]
        assert 0 < max(drift[25:]) <= 1.5 * max(drift[:25])
        assert max(drift) < 50 * rank["power"]["largest"]
        assert rank["power"]["same"]
        assert {name.partition("/")[0] for name in rank["power"]["kept"]} == {
            *("error_dict", "p_memory_dict", "q_memory_dict"),
            *("generator", "cached", "steps"),
        }


def test_half_precision_of_gathered_weights_stays_near(two: list[dict[Any, Any]], single: dict[str, dict[str, Any]]) -> None:
    assert 1e-5 < distance(two[0]["bf16"], single["sgd"]) < 5e-2


def test_products_of_strategies_come_to_the_same_weights(tmp_path: Path, single: dict[str, dict[str, Any]], two: Any) -> None:
    def of_four(world: Any, folder: Path) -> dict[str, Any]:
        return {label: trained(make(world), "adamw", {}, look_at_shards) for label, make in PRODUCTS.items()}

    for rank in on_ranks(tmp_path / "four", of_four, size=4):
        for label, found in rank.items():
            assert distance(found, single["adamw"]) <= CLOSE, label
            assert found["norms"] == pytest.approx(single["adamw"]["norms"], abs=CLOSE), label
            for name, (shard, part) in found["seen"]["parts"].items():
                if shard is not None and part.numel():
                    place = tuple(slice(start, start + length) for start, length in zip(shard.offsets, part.shape, strict=True))
                    assert torch.equal(found["weights"][name][place], part), (label, name)
