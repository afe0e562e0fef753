"""Layers made smaller by the units that change nothing: rows of zeros, whose constant goes into the next bias, and units nobody reads."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.deploy.shrinking.chains import CONVOLUTIONS, Chain, Names, Reader, constants, find_chains
from trainwright.deploy.tracing.program import trace_program
from trainwright.domains.deliverable import ROWS, Deliverable
from trainwright.engine.surroundings import without_fast_path

log = logging.getLogger("trainwright.deploy")

TOLERANCE = 1e-6
"""Of the largest output: what a smaller network may differ from the whole one by."""
SIZES = {"out_features": 0, "out_channels": 0, "num_features": 0, "in_features": 1, "in_channels": 1}
"""Attributes of modules that say how large an axis of their weight is."""


@dataclass
class Shrinkage:
    """A smaller module, and what became of each layer."""

    module: nn.Module
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Weight → units before and after, of layers that became smaller."""
    left: dict[str, str] = field(default_factory=dict)
    """Weight with units of zeros → why they stay."""
    difference: float = 0.0
    """The largest difference of an output on made rows, as a share of the largest output."""

    @property
    def parameters(self) -> int:
        """Of the module."""
        return sum(each.numel() for each in self.module.parameters())


@torch.no_grad()
def shrink(deliverable: Deliverable, allowed: Callable[[str], str] = lambda name: "") -> Shrinkage:
    """The module of a deliverable without the units that change nothing: a copy, equal to 1e-6 on made rows of two sizes.

    `allowed` says of the full name of a weight why its layer cannot be made smaller; nothing where it can. Raises RequestError for a model
    that cannot be traced.
    """
    whole = deliverable.module
    program = trace_program(deliverable)
    names, found = Names(program), Shrinkage(copy.deepcopy(whole).eval())
    expected = _answers(deliverable, whole)
    tied = _tied(whole)
    for chain in find_chains(program):
        if tied.intersection([chain.layer, *(each.weight for each in chain.readers)]):
            chain.why = "a weight is used in several places"
        chain.why = chain.why or allowed(chain.layer)
        before = _tensors(found.module)
        gone = removable(chain, before, names) if not chain.why else _empty_rows(before[chain.layer])
        if not bool(gone.any()):
            continue
        if chain.why:
            found.left[chain.layer] = chain.why
            continue
        smaller = cut(chain, before, names, gone)
        replace(found.module, smaller)
        off = _difference(deliverable, found.module, expected)
        if off > TOLERANCE:
            replace(found.module, {name: before[name] for name in smaller})
            counts = "the code round it counts on its size"
            found.left[chain.layer] = counts if off == torch.inf else f"the answers would differ by {off:.1e}"
            continue
        found.units[chain.layer] = (len(gone), len(gone) - int(gone.sum()))
        found.difference = max(found.difference, off)
    return found


def shrink_module(deliverable: Deliverable) -> nn.Module:
    """The smaller module, and each layer's units told; raises RequestError where no unit can be left out."""
    found = shrink(deliverable)
    if not found.units:
        said = "; ".join(f"{name}: {why}" for name, why in found.left.items()) or "no row of a layer is all zero"
        fix = "leave it out, or prune rows first: trainwright prune RUN --type ln_structured --dim 0 --amount 0.5"
        raise RequestError("there is nothing to leave out", where="--shrink", why=said, fix=fix)
    for name, (before, after) in found.units.items():
        log.info("%s: %d of %d units stay", name, after, before)
    return found.module


def removable(chain: Chain, tensors: dict[str, Tensor], names: Names) -> Tensor:
    """Which units can go: nobody reads them, or they are a constant that the readers' biases can hold. One at least stays."""
    unread = torch.stack([(_columns(tensors[reader.weight], reader) == 0).all(1) for reader in chain.readers]).all(0)
    constant = _empty_rows(tensors[chain.layer])
    if bool(constant.any()):
        values = constants(chain, tensors, names)
        folds = all(reader.bias and not _pads(reader) for reader in chain.readers)
        constant &= (values == 0) | (~values.isnan() if folds else torch.zeros_like(constant))
    gone = unread | constant
    if bool(gone.all()):
        gone[0] = False
    return gone


def cut(chain: Chain, tensors: dict[str, Tensor], names: Names, gone: Tensor) -> dict[str, Tensor]:
    """The tensors of a chain without these units, by name; constants in the biases of those that read them."""
    made = {name: tensors[name][~gone].clone() for name in (chain.layer, *([chain.bias] if chain.bias else []), *chain.beside)}
    rows = _empty_rows(tensors[chain.layer]) & gone
    values = constants(chain, tensors, names).nan_to_num(0.0) if bool(rows.any()) else torch.zeros(len(gone))
    for reader in chain.readers:
        weight = tensors[reader.weight]
        columns = _columns(weight, reader)  # units, all that reads each
        if reader.bias and bool((values[rows] != 0).any()):
            each = weight.movedim(1, 0).reshape(len(gone), reader.places, len(weight), -1).sum((1, 3))
            made[reader.bias] = made.get(reader.bias, tensors[reader.bias]) + (each[rows] * values[rows, None]).sum(0)
        kept = columns.view(len(gone), reader.places, len(weight), *weight.shape[2:])[~gone].flatten(0, 1)
        made[reader.weight] = kept.movedim(0, 1).contiguous()
    return made


def replace(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put tensors of other sizes into a module, and say the sizes where its layers say them."""
    for full, tensor in tensors.items():
        path, _, name = full.rpartition(".")
        owner = module.get_submodule(path)
        if name in owner._parameters:
            owner._parameters[name] = nn.Parameter(tensor, requires_grad=False)
        else:
            owner._buffers[name] = tensor
        for size, axis in SIZES.items():
            if hasattr(owner, size) and name == "weight" and axis < tensor.dim():
                setattr(owner, size, tensor.shape[axis])


def _empty_rows(weight: Tensor) -> Tensor:
    return (weight.flatten(1) == 0).all(1)


def _columns(weight: Tensor, reader: Reader) -> Tensor:
    """A row for each unit, of all weights that read it."""
    return weight.movedim(1, 0).reshape(weight.shape[1] // reader.places, -1)


def _pads(reader: Reader) -> bool:
    """Whether a convolution reads zeros round its input, where a constant would be none."""
    if reader.node.target not in CONVOLUTIONS:
        return False
    padding = reader.node.args[4] if len(reader.node.args) > 4 else reader.node.kwargs.get("padding", 0)
    return padding not in (0, "valid") and any(each != 0 for each in (padding if isinstance(padding, list | tuple) else [padding]))


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    every = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    return {name: each.detach() for name, each in every}


def _tied(module: nn.Module) -> set[str]:
    """Names of parameters that have another name too."""
    named = list(module.named_parameters(remove_duplicate=False))
    times = Counter(id(each) for _, each in named)
    return {name for name, each in named if times[id(each)] > 1}


def _answers(deliverable: Deliverable, module: nn.Module) -> list[dict[str, Tensor]]:
    """What a module gives for made rows of two sizes."""
    rows = [deliverable.example(), deliverable.example({ROWS: 7})]
    with without_fast_path():
        return [module(dict(each)) for each in rows]


def _difference(deliverable: Deliverable, module: nn.Module, expected: list[dict[str, Tensor]]) -> float:
    """The largest difference of a number, as a share of the largest; infinite where the module no longer runs."""
    try:
        found = _answers(deliverable, module)
    except FOREIGN:  # a person's own code may ask for a size, and raise anything
        return torch.inf
    most = 0.0
    for mine, theirs in zip(found, expected, strict=True):
        for name, tensor in theirs.items():
            if tensor.is_floating_point() and tensor.numel():
                scale = max(float(tensor.abs().max()), 1.0)
                most = max(most, float((mine[name] - tensor).abs().max()) / scale)
    return most
