"""Attention rollout (Abnar and Zuidema 2020): attention through all layers, with the residual connections beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.config.name_patterns import matcher
from trainwright.explain import AttentionRolloutOptions
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.grad_cam import upsampled
from trainwright.explain.integrated_gradients import arrays_of
from trainwright.explain.layers import list_layers, require_module
from trainwright.explain.recorder import Recorder
from trainwright.explain.seen import FRONT, Patches, find_patches, is_within, read_tokens, say_others
from trainwright.explain.study import Study


def rollout(layers: list[Tensor], residual: float) -> Tensor:
    """The product of (residual · I + (1 - residual) · A) over layers (b, t, t): from which tokens each output token comes."""
    tokens = layers[0].shape[-1]
    found = torch.eye(tokens, dtype=torch.float64).expand(len(layers[0]), -1, -1)
    for weights in layers:
        found = (residual * torch.eye(tokens, dtype=torch.float64) + (1 - residual) * weights) @ found
    return found


class AttentionRollout:
    """Attention rolled out over the layers that attend among the same tokens."""

    def __init__(self, options: AttentionRolloutOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """The share of each token in the output of every row. Raises RequestError for networks that attend to nothing."""
        module = require_module(study, "attention_rollout")
        found = begin(study)
        collector = Collector(study, found)
        over = find_patches(study, module)
        found.notes += [] if over is None else say_others(study, over.column)
        for places, tensors in study.batches():
            layers, answer = self._attention(study, module, tensors, over)
            count = len(study.indices[places])
            rolled = rollout([each for _, each in layers], self.options.residual)
            maps: dict[str, np.ndarray] = {}
            arrays: dict[str, np.ndarray] = {}
            if over is not None and rolled.shape[-1] - math.prod(over.grid) in range(FRONT + 1):
                maps, arrays = self._over_picture(study, module, over, layers[-1][0], rolled, tensors, found)
                shares = maps[over.column.name].reshape(count, -1).sum(1, keepdims=True)
            else:
                shares = self._read_out(study, rolled, found)
            if shares.shape[1] != len(found.columns) and len(collector.pieces):
                raise RequestError(
                    "rows have different numbers of tokens", where="--method attention_rollout", fix="explain them one by one: --row N"
                )
            found.settings["layers"] = [name for name, _ in layers]
            chosen = answer.argmax(1) if study.output is None else torch.full((count,), study.output)
            given = answer.gather(1, chosen[:, None])[:, 0].numpy()
            collector.add(Rows(study.indices[places], chosen.numpy(), given, None, shares), maps, arrays)
        found.about = "attention: the share of each token that can have reached the output"
        return collector.finish()

    def _over_picture(
        self, study: Study, module: nn.Module, over: Patches, layer: str, rolled: Tensor, tensors: dict[str, Tensor], found: Explanation
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The shares of patches at the places of the picture that they are of, and the picture."""
        which = self.options.token
        read = read_tokens(study, module, layer, tensors) if which == "auto" else None
        token = which if which != "auto" else "mean" if read is None or len(read) == rolled.shape[1] else "first" if read == [0] else "read"
        row = {"first": rolled[:, 0], "last": rolled[:, -1], "mean": rolled.mean(1)}.get(token)
        row = rolled[:, read].mean(1) if row is None else row
        grid = row[:, rolled.shape[-1] - math.prod(over.grid) :].reshape(-1, *over.grid)
        found.columns, found.settings["token"] = [over.column.name], token
        arrays = arrays_of(study, dict(tensors), {over.column.name})
        shape = arrays[over.column.name].shape[1:]
        sized = upsampled(grid, shape).double()  # as many places as the picture has, of which all together have what the patches have
        scale = grid.sum((1, 2)) / sized.sum((1, 2)).clamp_min(1e-300)
        return {over.column.name: (sized * scale[:, None, None]).numpy()}, arrays

    def _attention(
        self, study: Study, module: nn.Module, tensors: Mapping[str, Tensor], over: Patches | None
    ) -> tuple[list[tuple[str, Tensor]], Tensor]:
        """The layers of attention among the most common number of tokens, in order, and the answers (b, k)."""
        with Recorder(module).recording() as recorder:
            answer = study.subject.answer(dict(tensors)).double().cpu()
        named = recorder.found if over is None else [each for each in recorder.found if is_within(each[0], over.place)]
        if self.options.layer:
            means = matcher(self.options.layer)
            named = [each for each in named if means(each[0])]
        count = len(next(iter(tensors.values())))
        whole = [each for each in named if len(each[1]) == count]
        if not whole:
            raise self._nothing(module, recorder)
        sizes = [each.shape[-1] for _, each in whole]
        wanted = max(set(sizes), key=lambda size: (sizes.count(size), size))
        return [(name, each) for name, each in whole if each.shape[-1] == wanted], answer

    def _nothing(self, module: nn.Module, recorder: Recorder) -> RequestError:
        attended = sorted({name for name, _ in recorder.found})
        if self.options.layer and attended:
            return RequestError(
                f"no attention is in a layer '{self.options.layer}'", where="--layer", fix=f"attention is in: {', '.join(attended)}"
            )
        why = f"no attention among tokens was computed by torch in its layers: {list_layers(module)}"
        return RequestError(
            "the model does not attend to tokens",
            where="--method attention_rollout",
            why=why,
            fix="use --method integrated_gradients or occlusion",
        )

    def _read_out(self, study: Study, rolled: Tensor, found: Explanation) -> np.ndarray:
        """The row of the token that is read out (b, tokens); of columns alone where tokens are columns, their shares summing to 1."""
        token, front = self.options.token, study.subject.reads_first
        columns = [column.name for column in study.subject.columns]
        of_columns = front and rolled.shape[-1] == front + len(columns)
        token = ("first" if front else "mean") if token == "auto" else token
        row = {"first": rolled[:, 0], "last": rolled[:, -1]}.get(token, rolled.mean(1))
        found.columns = columns if of_columns else [f"token {place + 1}" for place in range(rolled.shape[-1])]
        found.settings["token"] = token
        if of_columns:
            row = row[:, front:] / row[:, front:].sum(1, keepdim=True)
        shares: np.ndarray = row.numpy()
        return shares
