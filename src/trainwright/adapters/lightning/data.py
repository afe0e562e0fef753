"""The loaders of a LightningModule or LightningDataModule, by split, and the hooks it has for moving batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.adapters.lightning.methods import call_if_there, overrides
from trainwright.config.errors import TrainwrightError
from trainwright.config.once import once_per_machine
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
    `setup`, after `prepare_data`.
    """
    if prepare is None:
        once_per_machine(lambda: call_if_there(source, "prepare_data"))

        def prepare(stage: str) -> None:
            call_if_there(source, "setup", stage)

    found = {}
    for stage in stages:
        defined = [split for split in SPLITS[stage] if overrides(source, METHODS[split])]
        if defined:
            prepare(stage)
        for split in defined:
            loader = getattr(source, METHODS[split])()
            if loader is not None and not (isinstance(loader, list | tuple | Mapping) and not loader):
                found[split] = loader
    return found


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


def transfer_of(module: Any, datamodule: Any) -> Callable[[Any, torch.device, int], Any] | None:
    """What is done to a batch before a step sees it, by the hooks of the data module or the module; None where neither overrides one."""
    sources = [each for each in (datamodule, module) if each is not None]
    owners = {name: next((each for each in sources if overrides(each, name)), None) for name in TRANSFERS}
    if not any(each is not None for each in owners.values()):
        return None
    before, move, after = (None if owners[name] is None else getattr(owners[name], name) for name in TRANSFERS)

    def move_batch(batch: Any, device: torch.device, loader: int) -> Any:
        batch = batch if before is None else before(batch, loader)
        batch = to_device(batch, device) if move is None else move(batch, device, loader)
        return batch if after is None else after(batch, loader)

    return move_batch
