"""From the `trainer.strategy:` section and the world of a run to its strategy."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.strategies.mesh import lay_out
from trainwright.parallel.strategies.options import StrategyOptions
from trainwright.parallel.world import World


def make_strategy(options: StrategyOptions, world: World) -> Strategy:
    """The strategy that is asked for; by itself `single` for one process, and `ddp` for several. Raises ConfigError where it cannot be."""
    if world.size == 1:
        return Strategy(world)
    if options.type == "single":
        why = f"{world.size} processes train this run, and with 'single' none knows of the others"
        raise ConfigError("strategy 'single' is for one process", where="trainer.strategy", why=why, fix="leave it out, or use ddp")
    return _SHARDED[options.type](options, world) if options.type in _SHARDED else _data_parallel(options, world)


def _data_parallel(options: StrategyOptions, world: World) -> Strategy:
    from trainwright.parallel.strategies.ddp import DataParallel  # torch.distributed only where there are others

    if options.type == "zero":
        from trainwright.parallel.strategies.zero import ZeroRedundancy

        return ZeroRedundancy(world, options.reduce == "ordered")
    if options.by_torch:
        from trainwright.parallel.strategies.torch_ddp import TorchDataParallel

        return TorchDataParallel(world, options.hook)
    return DataParallel(world, options.reduce == "ordered")


def _fully_sharded(options: StrategyOptions, world: World) -> Strategy:
    from trainwright.parallel.strategies.fsdp import FullySharded

    mesh, offload = lay_out(options.mesh, "fsdp", world.size, world.rank), options.offload == "cpu"
    return FullySharded(world, mesh, options.plan, options.groups, options.precision, reshard=options.reshard, offload=offload)


def _tensor_parallel(options: StrategyOptions, world: World) -> Strategy:
    from trainwright.parallel.strategies.tp import TensorParallel

    return TensorParallel(world, lay_out(options.mesh, "tp", world.size, world.rank), options.plan)


_SHARDED = {"fsdp": _fully_sharded, "tp": _tensor_parallel}
