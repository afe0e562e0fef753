"""One average of all parameters, and the parameters in the bundles that one call takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainwright.optim.arena import Arena, fits

HALF = (torch.float16, torch.bfloat16)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass
class Bundle:
    """Parameters of one device and dtype; side by side in one storage where that pays."""

    params: list[nn.Parameter]
    aliases: list[list[str]]
    """All names of each parameter, the first one first."""
    arena: Arena | None = None

    def release(self) -> None:
        """Give the parameters storages of their own again."""
        if self.arena is not None:
            self.arena.release()
            self.arena = None


def bundles(system: nn.Module) -> list[Bundle]:
    """The floating and complex parameters of a system; tied ones once, whatever else is left to the system itself."""
    aliases: dict[int, list[str]] = {}
    params: dict[int, nn.Parameter] = {}
    for name, param in system.named_parameters(remove_duplicate=False):
        aliases.setdefault(id(param), []).append(name)
        params[id(param)] = param
    found: dict[tuple[torch.device, torch.dtype, bool], Bundle] = {}
    for key, param in params.items():
        if not (param.is_floating_point() or param.is_complex()):
            continue
        movable = param.dtype not in HALF and fits(param)
        bundle = found.setdefault((param.device, param.dtype, movable), Bundle([], []))
        bundle.params.append(param)
        bundle.aliases.append(aliases[key])
    for (*_, movable), bundle in found.items():
        if movable and len(bundle.params) > 1:
            bundle.arena = Arena(bundle.params)
    return list(found.values())


class Shadow:
    """One average: for each bundle tensors like its parameters, in the average's own dtype."""

    @torch.no_grad()
    def __init__(self, name: str, given: list[Bundle], dtype: str) -> None:
        self.name = name
        self._parts = [ShadowAverage(bundle, dtype) for bundle in given]

    @torch.no_grad()
    def move(self, weight: float) -> None:
        """average ← average + weight · (parameter − average) in place; 1 copies."""
        for part in self._parts:
            part.move(weight)

    def values(self) -> dict[int, Tensor]:
        """The average in the parameters' dtype, by the parameter's id; its own tensors where the dtypes are one."""
        found: dict[int, Tensor] = {}
        for part in self._parts:
            for param, tensor in zip(part.bundle.params, part.tensors, strict=True):
                found[id(param)] = tensor.to(param.dtype)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The average by the parameter's name, in its own dtype."""
        return {names[0]: tensor for part in self._parts for names, tensor in zip(part.bundle.aliases, part.tensors, strict=True)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the average back."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])


class ShadowAverage:
    """One average of one bundle."""

    def __init__(self, bundle: Bundle, dtype: str) -> None:
        self.bundle = bundle
        params = bundle.params
        wanted = average_dtype(params[0].dtype, dtype)
        self.flat: Tensor | None = None
        if bundle.arena is not None and wanted == params[0].dtype:
            self.flat = bundle.arena.flat.clone()
            self.tensors = bundle.arena.views(self.flat)
        else:
            self.tensors = [param.detach().to(wanted, copy=True) for param in params]
        self._widened: list[Tensor] | None = None
        if wanted != params[0].dtype:
            self._widened = [torch.empty_like(tensor) for tensor in self.tensors]

    def move(self, weight: float) -> None:
        """average ← average + weight · (parameter − average) in place; 1 copies."""
        if weight == 0:
            return
        arena = self.bundle.arena
        if self.flat is not None and arena is not None and arena.intact():
            if weight == 1:
                self.flat.copy_(arena.flat)  # interpolation would keep an infinite average infinite
            else:
                self.flat.lerp_(arena.flat, weight)
            return
        sources: list[Tensor] = list(self.bundle.params)
        if weight == 1:
            torch._foreach_copy_(self.tensors, sources)
            return
        if self._widened is not None:
            torch._foreach_copy_(self._widened, sources)
            sources = self._widened
        torch._foreach_lerp_(self.tensors, sources, weight)


def average_dtype(dtype: torch.dtype, asked: str) -> torch.dtype:
    """The format of an average of parameters of `dtype`."""
    if dtype.is_complex:
        return dtype
    if asked == "auto":
        return torch.float32 if dtype in HALF else dtype
    return DTYPES[asked]
