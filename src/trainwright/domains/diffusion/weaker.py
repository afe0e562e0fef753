"""A worse model of the same data, which samples are guided away from (autoguidance, Karras et al. 2024)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.artifact import ABOUT, Artifact
from trainwright.domains.place import find_place
from trainwright.weights.loading import load_weights


def read_weaker(named: str, artifact: Artifact) -> Any:
    """The denoiser of a worse model: a run or an exported model of the same data, or other weights of this one.

    Raises RequestError for one that makes something else.
    """
    system = artifact.system
    if not any((Path(named) / each).exists() for each in ("run.json", ABOUT)):
        other = copy.deepcopy(system)
        load_weights(other, named)
        return other.denoiser.eval()
    place = find_place(named)
    found = Artifact.load(place.model, place.received).system
    theirs, ours = [(each.layout.shape, each.layout.classes, each.layout.widths) for each in (found, system)]
    if theirs != ours:
        shown = [f"{'×'.join(map(str, shape))} of {len(classes)} classes" for shape, classes, _ in (theirs, ours)]
        why = f"it makes {shown[0]}, this one {shown[1]}"
        raise RequestError("the weaker model is of other data", where=f"weaker {named}", why=why, fix="name a run on the same data")
    return found.denoiser.eval()
