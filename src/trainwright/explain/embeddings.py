"""Whole numbers have no gradient: they are explained by the embeddings that a network looks up for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.explain.subject import Tensors


class Embedded:
    """An input of whole numbers, the modules that look it up, and where in the input (flat, without rows) each looks."""

    def __init__(self, name: str, shape: Sequence[int]) -> None:
        self.name, self.shape = name, tuple(shape)
        self.modules: list[tuple[str, nn.Embedding, Tensor]] = []

    def look_up(self, tensors: Tensors) -> Tensors:
        """The embeddings of each module (b, positions, width)."""
        flat = tensors[self.name].flatten(1) if tensors[self.name].dim() > 1 else tensors[self.name][:, None]
        return {self.key(name): module(flat[:, places].long().to(module.weight.device)) for name, module, places in self.modules}

    def key(self, module: str) -> str:
        """The name of a module's embeddings among the points."""
        return f"{self.name} in {module}"

    def credit(self, shares: Tensors) -> Tensor:
        """What belongs to each number of the input (b, …): the sum over the width of its embeddings."""
        first = next(shares[self.key(name)] for name, _, _ in self.modules)
        numbers = 1
        for size in self.shape:
            numbers *= size
        found = torch.zeros(len(first), numbers, dtype=first.dtype)
        for name, _, places in self.modules:
            found[:, places] += shares[self.key(name)].sum(2)
        return found.reshape(len(first), *self.shape)

    @staticmethod
    @contextmanager
    def given(all_of: Sequence[Embedded], points: Tensors) -> Iterator[None]:
        """Let the modules give these embeddings, whatever they are asked to look up."""
        with ExitStack() as stack:
            for each in all_of:
                for name, module, _ in each.modules:
                    if each.key(name) in points:
                        stack.callback(module.register_forward_hook(_giving(points[each.key(name)])).remove)
            yield


def _giving(embeddings: Tensor) -> Callable[..., Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return embeddings.reshape(output.shape).to(output.dtype)

    return hook


def find_embedded(module: nn.Module, whole: Mapping[str, Tensor], call: Callable[[], Any]) -> dict[str, Embedded]:
    """Which inputs of whole numbers are read by `nn.Embedding` modules alone; seen while `call` goes through the network once.

    A look-up belongs to an input where it reads its memory, or, of one input alone, where it has as many numbers. One that looks up
    neither (positions) stays as it is.
    """
    seen: list[tuple[str, nn.Embedding, Tensor]] = []
    with ExitStack() as stack:
        for name, each in module.named_modules():
            if type(each).forward is nn.Embedding.forward:
                hook = each.register_forward_hook(lambda one, inputs, _, name=name: seen.append((name, one, inputs[0])))
                stack.callback(hook.remove)
        call()
    found: dict[str, Embedded] = {}
    for name, each, index in seen:
        owner = _owner(index, whole)
        if owner is None:
            continue
        input_name, places = owner
        found.setdefault(input_name, Embedded(input_name, tuple(whole[input_name].shape[1:]))).modules.append((name, each, places))
    return found


def _owner(index: Tensor, whole: Mapping[str, Tensor]) -> tuple[str, Tensor] | None:
    """The input that an index is a view of, and the places in a row of it (flat) that it reads."""
    for name, tensor in whole.items():
        if index.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
            numbers = torch.arange(tensor.untyped_storage().nbytes() // tensor.element_size())
            read = numbers.as_strided(index.size(), index.stride(), index.storage_offset())[0].flatten()
            row = numbers.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())[0].flatten()
            places = {int(at): place for place, at in enumerate(row)}
            return name, torch.tensor([places[int(at)] for at in read])
    if len(whole) == 1:
        ((name, tensor),) = whole.items()
        if len(index) == len(tensor) and index.numel() == tensor.numel():
            return name, torch.arange(tensor[0].numel())
    return None
