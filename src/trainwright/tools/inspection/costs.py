"""Multiply-adds and bytes of a call: by layer where one is known, else by the functions that were called in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.rnn import PackedSequence

from trainwright.tools.inspection.shapes import first_tensor, tensors_in

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.PReLU)
CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)


def layer_cost(module: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> int | None:
    """Multiply-adds of a layer of torch's for the whole batch, a bias counted as one for each number it is added to; None for any other.

    They are those of torchinfo where both count the same thing; docs/inspect.md says where it counts less or more, and why.
    """
    first = first_tensor(output)
    if isinstance(module, nn.MultiheadAttention):
        return attention_cost(module, given, named)
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return 0
    if first is None:
        return None
    if isinstance(module, _ConvTransposeNd):
        taken = first_tensor(given) if given else first_tensor(dict(named))
        return _positions(taken, module.in_channels, _channel(module)) * module.weight.numel() + _bias(module, first)
    if isinstance(module, _ConvNd):
        return _positions(first, module.out_channels, _channel(module)) * _count_learnt(module)
    if isinstance(module, nn.Linear | nn.Bilinear):
        return _positions(first, module.out_features, -1) * _count_learnt(module)
    if isinstance(module, NORMS):
        return (first.shape[0] if first.dim() else 1) * _count_learnt(module)
    if isinstance(module, nn.RNNBase):
        held = output[0]
        steps = held.data.shape[0] if isinstance(held, PackedSequence) else math.prod(held.shape[:-1])
        return steps * sum(each.numel() for each in module.parameters())
    if isinstance(module, CELLS):
        return math.prod(first.shape[:-1]) * sum(each.numel() for each in module.parameters())
    return None


def attention_cost(module: nn.MultiheadAttention, given: tuple[Any, ...], named: Mapping[str, Any]) -> int:
    """Projections of query, key, value and output, and the two products with the attention weights."""
    names = dict(zip(("query", "key", "value"), given, strict=False)) | dict(named)
    query, key = names["query"], names["key"]
    batch = 1 if query.dim() == 2 else query.shape[0 if module.batch_first else 1]
    along = 1 if module.batch_first and query.dim() == 3 else 0
    targets, sources, width = query.shape[along], key.shape[along], module.embed_dim
    biases = 0 if module.in_proj_bias is None else 1
    project = targets * (width * width + width * biases)
    read = sources * ((module.kdim + module.vdim) * width + 2 * width * biases)
    out = targets * sum(each.numel() for each in module.out_proj.parameters())
    return int(batch * (project + read + out + 2 * targets * sources * width))


def _channel(module: nn.Module) -> int:
    """The dimension of the channels, counted from the end, so that a single sample is read right."""
    return -1 - len(module.kernel_size)  # type: ignore[arg-type]


def _positions(tensor: Tensor | None, channels: int, dim: int) -> int:
    if tensor is None or not tensor.dim():
        return 1
    return tensor.numel() // max(tensor.shape[dim], 1) if tensor.shape[dim] == channels else tensor.numel() // max(channels, 1)


def _count_learnt(module: nn.Module) -> int:
    """Elements of weight and bias as the layer uses them, whatever makes them."""
    held = (getattr(module, name, None) for name in ("weight", "bias"))
    return sum(each.numel() for each in held if isinstance(each, Tensor))


def _bias(module: nn.Module, output: Tensor) -> int:
    return output.numel() if isinstance(getattr(module, "bias", None), Tensor) else 0


def function_cost(name: str, given: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> int:
    """Multiply-adds of a function of torch's that multiplies matrices or convolves; 0 for any other."""
    rule = RULES.get(name.strip("_"))
    if rule is None or not isinstance(output, Tensor):
        return 0
    found = list(tensors_in((given, dict(named))))
    return rule(given, found, output) if len(found) > 1 else 0


def _linear(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    return output.numel() * found[1].shape[-1] + (output.numel() if len(found) > 2 else 0)


def _matmul(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    return output.numel() * found[0].shape[-1]


def _rmatmul(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    return output.numel() * found[1].shape[-1]


def _addmm(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    return output.numel() * (found[1].shape[-1] + 1)


def _count_convolution(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    return output.numel() * found[1][0].numel() + (output.numel() if len(found) > 2 else 0)


def _count_attention(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    query, key, value = found[:3]
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _einsum(given: tuple[Any, ...], found: list[Tensor], output: Tensor) -> int:
    text = given[0] if given and isinstance(given[0], str) else ""
    terms = text.replace(" ", "").partition("->")[0].split(",")
    if "." in text or len(terms) != len(found):
        return 0
    sizes = {letter: size for term, each in zip(terms, found, strict=True) for letter, size in zip(term, each.shape, strict=False)}
    return math.prod(sizes.values())


RULES: dict[str, Callable[[tuple[Any, ...], list[Tensor], Tensor], int]] = {
    "linear": _linear, "matmul": _matmul, "mm": _matmul, "bmm": _matmul, "mv": _matmul, "dot": _matmul, "rmatmul": _rmatmul,
    "addmm": _addmm, "baddbmm": _addmm, "conv1d": _count_convolution, "conv2d": _count_convolution, "conv3d": _count_convolution,
    "scaled_dot_product_attention": _count_attention, "einsum": _einsum,
}  # fmt: skip


def output_bytes(output: Any) -> int:
    """Bytes of the first tensor of an output, which is what torchinfo counts."""
    first = first_tensor(output)
    return 0 if first is None else first.numel() * first.element_size()
