"""Attention rollout (Abnar and Zuidema 2020): attention through all layers, with the residual connections beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from trainwright.config.errors import RequestError
from trainwright.config.name_patterns import matcher
from trainwright.explain import AttentionRolloutOptions
from trainwright.explain.explanation import Collector, Explanation, Rows, begin
from trainwright.explain.layers import list_layers, require_module
from trainwright.explain.study import Study


class Recorder(TorchFunctionMode):
    """Every attention between tokens that torch computes inside, as (module, weights (b, t, t), the mean of heads), in order."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.found: list[tuple[str, Tensor]] = []
        self._stack: list[str] = []
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
            self.found.append((self._stack[-1] if self._stack else "", weights.detach().mean(1).double().cpu()))

    def _leave(self, *_: Any) -> None:
        self._stack.pop()

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what is computed inside."""
        with ExitStack() as stack:
            for name, each in self._module.named_modules():
                stack.callback(each.register_forward_pre_hook(lambda _, __, name=name: self._stack.append(name)).remove)
                stack.callback(each.register_forward_hook(self._leave).remove)
            self.found = []
            self._stack = []
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
        for places, tensors in study.batches():
            layers, answer = self._attention(study, module, tensors)
            count = len(study.indices[places])
            shares = self._read_out(study, rollout([each for _, each in layers], self.options.residual), found)
            if shares.shape[1] != len(found.columns) and len(collector.pieces):
                raise RequestError(
                    "rows have different numbers of tokens", where="--method attention_rollout", fix="explain them one by one: --row N"
                )
            found.settings["layers"] = [name for name, _ in layers]
            chosen = answer.argmax(1) if study.output is None else torch.full((count,), study.output)
            given = answer.gather(1, chosen[:, None])[:, 0].numpy()
            collector.add(Rows(study.indices[places], chosen.numpy(), given, None, shares), {}, {})
        found.about = "attention: the share of each token that can have reached the output"
        return collector.finish()

    def _attention(self, study: Study, module: nn.Module, tensors: Mapping[str, Tensor]) -> tuple[list[tuple[str, Tensor]], Tensor]:
        """The layers of attention among the most common number of tokens, in order, and the answers (b, k)."""
        with Recorder(module).recording() as recorder:
            answer = study.subject.answer(dict(tensors)).double().cpu()
        named = recorder.found
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
