"""Which parameters get sparse gradients, and which optimizers take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from trainwright.config.errors import ConfigError
from trainwright.optim.base import Optimizer, sparse_refused

MARK = "_sparse_gradient"
"""Attribute of a parameter that a function was seen to look rows up in, for a sparse gradient."""
LOOKUPS = {
    functional.embedding: ("weight", 1, "sparse", 6),
    functional.embedding_bag: ("weight", 1, "sparse", 7),
    torch.embedding: ("weight", 0, "sparse", 4),
    torch.embedding_bag: ("weight", 0, "sparse", 5),
    torch.gather: ("input", 0, "sparse_grad", 3),
    torch.Tensor.gather: ("input", 0, "sparse_grad", 3),
}
"""Functions that can give a sparse gradient: the argument that gets it and the one that asks for it, each with its place."""


class SeenLookups(TorchFunctionMode):
    """Marks the parameters that are looked up in for a sparse gradient, also where no module says so."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in LOOKUPS:
            of, first, asked, place = LOOKUPS[func]
            table = args[first] if len(args) > first else kwargs.get(of)
            if (args[place] if len(args) > place else kwargs.get(asked, False)) and isinstance(table, nn.Parameter):
                setattr(table, MARK, True)
        return func(*args, **kwargs)


def sparse_parameters(system: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters whose gradients are sparse, by name: of `nn.Embedding(sparse=True)`, and those that were seen to be."""
    asking = [module for module in system.modules() if getattr(module, "sparse", False) is True]
    said = {id(each) for module in asking for each in module.parameters(recurse=False)}
    named = system.named_parameters()
    return {name: each for name, each in named if each.requires_grad and (id(each) in said or getattr(each, MARK, False))}


def refuse_layouts(system: nn.Module, optimizer: Optimizer) -> None:
    """Raise ConfigError for sparse gradients that the optimizer cannot take, and for dense ones where it takes only sparse ones."""
    sparse = sparse_parameters(system)
    named = {name: each for name, each in system.named_parameters() if each.requires_grad}
    trained = {id(each) for each in optimizer.parameters()}
    faults = {name: optimizer.layout_fault(name, name in sparse) for name, each in named.items() if id(each) in trained}
    told = next(((name, fault) for name, fault in faults.items() if fault and name in sparse), None)
    if told is not None:
        raise sparse_refused(*told, alone=len(sparse) == len(named))
    dense = [name for name, fault in faults.items() if fault]
    if dense:
        why = f"{len(dense)} parameters have dense ones, '{dense[0]}' first"
        fix = "use adam, or make every trained layer an nn.Embedding(sparse=True)"
        raise ConfigError("sparse_adam takes sparse gradients only", where="trainer.optimizer", why=why, fix=fix)
