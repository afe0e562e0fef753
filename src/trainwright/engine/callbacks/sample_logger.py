"""Some rows of every evaluation, with what the system gives for them, to be looked at."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import SampleLoggerOptions
from trainwright.engine.callbacks.place import run_folder
from trainwright.engine.system import Batch, System, rows_in, tensors_in
from trainwright.files.whole import whole_file
from trainwright.runs.media.files import write_npz

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FOLDER = "media"


class SampleLogger(Callback):
    """Writes `media/samples-step-<step>`: inputs and outputs of the first rows of the validation split, always the same rows.

    A disk that refuses is named in the log; the run goes on.
    """

    def __init__(self, options: SampleLoggerOptions | None = None) -> None:
        self.options = options or SampleLoggerOptions()
        self.evaluations = 0
        self._collecting = False
        self._pieces: list[dict[str, Tensor]] = []
        self._left = 0

    def on_validation_start(self, session: Session, system: System) -> None:
        """Collect in this evaluation, if it is its turn; the sanity check is none."""
        self._collecting = session.stage == "fit" and self.evaluations % self.options.every == 0
        self._pieces, self._left = [], self.options.samples

    def on_validation_batch_end(self, session: Session, system: System, batch: Batch, index: int, outputs: dict[str, Tensor]) -> None:
        """Keep the first rows."""
        if not self._collecting or not self._left:
            return
        rows = min(self._left, rows_in(batch))
        named = {f"input/{name}": tensor for name, tensor in tensors_in(batch).items()} | {
            f"output/{name}": tensor for name, tensor in outputs.items()
        }
        self._pieces.append({name: tensor[:rows].detach().cpu() for name, tensor in named.items() if tensor.dim()})
        self._left -= rows

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """Write them."""
        if self._collecting and self._pieces:
            arrays = {name: np.concatenate([as_array(piece[name]) for piece in self._pieces]) for name in self._pieces[0]}
            write(run_folder(session) / FOLDER / f"samples-step-{session.step:08d}.{self.options.format}", arrays, session.step)
        self.evaluations += 1
        self._collecting, self._pieces = False, []

    def state_dict(self) -> dict[str, Any]:
        """How many evaluations there were."""
        return {"evaluations": self.evaluations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.evaluations = int(state["evaluations"])


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The tensor as NumPy has it; bfloat16 as float32."""
    from torch import bfloat16

    return np.asarray((tensor.float() if tensor.dtype == bfloat16 else tensor).numpy())


def write(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], step: int) -> None:
    """The file whole or not at all; a refusal of the disk is a warning."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            if path.suffix == ".npz":
                write_npz(temporary, arrays)
            else:
                temporary.write_bytes(as_json(arrays, step).encode())
    except OSError as error:
        log.warning("no samples of step %d: %s", step, error.strerror or error)


def as_json(arrays: Mapping[str, np.ndarray[Any, Any]], step: int) -> str:
    """One object per row, `inputs` and `outputs` apart; numbers that are not finite are null."""
    rows: list[dict[str, Any]] = [{"inputs": {}, "outputs": {}} for _ in range(max(map(len, arrays.values()), default=0))]
    for name, array in arrays.items():
        where, _, key = name.partition("/")
        for row, value in zip(rows, array.tolist(), strict=False):
            row[f"{where}s"][key] = finite(value)
    return json.dumps({"step": step, "rows": rows}, indent=1, allow_nan=False)


def finite(value: Any) -> Any:
    """The value with numbers that JSON does not know replaced by None."""
    if isinstance(value, list):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
