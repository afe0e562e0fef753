"""A model is left as it was found: weights, buffers, modes, hooks, gradients, attributes in Python, and the random numbers around it.

What cannot be put back is what lies outside it: files, other processes, globals of a module.
"""

from __future__ import annotations

import operator
import pickle
import random
import types
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

PLAIN = (int, float, complex, str, bytes, bool, type(None))
"""Values that cannot change: where they are told apart by being equal."""
OPAQUE = (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, types.GeneratorType)
LIBRARIES = (
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "trainwright",
    "lightning",
    "pytorch_lightning",
    "builtins",
    "threading",
    "logging",
    "pathlib",
)
"""Packages whose objects are left as they are; what a person's own classes hold is put back."""
DEEPEST = 6
MOST = 20_000
"""Elements of a container that are looked into; of longer ones only the container itself is put back."""


class Held:
    """What a tree of modules holds at one moment, to be compared with and put back."""

    def __init__(self, model: nn.Module, values: bool = True) -> None:
        """`values`: tensors are copied, so that they can be put back; without, only what is no tensor is looked at."""
        self.values = values
        self.tensors: list[tuple[str, Tensor, Tensor]] = []
        self.grads: list[tuple[Tensor, Tensor | None]] = []
        self.containers: list[tuple[str, Any, Any]] = []
        self.objects: list[tuple[str, Any, dict[str, Any]]] = []
        self.generators: list[tuple[str, Any, Any]] = []
        self.inner: list[tuple[str, Tensor, int]] = []
        self.iterators: list[tuple[str, Any, Any]] = []
        self.model = model
        self._seen: set[int] = set()
        for path, module in model.named_modules():
            self._module(path, module)

    def _module(self, path: str, module: nn.Module) -> None:
        """A module by its own kind: of ours the attributes are the trainer's; of a lazy one the layer is not there yet."""
        if id(module) in self._seen:
            return
        self._seen.add(id(module))
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            self._value(_join(path, name), tensor, 0)
        if isinstance(module, LazyModuleMixin) and any(is_lazy(each) for each in module._parameters.values() if each is not None):
            return
        held = vars(module)
        structural = {key: each for key, each in held.items() if isinstance(each, dict) and (key in STRUCTURE or key.endswith("_hooks"))}
        self.containers += [("", each, dict(each)) for each in structural.values()]
        if type(module).__module__.split(".")[0] == "trainwright":
            self.objects.append(("", module, {"training": module.training}))
            return
        self.objects.append((path, module, dict(held)))
        for name, each in held.items():
            if name not in structural:
                self._value(_join(path, name), each, 0)

    def _value(self, path: str, value: Any, depth: int) -> None:
        if isinstance(value, Iterator) and not hasattr(value, "read"):
            self.iterators.append((path, value, position(value)))
            return
        if isinstance(value, (*PLAIN, *OPAQUE)) or id(value) in self._seen or depth > DEEPEST:
            return
        if isinstance(value, nn.Module):  # in a list, or behind an object: no part of the tree
            for inner, module in value.named_modules():
                self._module(_join(path, inner), module)
            return
        self._seen.add(id(value))
        if isinstance(value, Tensor):
            self._tensor(path, value)
            if depth:
                self.inner.append((path, value, -1 if value.is_inference() else value._version))
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self.containers.append((path, value, value.copy()))
        elif isinstance(value, dict | list | deque | set):
            self._container(path, value, depth)
        elif isinstance(value, torch.Generator | random.Random | np.random.Generator | np.random.RandomState):
            self.generators.append((path, value, _state(value)))
        elif hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in LIBRARIES:
            self.objects.append((path, value, dict(vars(value))))
            for name, each in vars(value).items():
                self._value(_join(path, name), each, depth + 1)

    def _tensor(self, path: str, value: Tensor) -> None:
        if not self.values or is_lazy(value) or value.is_meta or value.grad_fn is not None or value.layout != torch.strided:
            return
        self.tensors.append((path, value, value.detach().clone()))
        if isinstance(value, nn.Parameter):
            self.grads.append((value, value.grad))

    def _container(self, path: str, value: Any, depth: int) -> None:
        self.containers.append((path, value, value.copy()))
        if len(value) > MOST:
            return
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inside:
            self._value(_join(path, str(key)), each, depth + 1)

    @torch.no_grad()
    def put_back(self) -> None:
        """Everything as it was, in place."""
        for _, owner, before in self.objects:
            held = vars(owner)
            if list(before) == ["training"]:
                owner.training = before["training"]
                continue
            for name in [name for name in held if name not in before]:
                del held[name]
            held.update(before)
        for _, container, before in self.containers:
            _refill(container, before)
        for _, tensor, values in self.tensors:
            if not same(tensor, values):
                tensor.copy_(values)
        for tensor, grad in self.grads:
            tensor.grad = grad
        for _, generator, state in self.generators:
            _set_state(generator, state)

    def list_changed(self) -> list[str]:
        """Attributes in Python, by path, that are not what they were; of tensors only those within lists, mappings and objects."""
        found: dict[str, None] = {}
        for path, owner, before in self.objects:
            if _is_library(owner) or list(before) == ["training"]:
                continue
            found |= {
                _join(path, name): None
                for name, each in vars(owner).items()
                if name != "training" and _differs(before.get(name, each), each)
            }
        inside = {path for path, container, before in self.containers if path and _contents_differ(container, before)}
        inside |= {path for path, generator, state in self.generators if not _same_state(_state(generator), state)}
        inside |= {path for path, iterator, place in self.iterators if place is None or position(iterator) != place}
        return [*found, *sorted((inside | self._tensors_inside()) - set(found))]

    def _tensors_inside(self) -> set[str]:
        """Tensors within lists, mappings and objects that were written to; neither weights nor buffers, which have a place of their own."""
        own = {id(each) for each in (*self.model.parameters(), *self.model.buffers())}
        others = [each for each in self.inner if id(each[1]) not in own and not each[1].is_inference()]
        return {path for path, tensor, version in others if tensor._version != version}


STRUCTURE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


@contextmanager
def untouched(model: nn.Module) -> Iterator[Held]:
    """Anything may be done with a model inside; afterwards it and all random generators are as before, also after an exception."""
    held = Held(model)
    devices = {each.device.index or 0 for each in (*model.parameters(), *model.buffers()) if each.device.type == "cuda"}
    plain, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=sorted(devices)):
            yield held
    finally:
        random.setstate(plain)
        np.random.set_state(numpy)
        held.put_back()


def same(tensor: Tensor, before: Tensor) -> bool:
    """Whether two tensors hold the same bits, NaN included."""
    if tensor.shape != before.shape or tensor.dtype != before.dtype:
        return False
    if torch.equal(tensor, before):
        return True
    return tensor.is_floating_point() and bool(
        torch.equal(tensor.isnan(), before.isnan()) and torch.equal(tensor.nan_to_num(), before.nan_to_num())
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_library(owner: Any) -> bool:
    """Whether an object is of a class that is no person's own; a layer of torch keeps no count of its own."""
    return type(owner).__module__.split(".")[0] in (*LIBRARIES, "torchmetrics", "transformers")


def _differs(before: Any, now: Any) -> bool:
    if isinstance(before, PLAIN) and isinstance(now, PLAIN):
        return type(before) is not type(now) or (before != now and before == before)
    return isinstance(before, PLAIN) != isinstance(now, PLAIN) and not isinstance(now, Tensor)


def position(iterator: Any) -> Any:
    """Where an iterator is, without moving it; None where it does not tell."""
    frame = getattr(iterator, "gi_frame", None)
    if frame is not None:
        plain = {name: value for name, value in frame.f_locals.items() if isinstance(value, PLAIN)}
        return (frame.f_lasti, plain) if plain else None
    if isinstance(iterator, count):
        return repr(iterator)
    left = operator.length_hint(iterator, -1)
    return left if left >= 0 else None


def _contents_differ(container: Any, before: Any) -> bool:
    if isinstance(container, np.ndarray):
        return container.shape != before.shape or not np.array_equal(container, before, equal_nan=container.dtype.kind in "fc")
    if len(container) != len(before):
        return True
    if isinstance(container, set):
        return container != before
    if isinstance(container, dict):
        return container.keys() != before.keys() or any(_other(before[key], each) for key, each in container.items())
    return any(_other(one, other) for one, other in zip(before, container, strict=True))


def _other(before: Any, now: Any) -> bool:
    """Whether an element is another one: a value, or a tensor that was put in its place and has no graph that ends with the step."""
    if isinstance(before, Tensor) and isinstance(now, Tensor) and before is not now:
        return now.grad_fn is None
    return _differs(before, now)


def _refill(container: Any, before: Any) -> None:
    if isinstance(container, np.ndarray):
        if container.flags.writeable:
            container[...] = before
    elif isinstance(container, dict):
        if list(container) != list(before) or any(container[key] is not before[key] for key in before):
            container.clear()
            container.update(before)
    elif isinstance(container, list):
        container[:] = before
    else:
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(before)


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.bit_generator.state if isinstance(generator, np.random.Generator) else generator.get_state()


def _same_state(now: Any, before: Any) -> bool:
    return torch.equal(now, before) if isinstance(now, Tensor) else pickle.dumps(now) == pickle.dumps(before)


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
