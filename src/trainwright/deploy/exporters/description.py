"""What an artifact takes and gives, in plain JSON, for whoever feeds it."""

from __future__ import annotations

from typing import Any

from trainwright.domains.deliverable import Deliverable

FORMAT = 1


def describe_deliverable(deliverable: Deliverable) -> dict[str, Any]:
    """The dtype and shape of each input, None for an axis of any size, with how a host reads columns and what outputs stand for."""
    tensors = {
        each.name: {"dtype": each.dtype, "shape": [None if isinstance(axis, str) else axis for axis in each.axes]}
        for each in deliverable.inputs
    }
    return {"format": FORMAT, "tensors": tensors, **deliverable.host}
