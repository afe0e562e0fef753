"""What a program dealt out over its processes by itself is refused in several processes, before anything is placed, and let be in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, TensorDataset

from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.data.loader_rows import LoaderRows
from trainwright.data.rows import FirstRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.dealt_twice import refuse_dealt_twice, shares_of
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem


class Several(World):
    """One process that says that it is rank 0 of two, as far as nothing is exchanged."""

    size = 2


class FSDPModule(nn.Module):
    """By its name what torch makes of a module whose parameters it deals out."""


DATA = TensorDataset(torch.randn(12, 4), torch.zeros(12, dtype=torch.long))


def rows(**options: Any) -> LoaderRows:
    return LoaderRows(DataLoader(DATA, **options), torch.float32)


def shares(number: int) -> DistributedSampler[Any]:
    return DistributedSampler(DATA, number, 0)


def test_shares_of_rows_are_found_wherever_the_sampler_is() -> None:
    assert shares_of(rows(batch_size=4, shuffle=True)) == shares_of(rows(batch_size=4, sampler=shares(1))) == 1
    assert shares_of(rows(batch_size=4, sampler=shares(2))) == 2
    assert shares_of(rows(batch_sampler=BatchSampler(shares(3), 2, False))) == 3
    assert shares_of(FirstRows(rows(batch_size=2, sampler=shares(2)), 1)) == 2


def test_what_is_dealt_already_is_refused_in_several_processes_alone(tmp_path: Path) -> None:
    class Sharded(FSDPModule, nn.Linear):
        pass

    given = {"train": rows(batch_size=4, sampler=shares(2)), "validation": None, "test": rows(batch_size=4)}
    system = PlainSystem(nn.Sequential(nn.DataParallel(nn.Linear(4, 2)), Sharded(2, 2)), ["input"], "cross_entropy", None)
    refuse_dealt_twice(World(), system, given)
    with pytest.raises(ManyErrors) as raised:
        refuse_dealt_twice(Several(), system, given)
    said = [str(each) for each in raised.value.errors]
    assert len(said) == 3
    assert "the DataLoader of the train data has a DistributedSampler, which gives one of 2 shares of the rows" in said[0]
    assert "shuffle=True" in said[0]
    assert "'0' is wrapped in DataParallel" in said[1]
    assert "'1' is a module that torch has sharded" in said[2]
    with pytest.raises(ConfigError, match="the model is wrapped in DataParallel"):
        refuse_dealt_twice(Several(), PlainSystem(nn.DataParallel(nn.Linear(4, 2)), ["input"], "cross_entropy", None), {})
    trainer = Trainer(TrainerConfig(), device="cpu", console=False, world=Several())
    with pytest.raises(ConfigError, match="one of 2 shares"):
        trainer.fit(PlainSystem(nn.Linear(4, 2), ["input"], "cross_entropy", None), given["train"], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
