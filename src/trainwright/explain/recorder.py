"""Attention as torch computes it, recorded while a network answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Recorder(TorchFunctionMode):
    """Every attention between tokens that torch computes inside, as (module, weights (b, t, t), the mean of heads), in order."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.found: list[tuple[str, Tensor]] = []
        self.read: list[Tensor | None] = []
        """What the module of each attention was given first."""
        self._stack: list[tuple[str, Tensor | None]] = []
        self._module = module

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            self._add(attention_weights(*args, **kwargs))
        elif function is F.multi_head_attention_forward:
            return self._of_module(args, kwargs)
        return function(*args, **kwargs)

    def _of_module(self, args: Any, kwargs: dict[str, Any]) -> Any:
        """`nn.MultiheadAttention`, asked for the weights of each head, which it gives as it was asked for them itself."""
        wanted, averaged = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
        output, weights = F.multi_head_attention_forward(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
        if weights is None:
            return output, None
        self._add(weights if weights.dim() == 4 else weights[None])
        return output, (weights.mean(-3) if averaged else weights) if wanted else None

    def _add(self, weights: Tensor) -> None:
        """Keep the mean of heads of one attention among the same tokens."""
        if weights.dim() == 4 and weights.shape[-1] == weights.shape[-2]:
            name, read = self._stack[-1] if self._stack else ("", None)
            self.found.append((name, weights.detach().mean(1).double().cpu()))
            self.read.append(read)

    def _enter(self, name: str, given: tuple[Any, ...]) -> None:
        self._stack.append((name, next((each for each in given if isinstance(each, Tensor)), None)))

    def _leave(self, *_: Any) -> None:
        self._stack.pop()

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what is computed inside."""
        with ExitStack() as stack:
            for name, each in self._module.named_modules():
                stack.callback(each.register_forward_pre_hook(lambda _, given, name=name: self._enter(name, given)).remove)
                stack.callback(each.register_forward_hook(self._leave).remove)
            self.found, self.read, self._stack = [], [], []
            with self, torch.no_grad():
                yield self


def attention_weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **_: Any,
) -> Tensor:
    """softmax(QKᵀ / √d + mask), as `scaled_dot_product_attention` computes it within itself."""
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril(), -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1).nan_to_num(0.0)  # a row that may attend to nothing
