"""What real rows are to metrics of two sets, kept in a file; one of other rows or features is refused."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.own_code import describe_failure
from trainwright.files.download import cache_folder
from trainwright.files.tensors import save_tensors
from trainwright.files.whole import whole_file

log = logging.getLogger("trainwright.metrics")

FORMAT = "1"
WORDS = {"data": "other rows", "features": "other features", "shape": "rows of another size", "rows": "another number of rows"}


@dataclass(frozen=True)
class ReferenceFacts:
    """What statistics of real rows follow from."""

    data: str
    """A digest of the rows' values, in their order."""
    features: str
    """What the features follow from: the extractor, its weights, how rows are resized."""
    shape: str
    """Of one row: `1×8×8`."""
    rows: str
    """How many there are."""
    format: str = FORMAT

    def usual_path(self) -> Path:
        """Where they are kept unless a file is named."""
        made = hashlib.blake2b("\n".join(asdict(self).values()).encode(), digest_size=16)
        return cache_folder() / "references" / f"{made.hexdigest()}.safetensors"


def read_reference(path: Path, facts: ReferenceFacts) -> dict[str, dict[str, Tensor]]:
    """Metric → its tensors of the real rows; empty where there is no file. Raises ConfigError for a file of other facts, or of none."""
    if not path.exists():
        return {}
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            told = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except FOREIGN as error:
        fix = "name another file, or remove this one: it is made again"
        raise ConfigError("the reference cannot be read", where=str(path), why=describe_failure(error), fix=fix) from error
    for name, wanted in asdict(facts).items():
        if told.get(name) != wanted:
            what = f"the reference is of {WORDS.get(name, 'another form')}"
            why = f"{name} there: {told.get(name, 'not told')}; here: {wanted}; numbers by it could be compared with none"
            raise ConfigError(what, where=str(path), why=why, fix="name another file (reference), or remove this one: it is made again")
    found: dict[str, dict[str, Tensor]] = {}
    for name, each in tensors.items():
        metric, _, rest = name.partition("/")
        found.setdefault(metric, {})[rest] = each
    return found


def write_reference(path: Path, facts: ReferenceFacts, metrics: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Keep the tensors of each metric; a disk that refuses is told, and costs the file alone."""
    tensors = {f"{metric}/{name}": each for metric, found in metrics.items() for name, each in found.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            save_tensors(temporary, tensors, asdict(facts))
    except OSError as error:
        log.warning("%s: statistics of the real rows are not kept: %s", path, error.strerror or error)
