"""What a program of torch's own deals out over its processes, and a run of several processes would deal out once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.utils.data.distributed import DistributedSampler

from trainwright.config.errors import ConfigError, ManyErrors, RequestError
from trainwright.data.loader_rows import chain
from trainwright.data.rows import Rows
from trainwright.parallel.world import World

WRAPPERS = (DistributedDataParallel, DataParallel)
DEALT = ("FSDPModule", "FullyShardedDataParallel")
"""Classes of modules whose parameters torch has dealt, by name: to import them takes seconds."""


def refuse_dealt_twice(world: World, system: nn.Module, splits: Mapping[str, Rows | None]) -> None:
    """Raise ConfigError, or ManyErrors, for samplers that give one share of the rows and for modules wrapped for several processes.

    Such a sampler is let be in one process, where the rows that it gives are all that are asked for.
    """
    if world.size == 1:
        return
    errors: list[RequestError] = [*_samplers(splits), *_modules(system)]
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)


def _samplers(splits: Mapping[str, Rows | None]) -> Iterator[ConfigError]:
    for split, rows in splits.items():
        shares = 1 if rows is None else shares_of(rows)
        if shares > 1:
            what = f"the DataLoader of the {split} data has a DistributedSampler, which gives one of {shares} shares of the rows"
            why = "every process takes its part of each batch, so the rows of the other shares would never be seen"
            fix = "leave the sampler out and give shuffle=True; batch_size counts the rows of all processes"
            yield ConfigError(what, where="data", why=why, fix=fix)


def shares_of(rows: Rows) -> int:
    """Into how many shares a DistributedSampler within the rows deals them; 1 without one."""
    found = [1]
    for _, part in rows.parts():
        if isinstance(part, Rows):
            found.append(shares_of(part))
        else:
            found += [each.num_replicas for each in chain(part) if isinstance(each, DistributedSampler)]
    return max(found)


def _modules(system: nn.Module) -> Iterator[ConfigError]:
    for path, module in system.named_modules():
        name = f"'{path.removeprefix('model.')}'" if path not in ("", "model") else "the model"
        if isinstance(module, WRAPPERS):
            kind = type(module).__name__
            why = "gradients would be exchanged by it and by the strategy"
            fix = "give the module itself (`.module`); trainer.strategy: {type: ddp, reduction: torch} exchanges them in torch's buckets"
            yield ConfigError(f"{name} is wrapped in {kind}", where="model", why=why, fix=fix)
        elif any(each.__name__ in DEALT for each in type(module).__mro__):
            why = "its parameters are dealt out already"
            fix = "give the module as it was before, and trainer.strategy: fsdp"
            yield ConfigError(f"{name} is a module that torch has sharded", where="model", why=why, fix=fix)
            return
