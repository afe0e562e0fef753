"""Masks from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import other_spelling
from trainwright.files.tensors import load_tensors
from trainwright.nn.pruning.base import PruningMethod, Tensors
from trainwright.nn.pruning.options import MaskOptions


class FromMask(PruningMethod):
    """Prunes where the masks of a file are 0; weights that the file does not name are left as they are."""

    follows_schedule = False

    def __init__(self, options: MaskOptions) -> None:
        """Raises ConfigError for a file that is not there, is none of masks, or holds other values than 0 and 1."""
        self.options = options
        self.given = {name: self._as_mask(name, mask) for name, mask in read_arrays(Path(options.file)).items()}

    def masks(self, weights: Tensors, kept: Tensors, share: float, generator: torch.Generator) -> dict[str, Tensor]:
        """What was kept, where the file keeps it. Raises ConfigError for a mask of another shape, or of no weight."""
        named = {self._weight_of(name, weights): mask for name, mask in self.given.items()}
        found = {}
        for name, before in kept.items():
            mask = named.get(name)
            if mask is not None and mask.shape != before.shape:
                why = f"the mask has shape {tuple(mask.shape)}, the weight {tuple(before.shape)}"
                raise ConfigError(f"the mask of '{name}' does not fit", where=self.options.file, why=why, fix="give a mask of that shape")
            found[name] = before if mask is None else before & mask.to(before.device)
        return found

    def _weight_of(self, name: str, weights: Tensors) -> str:
        plain = name.removesuffix("_mask")  # as torch's state dict names them
        for each in (name, plain, other_spelling(name), other_spelling(plain)):
            if each in weights:
                return each
        raise ConfigError(f"no weight that is pruned is called '{name}'", where=self.options.file, fix=did_you_mean(plain, weights))

    def _as_mask(self, name: str, mask: Tensor) -> Tensor:
        if not bool(((mask == 0) | (mask == 1)).all()):
            what = f"the mask of '{name}' holds other values than 0 and 1"
            raise ConfigError(what, where=self.options.file, fix="give 1 where a weight is kept, and 0 where it is pruned")
        return mask.bool()


def read_arrays(path: Path) -> dict[str, Tensor]:
    """The arrays of a `.safetensors` or `.npz` file by name. Raises ConfigError for another file, or one that cannot be read."""
    if path.suffix not in (".safetensors", ".npz"):
        raise ConfigError(
            "masks cannot be read from this file", where=str(path), fix="give .safetensors or .npz with a mask for each weight"
        )
    try:
        if path.suffix == ".safetensors":
            return dict(load_tensors(path))
        with np.load(path, allow_pickle=False) as archive:
            return {name: torch.from_numpy(archive[name]) for name in archive.files}
    except FileNotFoundError as error:
        raise ConfigError("there is no such file of masks", where=str(path), fix="name a .safetensors or .npz file") from error
    except (OSError, ValueError, TypeError, EOFError) as error:
        why = f"it is no whole {path.suffix} file of arrays of numbers"
        fix = "write it anew: np.savez(file, **{'layers.0.weight': mask}), with 1 where a weight is kept"
        raise ConfigError("this file of masks cannot be read", where=str(path), why=why, fix=fix) from error
