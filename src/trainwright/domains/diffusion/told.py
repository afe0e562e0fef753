"""What a report tells of a diffusion model: samples beside held-out rows, whether they are copies, and the loss by level of noise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN
from trainwright.config.own_code import describe_failure
from trainwright.data.rows import Rows
from trainwright.data.transforms.batches import BatchTransforms
from trainwright.domains.diffusion.draws import RowDraws
from trainwright.domains.diffusion.system import DiffusionSystem
from trainwright.engine.sampling import FOLDER
from trainwright.engine.system import StepContext
from trainwright.runs.directory import RunDirectory
from trainwright.runs.media import Media
from trainwright.runs.media.samples import SampleForm, write_together

log = logging.getLogger("trainwright.diffusion")

SECTION = "Samples"
SHOWN, COMPARED, MEASURED = 36, 2000, 64
"""Samples that are shown; training rows that they are compared with; rows at each level of noise."""
LEVELS = 12
NAMED = 12
"""Classes that are named beside samples."""
COPIES = 0.5
"""A sample that is nearer to a training row than this share of what a held-out row usually is, is nearly one."""
Block = dict[str, Any]


def sample_blocks(
    run: RunDirectory, system: DiffusionSystem, train: Rows, held_out: Rows, transforms: BatchTransforms | None
) -> list[Block]:
    """The blocks of a report; a warning and a line that says so where they fail: a run is not lost for its report."""
    try:
        with torch.no_grad():
            return _blocks(run, system, Reader(system, train, transforms), Reader(system, held_out, transforms))
    except FOREIGN as error:
        log.warning("no samples in the report: %s", describe_failure(error))
        log.debug("where it arose", exc_info=error)
        return [{"type": "text", "section": SECTION, "text": f"no samples could be made: {describe_failure(error)[:300]}"}]


class Reader:
    """The first rows of a split, as the network is given them."""

    def __init__(self, system: DiffusionSystem, rows: Rows, transforms: BatchTransforms | None) -> None:
        self.system, self.rows, self.transforms = system, rows, transforms

    def batch(self, most: int) -> Any:
        """The first rows, at most so many."""
        found = self.rows.take(torch.arange(min(most, len(self.rows))))
        return found if self.transforms is None else self.transforms.always(found)

    def values(self, most: int) -> Tensor:
        """What is made, of these rows."""
        return self.system.layout.read(self.batch(most)).float()


def _blocks(run: RunDirectory, system: DiffusionSystem, train: Reader, held_out: Reader) -> list[Block]:
    device = next(system.parameters()).device
    made = system.sample_numbered(0, SHOWN, 0).to(device)
    real = system.units.restore(held_out.values(SHOWN))
    shown = _pictures(run, made, real, system.layout.classes) if system.units.range is not None else _values(made, real, system)
    return [
        *shown,
        *_copies(system.units.encode(made).cpu(), train.values(COMPARED), held_out.values(COMPARED)),
        *_levels(system, held_out),
    ]


def _pictures(run: RunDirectory, made: Tensor, real: Tensor, classes: list[str]) -> list[Block]:
    """Both as grids; those that were made while it trained are named rather than shown again."""
    media, form = Media(run.path), SampleForm((-1.0, 1.0))
    files = [write_together(media, f"examples/{name}", each.cpu(), form)[0] for name, each in (("made", made), ("held-out", real))]
    captions = ["made, of the seed 0", "rows that were held out"]
    tiles = [{"file": str(path.relative_to(run.path)), "caption": said} for path, said in zip(files, captions, strict=True)]
    said = [_in_turn(classes, len(made))] if classes else []
    said += [f"Those made while it trained are in media/{FOLDER}."] if (run.path / "media" / FOLDER).is_dir() else []
    caption = [{"text": " ".join(said), "limit": 400}] if said else ""
    return [{"type": "wall", "section": SECTION, "tiles": tiles, "columns": 2, "caption": caption}]


def _in_turn(classes: list[str], count: int) -> str:
    """Which class each of so many samples is of."""
    names = ", ".join(classes[: min(NAMED, count)]) + (", …" if len(classes) > NAMED else "")
    return f"Made, row by row, of each class in turn: {names}."


def shown_media(blocks: Sequence[Block]) -> list[str]:
    """Folders of media/ that these blocks stand for, which the report does not show again."""
    return [FOLDER] if any(each["type"] == "wall" for each in blocks) else []


def _values(made: Tensor, real: Tensor, system: DiffusionSystem) -> list[Block]:
    """The first two numbers of vectors as points, and what is along a line as lines."""
    pairs = (("Made", made.cpu()), ("Held out", real.cpu()))
    if made.dim() == 2 and made.shape[1] > 1:
        columns = list(system.layout.made.group.columns)
        label = columns[0] if len(columns) > 1 else "the first value"
        return [
            {
                "type": "points",
                "section": SECTION,
                "title": f"{name}: first two values",
                "x": each[:, 0].tolist(),
                "y": each[:, 1].tolist(),
                "x_label": label,
            }
            for name, each in pairs
        ]
    if made.dim() != 3:
        return []
    place = list(range(made.shape[-1]))
    return [
        {
            "type": "lines",
            "section": SECTION,
            "title": name,
            "x_label": "place",
            "lines": [{"x": place, "y": row[0].tolist(), "style": "faint"} for row in each[:8]],
        }
        for name, each in pairs
    ]


def _copies(made: Tensor, train: Tensor, held_out: Tensor) -> list[Block]:
    """How near samples are to training rows, beside how near held-out rows are: a model that copies is nearer."""
    if len(train) < 2 or len(held_out) < 2:
        return []
    ours, theirs = nearest(made, train), nearest(held_out, train)
    usual = float(theirs.median())
    near = int((ours < COPIES * usual).sum())
    rows = f"the nearest of {len(train):,} training rows"
    said = f"A sample is {float(ours.median()):.3g} away from {rows}, and a held-out row {usual:.3g} (medians)."
    said += f" {near} of {len(ours)} samples are nearer than half of that: nearly copies." if near else " None is nearly a copy."
    return [{"type": "text", "section": SECTION, "title": "Copies", "text": said}]


def nearest(rows: Tensor, others: Tensor) -> Tensor:
    """The distance of each row (n, …) from the nearest of others (m, …), over all its values (n)."""
    return torch.cdist(rows.flatten(1).double(), others.flatten(1).double()).amin(1)


def _levels(system: DiffusionSystem, held_out: Reader) -> list[Block]:
    """The loss of held-out rows by level of noise, the same noise at each."""
    batch = held_out.batch(MEASURED)
    device = next(system.parameters()).device
    batch = {name: each.to(device) for name, each in batch.items()}
    clean = system.layout.read(batch)
    draws = RowDraws.of_evaluation(StepContext(0, 0, 0.0, torch.default_generator), clean)
    levels = system.density.quantile(torch.linspace(0.02, 0.98, LEVELS, dtype=torch.float64))
    given, noise, found = system.conditions.of_rows(batch), draws.normal, []
    for level in levels.tolist():
        losses = system.denoiser.loss(clean, noise, torch.full((len(clean),), level, device=device, dtype=clean.dtype), **given)
        found.append(float(losses.mean()))
    line = {"x": levels.tolist(), "y": found}
    caption = f"{len(clean)} held-out rows; levels are those of training, from its 2nd to its 98th percentile"
    return [
        {
            "type": "lines",
            "section": SECTION,
            "title": "Loss by noise",
            "caption": caption,
            "x_label": "sigma",
            "x_log": True,
            "lines": [line],
        }
    ]
