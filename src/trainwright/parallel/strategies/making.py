"""From the `trainer.strategy:` section and the world of a run to its strategy."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.parallel.strategies.base import Strategy
from trainwright.parallel.strategies.options import StrategyOptions
from trainwright.parallel.world import World


def make_strategy(options: StrategyOptions, world: World) -> Strategy:
    """The strategy that is asked for; by itself `single` for one process, and `ddp` for several. Raises ConfigError where it cannot be."""
    if world.size == 1:
        return Strategy(world)
    if options.type == "single":
        why = f"{world.size} processes train this run, and with 'single' none knows of the others"
        raise ConfigError("strategy 'single' is for one process", where="trainer.strategy", why=why, fix="leave it out, or use ddp")
    from trainwright.parallel.strategies.ddp import DataParallel  # torch.distributed only where there are others

    return DataParallel(world, options.reduce == "ordered")
