"""Which architecture of timm a file of weights is of, by the names and shapes of its tensors."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from trainwright.config.errors import FOREIGN
from trainwright.config.vision_libraries import import_timm

Shapes = Mapping[str, tuple[int, ...]]
SECONDS = 20.0
"""How long it is looked for."""
WHOLE, FAMILY = 0.98, 0.8
"""From these shares of fitting tensors, and of names of a family, nothing closer is looked for."""
LEAST = 0.3
"""Below it nothing is called close."""
NEAREST = 2
"""Families whose members are all looked at."""
USUAL = ("resnet", "vision_transformer", "convnext", "efficientnet", "swin_transformer", "mobilenetv3", "regnet", "densenet", "vgg", "eva")
"""Modules of timm that most files of weights are of."""
BEGINS = 5
"""Letters of a module that the names of its own models begin with."""
NUMBER = re.compile(r"\d+")


def closest_model(theirs: Shapes, near: str, seconds: float = SECONDS) -> str:
    """The model of timm that most of the tensors fit; empty where none is close.

    A model of each family is made without memory, and the names of its tensors compared; then the members of the likeliest one.
    """
    timm, end = import_timm(), time.monotonic() + seconds
    names, alike = {_unnumbered(name) for name in theirs}, dict[str, float]()
    families = _families(timm, near)
    for family in _until(families, end):
        alike[family] = _likeness(names, {_unnumbered(name) for name in _shapes(timm, families[family][0])})
        if alike[family] >= FAMILY:
            break
    best, share, all_theirs = "", LEAST, set(theirs.items())
    likely = sorted(alike, key=lambda each: -alike[each])[:NEAREST]
    for name in _until((name for family in likely for name in families[family]), end):
        found = _likeness(all_theirs, set(_shapes(timm, name).items()))
        if found > share:
            best, share = name, found
        if share >= WHOLE:
            break
    return best


def _families(timm: Any, near: str) -> dict[str, list[str]]:
    """Module → its models, the plainest names first; the family of the model that was asked for first, then usual ones."""
    architecture = near.partition(".")[0]
    own = timm.models.model_entrypoint(architecture).__module__.rpartition(".")[2] if timm.is_model(architecture) else ""
    order = {name: place for place, name in enumerate([own, *USUAL])}
    modules = sorted(timm.list_modules(), key=lambda each: order.get(each, len(order)))
    named = {each: timm.list_models(module=each) for each in modules}
    return {module: sorted(names, key=partial(_rank, module)) for module, names in named.items() if names}


def _rank(module: str, name: str) -> tuple[bool, int, str]:
    """Models that are called after their module come first, the plainest name before others."""
    return not name.startswith(module[:BEGINS]), len(name), name


def _shapes(timm: Any, name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's tensors; none where it cannot be made without memory."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {key: tuple(each.shape) for key, each in timm.create_model(name).state_dict().items()}
    except FOREIGN:  # some models of timm look at their values while they are made
        return {}


def _likeness(first: set[Any], second: set[Any]) -> float:
    """The share of all members that both sets have."""
    return len(first & second) / max(len(first | second), 1)


def _unnumbered(name: str) -> str:
    return NUMBER.sub("#", name)


def _until(items: Iterable[str], end: float) -> Iterator[str]:
    """The items, until a time."""
    for each in items:
        if time.monotonic() > end:
            return
        yield each
