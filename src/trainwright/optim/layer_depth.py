"""The layers of a network from its input to its output, read off its numbered blocks.

A stack is a ModuleList or Sequential whose members, norms aside, are of one class: every member is a layer. Members that are made of
modules themselves are blocks; only a network without any stack of blocks is cut at plain members (Linear after Linear). What comes before
the first stack is one layer, what comes after the last one another, and what is between two belongs to the layer before. Of a member that
has a stack itself, a stage, what comes before its first block belongs to that block. The members of a ModuleDict lie side by side, counted
from their ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from torch import nn


@dataclass
class DepthLayer:
    """Parameters that are equally far from the output."""

    modules: list[str] = field(default_factory=list)
    """Paths of the modules, or names of the parameters, that it is made of."""
    names: list[str] = field(default_factory=list)

    def add(self, other: DepthLayer) -> None:
        """Take in another's modules and parameters."""
        self.modules += other.modules
        self.names += other.names


@dataclass
class ModulePiece:
    """The layers of one part of a module."""

    layers: list[DepthLayer]
    opens: bool = False
    """Whether it is cut into layers, or is a member of a stack."""
    is_norm: bool = False


def layers_of(system: nn.Module) -> list[DepthLayer]:
    """Layers from the input to the output; every parameter is in one, a shared one where it is met first."""
    stacks = {module for module in system.modules() if _is_stack(module)}
    of_blocks = {module for module in stacks if _holds_blocks(module)}
    found = _layers(system, "", of_blocks or stacks)
    left = {id(param): name for name, param in system.named_parameters()}
    params = dict(system.named_parameters(remove_duplicate=False))
    for layer in found:
        met = [left.pop(id(params[name]), "") for name in layer.names]
        layer.names = [name for name in met if name]
    return [layer for layer in found if layer.names]


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer, torch's or another whose class says so."""
    return isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm) or "norm" in type(module).__name__.lower()


def _is_stack(module: nn.Module) -> bool:
    if not isinstance(module, nn.ModuleList | nn.Sequential):
        return False
    members = _members(module)
    return len(members) > 1 and len({type(child) for child in members}) == 1


def _holds_blocks(stack: nn.Module) -> bool:
    return any(True for _ in _members(stack)[0].children())


def _members(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if _has_parameters(child) and not is_norm(child)]


def _layers(module: nn.Module, path: str, stacks: set[nn.Module], is_stage: bool = False) -> list[DepthLayer]:
    if stacks.isdisjoint(module.modules()):
        return [_whole(module, path)]
    if isinstance(module, nn.ModuleDict):
        return _side_by_side([_layers(child, _below(path, name), stacks) for name, child in module.named_children()])
    direct = [_below(path, name) for name, _ in module.named_parameters(recurse=False)]
    pieces = [ModulePiece([DepthLayer(list(direct), list(direct))])] if direct else []
    for name, child in module.named_children():
        if _has_parameters(child):
            member = module in stacks and not is_norm(child)
            opens = member or not stacks.isdisjoint(child.modules())
            pieces.append(ModulePiece(_layers(child, _below(path, name), stacks, member), opens, is_norm(child)))
    return _in_sequence(pieces, is_stage)


def _in_sequence(pieces: Iterable[ModulePiece], is_stage: bool) -> list[DepthLayer]:
    """Stacks one after another; what is before the first is a layer, what is between joins the one before, what is after is a layer.

    Of a stage, what is before the first joins its first layer.
    """
    found: list[DepthLayer] = []
    between: list[ModulePiece] = []
    for piece in pieces:
        if not piece.opens:
            between.append(piece)
            continue
        if found:
            _join(found[-1], between)
        elif between and is_stage:
            _join(piece.layers[0], between)
        elif between:
            found.append(_join(DepthLayer(), between))
        found, between = found + piece.layers, []
    if found and all(piece.is_norm for piece in between):
        _join(found[-1], between)
        return found
    return [*found, _join(DepthLayer(), between)]


def _join(into: DepthLayer, pieces: Iterable[ModulePiece]) -> DepthLayer:
    for layer in chain.from_iterable(piece.layers for piece in pieces):
        into.add(layer)
    return into


def _side_by_side(branches: list[list[DepthLayer]]) -> list[DepthLayer]:
    length = max(len(branch) for branch in branches)
    rows = [[branch[place - length] for branch in branches if len(branch) >= length - place] for place in range(length)]
    return [_join(DepthLayer(), [ModulePiece(row)]) for row in rows]


def _whole(module: nn.Module, path: str) -> DepthLayer:
    return DepthLayer([path] if path else [], [_below(path, name) for name, _ in module.named_parameters(remove_duplicate=False)])


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
