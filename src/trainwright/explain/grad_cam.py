"""Grad-CAM (Selvaraju et al. 2017): the channels of a convolution weighted by the mean gradient of the class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.explain import GradCamOptions
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.integrated_gradients import arrays_of, lengths_of
from trainwright.explain.layers import CONVOLUTIONS, find_layer, is_map, last_convolution, list_layers, require_module, watching
from trainwright.explain.study import Study, no_gradient
from trainwright.explain.subject import Column, Tensors

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass
class _Kept:
    """What the layer gave in one forward pass, kept in the graph."""

    layer: str
    output: Tensor | None = None
    order: list[str] = field(default_factory=list)

    def __call__(self, name: str, output: Any) -> Any:
        self.order.append(name)
        if name != self.layer or not isinstance(output, Tensor):
            return None
        self.output = output if output.requires_grad else output.detach().requires_grad_()
        return self.output.clone()  # an activation in place afterwards changes the copy, not what is looked at


class GradCam:
    """ReLU(Σ_c mean of ∂y/∂A_c over places · A_c), brought to the size of the array; y is what the network gives of the class."""

    def __init__(self, options: GradCamOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """A map for every row that is looked at. Raises RequestError for networks without such a layer, and layers that there are not."""
        study.require_gradient("grad_cam")
        module = require_module(study, "grad_cam")
        layer = self._layer(study, module)
        found = begin(study, logit=True)
        found.settings["layer"] = layer
        column = None
        collector = Collector(study, found)
        for places, tensors in study.batches():
            chosen = study.chosen(tensors)
            cam, answer = self.maps(study, module, layer, tensors, chosen)
            column = study.subject.column_of_layer(layer) or self._column(study, cam.dim() - 1)
            found.columns = [layer if column is None else column.name]
            arrays = {} if column is None else arrays_of(study, tensors, {column.name})
            cam = cam if column is None else upsampled(cam, arrays[column.name].shape[1:])
            lengths = {} if column is None or not column.length else lengths_of(study, tensors)
            maps = {found.columns[0]: cam.double().numpy()}
            sums = maps[found.columns[0]].reshape(len(cam), -1).sum(1, keepdims=True)
            collector.add(Rows(study.indices[places], chosen.numpy(), answer.numpy(), None, sums), maps, arrays, lengths)
        if column is None:
            found.notes.append("the map has the size of the layer: it cannot be told which input it belongs to (--column NAME)")
        return collector.finish()

    def _layer(self, study: Study, module: nn.Module) -> str:
        """The layer that is asked for, or the convolution that is called last."""
        if self.options.layer:
            find_layer(module, self.options.layer)
            return self.options.layer
        order: list[str] = []
        with watching(module, lambda name, _: order.append(name)), torch.no_grad():
            study.subject.answer(study.subject.take(study.indices[:1]), True)
        layer = last_convolution(module, order)
        if not layer:
            there = list_layers(module, CONVOLUTIONS)
            why = f"its convolutions were not called: {there}" if there else f"its layers: {list_layers(module)}"
            fix = "name a layer that gives channels at places: --layer NAME; or use --method integrated_gradients"
            raise RequestError("the model has no convolution to look at", where="--method grad_cam", why=why, fix=fix)
        return layer

    def maps(self, study: Study, module: nn.Module, layer: str, tensors: Tensors, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of the size of the layer (b, …), and what the network gives of the class (b)."""
        kept = _Kept(layer)
        with watching(module, kept), torch.enable_grad():
            answers = study.subject.answer(tensors, True)
            seen = kept.output
            if seen is None or not is_map(seen):
                shape = "nothing" if seen is None else tuple(seen.shape)
                fix = f"name one that gives channels at places: {list_layers(module, CONVOLUTIONS) or 'there is none'}"
                raise RequestError(f"'{layer}' gives {shape}, no map", where="--layer", why="a map has (rows, channels, places)", fix=fix)
            explained = answers.gather(1, chosen.to(answers.device)[:, None])[:, 0]
            gradient = torch.autograd.grad(explained.sum(), seen, allow_unused=True)[0] if explained.requires_grad else None
        if gradient is None:
            raise no_gradient("grad_cam", f"the answer does not follow from '{layer}' by operations with a gradient")
        weights = gradient.flatten(2).mean(2)
        cam = torch.einsum("bc,bc...->b...", weights, seen.detach()).cpu()
        return (cam.relu() if self.options.relu else cam), explained.detach().double().cpu()

    def _column(self, study: Study, dimensions: int) -> Column | None:
        """The input that the maps lie over: the only array with as many dimensions of places; None where there is not one."""
        arrays = [column for player in study.players for column in player if column.array]
        fitting = [each for each in arrays if len(places_of(each.shape, dimensions)) == dimensions]
        return fitting[0] if len(fitting) == 1 else None


def places_of(shape: tuple[int, ...], dimensions: int, seen: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The dimensions of an array that are places, where it has so many beside its channels; an empty tuple for none.

    Channels are the first or the last one: what leaves as many places as the layer has `seen`, else the first, unless the last is short.
    """
    if len(shape) == dimensions:
        return shape
    if len(shape) != dimensions + 1:
        return ()
    if seen in (shape[1:], shape[:-1]):
        return seen
    return shape[:-1] if shape[-1] <= 4 < shape[0] else shape[1:]


def upsampled(cam: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Maps (b, …) at the places of an array, between places by straight lines."""
    places = places_of(tuple(shape), cam.dim() - 1, tuple(cam.shape[1:]))
    if tuple(cam.shape[1:]) == tuple(places):
        return cam
    return F.interpolate(cam[:, None].float(), size=list(places), mode=MODES[cam.dim() - 1], align_corners=False)[:, 0]


__all__ = ["GradCam", "np", "places_of", "upsampled"]
