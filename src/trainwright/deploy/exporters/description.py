"""What an artifact takes and gives, in plain JSON, for whoever feeds it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from trainwright._version import __version__
from trainwright.deploy.exporters.base import Trained
from trainwright.domains.place import find_place
from trainwright.files.download import sha256_of

FORMAT = 1


def describe_trained(trained: Trained, texts: Collection[str] = (), fixed: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Which model it is, the dtype and axes of each input, how a host reads each column and what outputs stand for.

    `texts`: inputs that the artifact takes as strings; `fixed`: axes that it holds to one size. An axis is a size, or the name of one
    of any size.
    """
    sizes: dict[str | int, int] = dict((fixed or {}).items())
    deliverable = trained.deliverable
    tensors = {
        each.name: {
            "column": each.column,
            "dtype": "string" if each.name in texts else each.dtype,
            "axes": [sizes.get(axis, axis) for axis in each.axes],
        }
        for each in deliverable.inputs
    }
    outputs = {each.name: {"dtype": each.type, "axes": ["rows", *each.shape]} for each in deliverable.outputs}
    about = {"name": trained.path.name, "digest": digest_of(trained), "versions": {"trainwright": __version__, "torch": torch.__version__}}
    return {"format": FORMAT, **about, "tensors": tensors, "outputs": outputs, **deliverable.host}


def digest_of(trained: Trained) -> str:
    """The sha256 of the weights that are exported, as results.json has it; empty where no file holds them."""
    weights = find_place(trained.path).model / "model.safetensors"
    return sha256_of(weights) if weights.is_file() else ""
