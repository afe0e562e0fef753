"""Grad-CAM (Selvaraju et al. 2017): the channels of a convolution weighted by the mean gradient of the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.explain import GradCamOptions
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.integrated_gradients import arrays_of, lengths_of
from trainwright.explain.layers import CONVOLUTIONS, find_layer, is_map, last_convolution, list_layers, require_module, watching
from trainwright.explain.seen import Passed, Seen, find_seen, form_of, patches, pictures_of, places_of, run_once, say_others
from trainwright.explain.study import Study, no_gradient
from trainwright.explain.subject import Column, Tensors

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass
class _Kept:
    """What the layer gave in one forward pass, kept in the graph."""

    layer: str
    output: Tensor | None = None

    def __call__(self, name: str, output: Any) -> Any:
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
        seen, column = self._seen(study, module)
        found = begin(study, logit=True)
        found.settings["layer"] = seen.layer
        collector = Collector(study, found)
        for places, tensors in study.batches():
            chosen = study.chosen(tensors)
            cam, answer = self.maps(study, module, seen, tensors, chosen)
            column = column or self._column(study, cam.dim() - 1)
            found.columns = [seen.layer if column is None else column.name]
            arrays = {} if column is None else arrays_of(study, tensors, {column.name})
            cam = cam if column is None else upsampled(cam, arrays[column.name].shape[1:])
            lengths = {} if column is None or not column.length else lengths_of(study, tensors)
            maps = {found.columns[0]: cam.double().numpy()}
            sums = maps[found.columns[0]].reshape(len(cam), -1).sum(1, keepdims=True)
            collector.add(Rows(study.indices[places], chosen.numpy(), answer.numpy(), None, sums), maps, arrays, lengths)
        if column is None:
            found.notes.append("the map has the size of the layer: it cannot be told which input it belongs to (--column NAME)")
        else:
            found.notes += say_others(study, column)
        return collector.finish()

    def _seen(self, study: Study, module: nn.Module) -> tuple[Seen, Column | None]:
        """The layer that is asked for, or of a picture its last map, or the convolution that is called last; with the column it reads."""
        if self.options.layer:
            find_layer(module, self.options.layer)
        passed, pictures = run_once(study, module), pictures_of(study)
        for column, size in pictures:
            place = study.subject.place_of(column)
            if not place and len(pictures) > 1:
                continue  # which of them a layer reads is not known
            within = passed.within(place)
            seen = self._named(within, size) if self.options.layer else find_seen(within, size)
            if seen is not None:
                return seen, column
        layer = self.options.layer or last_convolution(module, passed.order)
        if not layer:
            there = list_layers(module, CONVOLUTIONS)
            why = f"its convolutions were not called: {there}" if there else f"its layers: {list_layers(module)}"
            fix = "name a layer that gives channels at places: --layer NAME; or use --method integrated_gradients"
            raise RequestError("the model has no convolution to look at", where="--method grad_cam", why=why, fix=fix)
        return Seen(layer), study.subject.column_of_layer(layer)

    def _named(self, passed: Passed, size: tuple[int, int]) -> Seen | None:
        """How the layer that is asked for lies over a picture; None where it is not one that reads it."""
        output = next((each for name, each in passed.outputs if name == self.options.layer), None)
        return None if output is None else form_of(self.options.layer, output, size, patches(passed, size))

    def maps(self, study: Study, module: nn.Module, seen: Seen, tensors: Tensors, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of the size of the layer (b, …), and what the network gives of the class (b)."""
        kept = _Kept(seen.layer)
        with watching(module, kept), torch.enable_grad():
            answers = study.subject.answer(tensors, True)
            output = kept.output
            if output is None or not is_map(output):
                shape = "nothing" if output is None else tuple(output.shape)
                fix = f"name one that gives channels at places: {list_layers(module, CONVOLUTIONS) or 'there is none'}"
                raise RequestError(
                    f"'{seen.layer}' gives {shape}, no map", where="--layer", why="a map has (rows, channels, places)", fix=fix
                )
            explained = answers.gather(1, chosen.to(answers.device)[:, None])[:, 0]
            gradient = torch.autograd.grad(explained.sum(), output, allow_unused=True)[0] if explained.requires_grad else None
        if gradient is None:
            raise no_gradient("grad_cam", f"the answer does not follow from '{seen.layer}' by operations with a gradient")
        weights = seen.as_map(gradient).flatten(2).mean(2)
        cam = torch.einsum("bc,bc...->b...", weights, seen.as_map(output.detach())).cpu()
        return (cam.relu() if self.options.relu else cam), explained.detach().double().cpu()

    def _column(self, study: Study, dimensions: int) -> Column | None:
        """The input that the maps lie over: the only array with as many dimensions of places; None where there is not one."""
        arrays = [column for player in study.players for column in player if column.array]
        fitting = [each for each in arrays if len(places_of(each.shape, dimensions)) == dimensions]
        return fitting[0] if len(fitting) == 1 else None


def upsampled(cam: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Maps (b, …) at the places of an array, between places by straight lines."""
    places = places_of(tuple(shape), cam.dim() - 1, tuple(cam.shape[1:]))
    if tuple(cam.shape[1:]) == tuple(places):
        return cam
    return F.interpolate(cam[:, None].float(), size=list(places), mode=MODES[cam.dim() - 1], align_corners=False)[:, 0]
