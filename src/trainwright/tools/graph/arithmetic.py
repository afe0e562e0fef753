"""Why a layer cannot take a tensor, in numbers: features, channels, kernel against size, indices against rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

SPACE = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3, nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3,
}  # fmt: skip


def arithmetic(layer: Any, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    """Why and fix for the first thing that does not fit; empty when nothing is known of this layer. `values` are all tensors at hand."""
    if not tensors:
        return "", ""
    if not isinstance(layer, nn.Module):
        return _join(tensors)
    for explain in (_dtype, _features, _channels, _norm, _rows, _bilinear):
        why, fix = explain(layer, tensors, values)
        if why:
            return why, fix
    return "", ""


def _join(tensors: list[Tensor]) -> tuple[str, str]:
    shapes = [tuple(each.shape) for each in tensors]
    if len(shapes) < 2 or len({len(each) for each in shapes}) != 1:
        return "", ""
    for dim in range(len(shapes[0])):
        sizes = [each[dim] for each in shapes]
        if len({*sizes} - {1}) > 1:
            return f"dimension {dim} is {' and '.join(map(str, sizes))}", "make the sizes equal, or join along another dimension"
    return "", ""


def _dtype(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    weight = next((each for each in layer.parameters(recurse=False)), None)
    given = tensors[0].dtype
    if weight is None or isinstance(layer, nn.Embedding | nn.EmbeddingBag) or given is weight.dtype:
        return "", ""
    mine, its = str(given).removeprefix("torch."), str(weight.dtype).removeprefix("torch.")
    return f"the input is {mine}, the weights are {its}", f"convert with {{Tensor.to: [torch.{its}]}}, or set the dtype of the input"


def _features(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    name = next((each for each in ("in_features", "input_size", "embed_dim") if hasattr(layer, each)), "")
    if not name or tensors[0].dim() == 0:
        return "", ""
    size = getattr(layer, name)
    last = tensors[0].shape[-1]
    if last == size:
        return "", ""
    return f"{name} is {size}, but the last dimension is {_factor(tensors[0], values)}", f"set {name} to {last}, or use a lazy layer"


def _factor(tensor: Tensor, values: Mapping[str, Any]) -> str:
    """`128 = 8 × 4 × 4`, when a tensor at hand has these sizes."""
    last = tensor.shape[-1]
    for each in reversed(list(values.values())):
        if isinstance(each, Tensor) and each.dim() > 2 and each.shape[1:].numel() == last:
            return f"{last} = {' × '.join(map(str, each.shape[1:]))}"
    return str(last)


def _channels(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    space = next((count for kind, count in SPACE.items() if isinstance(layer, kind)), None)
    if space is None:
        return "", ""
    tensor = tensors[0]
    if tensor.dim() not in (space + 1, space + 2):
        return f"it wants {space + 2} dimensions (rows, channels, {space} of space), and gets {tensor.dim()}", "reshape before it"
    channels = tensor.shape[-space - 1]
    wanted = int(getattr(layer, "in_channels", 0))
    if channels != wanted:
        return f"in_channels is {wanted}, but dimension {tensor.dim() - space - 1} is {channels}", f"set in_channels to {channels}"
    return _kernel(layer, tensor, space)


def _kernel(layer: Any, tensor: Tensor, space: int) -> tuple[str, str]:
    if isinstance(layer.padding, str):
        return "", ""
    for dim in range(space):
        size, padding = tensor.shape[dim - space], layer.padding[dim]
        kernel = layer.dilation[dim] * (layer.kernel_size[dim] - 1) + 1
        padded = size + 2 * padding
        if padded < kernel:
            return f"the kernel covers {kernel}, but there are only {size} + 2 × {padding} = {padded}", "pad more, or shrink less before"
    return "", ""


def _norm(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    shape = tuple(tensors[0].shape)
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        wanted = tuple(layer.normalized_shape)
        if shape[-len(wanted) :] != wanted:
            return f"normalized_shape is {wanted}, but the last dimensions are {shape[-len(wanted) :]}", "make them equal"
    names = [name for name in ("num_features", "num_channels") if hasattr(layer, name)]
    if names and len(shape) > 1 and shape[1] != getattr(layer, names[0]):
        return f"{names[0]} is {getattr(layer, names[0])}, but dimension 1 is {shape[1]}", f"set {names[0]} to {shape[1]}"
    return "", ""


def _rows(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    if not isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return "", ""
    if tensors[0].dtype not in (torch.int64, torch.int32):
        given = str(tensors[0].dtype).removeprefix("torch.")
        return f"it looks rows up by whole numbers, and gets {given}", "set dtype: int64 of that input"
    highest = int(tensors[0].max()) if tensors[0].numel() and not tensors[0].is_meta else 0
    if highest >= layer.num_embeddings:
        return f"it has {layer.num_embeddings} rows (0 to {layer.num_embeddings - 1}), and is asked for {highest}", "raise num_embeddings"
    return "", ""


def _bilinear(layer: nn.Module, tensors: list[Tensor], values: Mapping[str, Any]) -> tuple[str, str]:
    if not isinstance(layer, nn.Bilinear) or len(tensors) != 2:
        return "", ""
    for name, tensor in zip(("in1_features", "in2_features"), tensors, strict=True):
        if tensor.shape[-1] != getattr(layer, name):
            return f"{name} is {getattr(layer, name)}, but the last dimension is {tensor.shape[-1]}", f"set {name} to {tensor.shape[-1]}"
    return "", ""
