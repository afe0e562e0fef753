"""A deliverable as a graph of torch.export, for any number of rows."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.domains.deliverable import Deliverable


def trace(deliverable: Deliverable) -> Any:
    """The `torch.export.ExportedProgram` of the module; raises RequestError for what cannot be traced, or not for any size it says."""
    example, dynamic = deliverable.example(), torch.export.Dim.DYNAMIC
    shapes = {each.name: {place: dynamic for place, axis in enumerate(each.axes) if isinstance(axis, str)} for each in deliverable.inputs}
    try:
        with torch.no_grad():
            return torch.export.export(deliverable.module, (example,), dynamic_shapes=(shapes,))
    except FOREIGN as error:  # torch raises whatever it met
        why = describe_failure(error)[:300]
        fix = "export the model as it is, without --to"
        raise RequestError("the network of this run cannot be traced", where="--to", why=why, fix=fix) from error
