"""A model as it is: weights, columns and configuration, in a folder that Trainwright predicts with as with the run."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from trainwright.config.errors import RequestError, RunError
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.domains.place import Place, find_place
from trainwright.files.sparse_tensors import pack_sparse
from trainwright.files.tensors import save_tensors
from trainwright.runs.signing import sign
from trainwright.weights.files import read_weights_file
from trainwright.weights.half import in_half

if TYPE_CHECKING:
    from trainwright.deploy.exporters.options import SafetensorsOptions

log = logging.getLogger("trainwright.export")


class SafetensorsExporter(Exporter):
    """The folder itself; nothing in it is traced, and no code is in it."""

    suffix: ClassVar[str] = ""
    opens: ClassVar[bool] = False
    options: SafetensorsOptions

    def write(self, trained: Trained, target: Path) -> list[Path]:
        target.mkdir(exist_ok=True)
        self.copy_model(find_place(trained.path), target)
        trained.predictor.export(target)
        sign(target)
        return sorted(each for each in target.rglob("*") if each.is_file())

    def copy_model(self, place: Place, folder: Path) -> None:
        """The files of the model and the configuration; links are not followed out of the run."""
        packed = 0
        for each in sorted(place.model.rglob("*")):
            target = folder / each.relative_to(place.model)
            if each.is_symlink():
                why = f"it leads to {os.readlink(each)}"
                raise RunError("a run has links in its model", where=str(each), why=why, fix="remove the link")
            if each.is_dir():
                target.mkdir()
            elif self._changes(each):
                packed += self._write_weights(each, target)
            else:
                shutil.copyfile(each, target)
        if self.options.sparse and not packed:
            raise _refuse_dense(self.options.sparse, place)
        shutil.copyfile(place.config, folder / "config.yaml")

    def _changes(self, file: Path) -> bool:
        """Whether a file holds weights that are to be written otherwise."""
        is_model = file.suffix == ".safetensors" and file.name.startswith("model")
        return is_model and bool(self.options.dtype or self.options.sparse)

    def _write_weights(self, source: Path, target: Path) -> int:
        """Weights as the options want them; how many tensors are sparse then."""
        tensors, metadata, _ = read_weights_file(source)
        if self.options.dtype:
            tensors = in_half(tensors, self.options.dtype, str(source))
        metadata = {name: each for name, each in metadata.items() if name != "sparse"}
        if not self.options.sparse:
            save_tensors(target, tensors, metadata)
            return 0
        packed = pack_sparse(tensors, self.options.sparse, self.options.block)
        save_tensors(target, packed.tensors, metadata | packed.metadata)
        for name, (before, after) in packed.saved.items():
            log.info("%s: %s, %s bytes in place of %s (%s)", name, _zeros(tensors[name]), after, before, self.options.sparse)
        return len(packed.saved)


def _zeros(tensor: Tensor) -> str:
    return f"{100 * float((tensor == 0).double().mean()):.1f} % zeros"


def _refuse_dense(layout: str, place: Place) -> RequestError:
    why = f"no weight of this model has so many zeros that its places and values were smaller than all of it ({layout})"
    fix = f"prune it first: trainwright prune {place.path} --type global_l1 --amount 0.9; or leave --sparse out"
    return RequestError("there is nothing to write in a sparse layout", where="--sparse", why=why, fix=fix)
