"""A store with policies, as a run has it, written by hand."""

from __future__ import annotations

from pathlib import Path

import torch

from trainwright.checkpoint.manifest import Manifest
from trainwright.checkpoint.retention import BestK, LastK, Retention
from trainwright.checkpoint.store import CheckpointStore


def step_saved(folder: Path, step: int, value: float) -> CheckpointStore:
    """A checkpoint of `step`, full of `value`, written, the others pruned, the pointers set."""
    store = CheckpointStore(folder)
    tensors = {"system.safetensors": {"w": torch.full((4,), value)}, "optimizer.safetensors": {"m": torch.full((2,), value)}}
    store.write(Manifest("full", step, best=[step], name=f"at-{step}"), tensors, {"trainer.json": {"step": step, "value": value}})
    store.prune(Retention((LastK(2), BestK(1))))
    store.point()
    return store


def is_whole(store: CheckpointStore) -> dict[int, float]:
    """Step → value of every checkpoint there; raises when one of them is not whole or mixes two."""
    found = {}
    for manifest in store.list_manifests():
        checkpoint = store.at(manifest.step)
        assert checkpoint is not None, manifest.folder
        values = {checkpoint.document("trainer.json")["value"]}
        for name in ("system.safetensors", "optimizer.safetensors"):
            values |= {value for tensor in checkpoint.tensors(name).values() for value in tensor.tolist()}
        assert len(values) == 1, values
        found[manifest.step] = values.pop()
    return found
