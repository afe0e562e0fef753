"""The loaders of a LightningModule or LightningDataModule, by split, and the hooks it has for moving batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.adapters.lightning.methods import call_if_there, overrides
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.data.rows import Rows
from trainwright.engine.system import to_device

METHODS = {"train": "train_dataloader", "validation": "val_dataloader", "test": "test_dataloader", "predict": "predict_dataloader"}
"""Split → the method that makes its loader."""
SPLITS = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",), "predict": ("predict",)}
"""Stage → the splits it needs."""
TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def loaders_of(source: Any, stages: Sequence[str] = ("fit", "test"), prepare: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Split (`train`, `validation`, `test`, `predict`) → the loader of a module or data module; those it does not define are left out.

    `prepare(stage)` is called before the loaders of a stage are made, for stages it has any of; unless given it is the source's own
    `setup`, after `prepare_data`. Raises ConfigError where a split has several loaders.
    """
    if prepare is None:
        call_if_there(source, "prepare_data")

        def prepare(stage: str) -> None:
            call_if_there(source, "setup", stage)

    found = {}
    for stage in stages:
        defined = [split for split in SPLITS[stage] if overrides(source, METHODS[split])]
        if defined:
            prepare(stage)
        for split in defined:
            loader = _single(getattr(source, METHODS[split])(), f"{type(source).__name__}.{METHODS[split]}")
            if loader is not None:
                found[split] = loader
    return found


def _single(loader: Any, where: str) -> Any:
    """The one loader that is meant; None where there is none."""
    if isinstance(loader, list | tuple):
        if len(loader) > 1:
            raise _several(len(loader), where)
        return loader[0] if loader else None
    if isinstance(loader, Mapping) or type(loader).__name__ == "CombinedLoader":
        inside = loader if isinstance(loader, Mapping) else loader.flattened
        raise _several(len(inside), where)
    return loader


def _several(count: int, where: str) -> ConfigError:
    why = "an epoch here is one pass over one loader, so that a run can continue within it"
    fix = "join the datasets (torch.utils.data.ConcatDataset, or a Dataset that gives both)"
    return ConfigError(f"there are {count} loaders for one split", where=where, why=why, fix=fix)


def given_by_place(data: Any, rows: Rows | None) -> bool:
    """Whether the samples of `data` are (x, y, …) by place, as a module of Lightning's wants them, and only `rows` names their parts."""
    if rows is None or data is rows or isinstance(data, Mapping):
        return False
    return bool(rows.names) if rows.names is not None else rows.in_memory


def by_place(batch: Any) -> Any:
    """The parts of a batch that was given by place, as a DataLoader would hand them over; a single one by itself."""
    if type(batch) is not dict:
        return batch
    parts = list(batch.values())
    return parts[0] if len(parts) == 1 else parts


def named_outputs(returned: Any, where: str) -> dict[str, Tensor]:
    """What a `predict_step` returned: a tensor as `output`, a mapping by its names, several by number.

    Raises TrainwrightError where there is no tensor in it.
    """
    if isinstance(returned, Tensor):
        return {"output": returned}
    if isinstance(returned, list | tuple):
        returned = {f"output.{place}": each for place, each in enumerate(returned)}
    found = {name: each for name, each in returned.items() if isinstance(each, Tensor)} if isinstance(returned, Mapping) else {}
    if not found:
        fix = "return a tensor, a mapping of tensors, or several"
        raise TrainwrightError(f"predict_step returned a {type(returned).__name__}", where=where, fix=fix)
    return found


def transfer_of(module: Any, datamodule: Any) -> Callable[[Any, torch.device], Any] | None:
    """What is done to a batch before a step sees it, by the hooks of the data module or the module; None where neither overrides one."""
    sources = [each for each in (datamodule, module) if each is not None]
    owners = {name: next((each for each in sources if overrides(each, name)), None) for name in TRANSFERS}
    if not any(each is not None for each in owners.values()):
        return None
    before, move, after = (None if owners[name] is None else getattr(owners[name], name) for name in TRANSFERS)

    def move_batch(batch: Any, device: torch.device) -> Any:
        batch = batch if before is None else before(batch, 0)
        batch = to_device(batch, device) if move is None else move(batch, device, 0)
        return batch if after is None else after(batch, 0)

    return move_batch
