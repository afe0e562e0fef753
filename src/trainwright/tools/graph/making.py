"""How the layers of a graph are made: data type, device, and weights drawn or only allocated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from trainwright.tools.graph.plan import Here

KINDS_OF_DRAW = ("uniform", "normal", "orthogonal", "sparse", "bernoulli", "random", "exponential", "cauchy", "log_normal", "geometric")
DRAWS = frozenset(f"{family}{kind}_" for kind in KINDS_OF_DRAW for family in ("", "trunc_", "kaiming_", "xavier_"))


class NoDraws(TorchFunctionMode):
    """Random initialisation in place is left out; constants (the ones of a norm, buffers) are still written."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[int] = set()
        """Addresses of the memory that was not drawn."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in DRAWS:
            tensor: torch.Tensor = args[0] if args else (kwargs or {})["tensor"]
            if not tensor.is_meta and not is_lazy(tensor):
                self.places.add(tensor.untyped_storage().data_ptr())
            return tensor
        return func(*args, **(kwargs or {}))


@contextmanager
def making(device: str | None, init: str, here: Here) -> Iterator[set[int]]:
    """Layers made inside start on `device` (`meta`: without memory), and without draws when `init` is `skip`; addresses of those."""
    with ExitStack() as stack:
        if device is not None:
            stack.enter_context(_device(device, here))
        yield stack.enter_context(NoDraws()).places if init == "skip" else set()


def _device(name: str, here: Here) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).partition("\n")[0]
        raise here.error(f"the device '{name}' cannot be used", why=why, fix="cpu, cuda, cuda:0, mps or meta") from error
    return device


def cast(graph: nn.Module, dtype: torch.dtype) -> None:
    """Every floating or complex parameter and buffer in this data type."""
    if dtype.is_complex:
        _to_complex(graph, dtype)
    else:
        graph.to(dtype)


def _to_complex(graph: nn.Module, dtype: torch.dtype) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Complex modules are a new feature")
        graph.to(dtype)
