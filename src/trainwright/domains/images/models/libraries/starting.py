"""Weights that a model of timm or torchvision begins with: from a file or a cache of this machine, without the head."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.domains.images.models.libraries.closest import closest_model
from trainwright.domains.images.models.libraries.options import LibraryOptions, TimmOptions, TorchvisionOptions
from trainwright.domains.images.models.libraries.records import record_of
from trainwright.weights.loading import load_weights
from trainwright.weights.options import WeightsOptions
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import Weights, read_weights

log = logging.getLogger("trainwright.weights")

HEADS = ("fc", "classifier", "head", "head.fc", "heads.head", "head_dist", "last_linear", "aux_logits", "AuxLogits", "aux1", "aux2")
"""Last layers of timm's and torchvision's models, where no record names them."""


def begin_network(network: Any, options: LibraryOptions) -> WeightReport | None:
    """Load what the options name into the model; None where they name nothing.

    Raises ConfigError where there are no such weights, saying where they were looked for, or they are of another architecture.
    """
    found = starting_weights(options)
    if found is None:
        return None
    weights, submodule = read_weights(found.source, found.sha256, found.averaged, state_dict=found.state_dict, download=found.download)
    named = f"{submodule}." if submodule else ""
    weights = replace(weights, tensors=_unwrapped(weights.tensors, named))
    kept, heads = divide_head(weights.tensors, network.model, _heads(options))
    try:
        report = load_weights(
            network.model,
            replace(weights, tensors=kept),
            ignore=found.ignore,
            partial=True,
            renames=found.renames,
            adapt=found.adapt or False,
            least=_least(found),
        )
    except ConfigError as error:
        raise _another(error.why, weights, kept, network.model, options) from error
    if _is_another(report, _least(found), pruned=getattr(options, "features_only", False)):
        raise _another("", weights, kept, network.model, options)
    for line in heads:
        report.notes.append(line)
        log.info("%s", line)
    return report


LEAST = 0.9
"""The share of a model's tensors that weights of its architecture fill, heads and stems aside."""


def _least(found: WeightsOptions) -> float:
    """The share that must fit: what a person said, or nearly all."""
    return found.least if "least" in found.model_fields_set else LEAST


def _is_another(report: WeightReport, least: float, pruned: bool) -> bool:
    """Whether one side is a part of the other, as a resnet18 fits into a resnet34; of a pruned model the file may have more."""
    lost = len(report.missing) + len(report.dropped)
    fitting, more = len(report.loaded), 0 if pruned else len(report.unexpected)
    return fitting < least * (fitting + lost) or fitting < least * (fitting + more)


def starting_weights(options: LibraryOptions) -> WeightsOptions | None:
    """The weights that are asked for: those named, or with `pretrained` those that timm publishes, under their name on the hub."""
    if options.weights is not None or not isinstance(options, TimmOptions) or not options.pretrained:
        return options.weights
    record = record_of(options.name)
    hub = str(record.get("hf_hub_id") or "")
    if not hub and not record.get("url"):
        what, fix = f"timm publishes no weights of {options.name}", "leave pretrained out, or name a file: weights=FILE"
        raise ConfigError(what, where="encoder.pretrained", fix=fix)
    source = hub if hub.startswith("timm/") else f"hf/{hub}" if hub else f"timm/{options.name}"
    return WeightsOptions(source=source)


def divide_head(tensors: Mapping[str, Tensor], model: nn.Module, heads: tuple[str, ...]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors without those of heads that the model here has not, and a line for each head on what becomes of it."""
    own = {name for name, _ in model.named_parameters()}
    lost = {name: name.rpartition(".")[0] for name in tensors if name.rpartition(".")[0] in heads and name not in own}
    outputs = {head: len(tensors[name]) for name, head in lost.items()}
    lines = [
        f"head: {head} of {count} outputs is left out; what is predicted has a head of its own, which begins anew"
        for head, count in outputs.items()
    ]
    return {name: value for name, value in tensors.items() if name not in lost}, lines


def _heads(options: LibraryOptions) -> tuple[str, ...]:
    if isinstance(options, TorchvisionOptions):
        return (*HEADS, "classifier.6", "classifier.3", "classifier.2", "classifier.1")
    named = record_of(options.name).get("classifier") or ()
    return tuple({*HEADS, *([named] if isinstance(named, str) else named)})


def _unwrapped(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, which is taken off."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _another(why: str, weights: Weights, kept: Mapping[str, Tensor], model: nn.Module, options: LibraryOptions) -> ConfigError:
    """The refusal with the first keys that do not fit, and the architecture that they do."""
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in kept.items()}
    wrong = [f"{name} {theirs[name]} there, {own[name]} here" for name in theirs if name in own and own[name] != theirs[name]]
    wrong += [f"{name} {theirs[name]} there, nothing here" for name in theirs if name not in own]
    wrong += [f"{name} {own[name]} here, nothing there" for name in own if name not in theirs]
    wrong.sort(key=lambda line: " () " in line)  # counters of batches tell the least
    nearest = closest_model({name: tuple(value.shape) for name, value in weights.tensors.items()}, options.name)
    fix = f"name that model: {options.type}/{nearest}" if nearest else "use the model that they were made with, or map its names: renames"
    told = "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    close = f"; the closest architecture is {nearest}" if nearest else ""
    return ConfigError(f"these weights are not of {options.name}{close}", where=weights.where, why=told or why, fix=fix)
