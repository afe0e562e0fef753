"""Features that are learnt from training rows: once for the same rows, and then kept in the cache folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.engine.system import to_device
from trainwright.files.download import cache_folder
from trainwright.files.tensors import load_tensors, save_tensors
from trainwright.files.whole import whole_file
from trainwright.metrics.extractor import Extractor, FittedExtractor, bytes_of, spread_over
from trainwright.nn.modes import eval_mode

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.sample_metrics.features"
AT_ONCE = 256
"""Training rows that are read together."""
USUAL = 2000
"""Training rows that an extractor of one's own learns from, unless its options have `rows`."""


def learn_features(extractor: Extractor, read: Callable[[], Rows], session: Session) -> None:
    """Let an extractor learn from the training rows on rank 0, or take what it learnt of the same rows before. Raises ConfigError."""
    rows, classes = collect(session, read(), int(getattr(getattr(extractor, "options", None), "rows", USUAL)))
    if extractor.fits == "classes" and classes is None:
        why = f"{session.system.shown_name}.class_of gives none for its rows"
        fix = "take features: pca; or give the system a column of classes as condition, or write class_of(self, batch)"
        raise ConfigError("features: classifier needs classes", where=WHERE, why=why, fix=fix)
    if not isinstance(extractor, FittedExtractor):
        extractor.fit(rows, classes)
        return
    extractor.load(session.parts.world.first(lambda: learn(extractor, rows, classes), patient=True))
    log.info("features: %s", extractor.name)


def learn(extractor: FittedExtractor, rows: Tensor, classes: Tensor | None) -> dict[str, Tensor]:
    """What the extractor learns of these rows, from the cache folder where it is there."""
    made = hashlib.blake2b(f"1 {extractor.options.model_dump_json()} {tuple(rows.shape)} {torch.__version__}".encode(), digest_size=16)
    for each in (rows, classes):
        made.update(b"" if each is None else bytes_of(each))
    path = cache_folder() / "features" / f"{made.hexdigest()}.safetensors"
    if path.is_file():
        try:
            return load_tensors(path)
        except (OSError, ValueError, RuntimeError) as error:
            log.warning("%s cannot be read, and is made again: %s", path, error)
    extractor.fit(rows, classes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            save_tensors(temporary, extractor.tensors)
    except OSError as error:
        log.warning("%s: what was learnt is not kept: %s", path, error.strerror or error)
    return extractor.tensors


def collect(session: Session, rows: Rows, most: int) -> tuple[Tensor, Tensor | None]:
    """Up to `most` training rows in the form of samples, spread evenly, and their classes, on the CPU. Raises ConfigError."""
    if rows.single_pass:
        fix = "take features: pixels, or a network from a file"
        raise ConfigError("the training rows can be read once alone", where=WHERE, fix=fix)
    rows.begin_epoch(0, 0)
    system = session.system
    found: list[Tensor] = []
    classes: list[Tensor | None] = []
    for part in torch.split(torch.tensor(list(spread_over(len(rows), most))), 1 if rows.batched else AT_ONCE):
        batch = system.as_evaluated(to_device(rows.take(part), session.device))
        with torch.no_grad(), eval_mode(system):
            found.append(system.as_samples(batch).detach().cpu())
            classes.append(system.class_of(batch))
        if sum(map(len, found)) >= most:
            break
    known = [each.detach().cpu() for each in classes if each is not None]
    return torch.cat(found)[:most], torch.cat(known)[:most] if len(known) == len(classes) else None
