"""Models of timm and torchvision made for pictures of one size, and what to say where they cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.vision_libraries import import_timm
from trainwright.domains.images.models.libraries.network import TimmMaps, TimmNetwork, TorchvisionNetwork
from trainwright.domains.images.models.libraries.options import TimmOptions, TorchvisionOptions
from trainwright.domains.images.models.libraries.records import check_name, closest, record_of, torchvision_names
from trainwright.features.spec import InputGroup

Make = Callable[[int, int, int], nn.Module]
"""(channels, height, width) → network."""
USUAL = (224, 256, 384)
LARGEST = 512
"""Sides up to which one that works is looked for."""
STEP = 16
"""By how much sides are raised while one that works is looked for, where a network says nothing of its stride."""


def timm_network(options: TimmOptions) -> Make:
    """What makes the model for pictures of a size; raises ConfigError for a name or arguments that timm does not know."""
    check_name(options.name)
    timm, record = import_timm(), record_of(options.name)
    given: dict[str, Any] = {"drop_rate": options.drop_rate, **_said(options, "drop_path_rate", "global_pool", "dynamic_img_size")}
    size_is_fixed = bool(record.get("fixed_input_size")) and not options.dynamic_img_size

    def make(channels: int, height: int, width: int) -> nn.Module:
        sized = {"img_size": (height, width)} if size_is_fixed and (height, width) != tuple(record["input_size"][1:]) else {}
        try:
            model = timm.create_model(options.name, num_classes=0, in_chans=channels, **given, **sized, **options.model_kwargs)
        except TypeError as error:
            raise _unknown_argument(options.name, error, [*given, *options.model_kwargs]) from error
        if options.features_only:
            _refuse_no_maps(model, options)
            return TimmMaps(model, options.out_indices)
        return TimmNetwork(model)

    return make


def torchvision_network(options: TorchvisionOptions) -> Make:
    """The same of a model of torchvision, whose last layer is taken off, and whose first one is made for the channels."""
    names = torchvision_names()
    from torchvision import models

    if options.name not in names:
        what = f"torchvision has no model '{options.name}' of whole pictures"
        raise ConfigError(what, where="encoder.name", fix=closest(options.name, names, "torchvision"))

    def make(channels: int, height: int, width: int) -> nn.Module:
        sized = {"image_size": height} if options.name.startswith("vit_") else {}
        try:
            model = models.get_model(options.name, weights=None, **_without_aids(options.name), **sized, **options.model_kwargs)
        except (TypeError, ValueError) as error:
            raise _unknown_argument(options.name, error, list(options.model_kwargs)) from error
        _set_channels(model, channels)
        return TorchvisionNetwork(model, _take_head(model))

    return make


def fitting_network(make: Make, name: str, group: InputGroup) -> nn.Module:
    """The network for the pictures of a group, tried on one; where their size does not work, ConfigError names the smallest that does."""
    _, channels, height, width = group.parts["value"]
    network, why = _try(make, channels, height, width)
    stride = max(getattr(network, "map_strides", ()) or (1,))
    if network is not None and min(height, width) >= stride:
        return network
    why = why or f"its stride is {stride}: what it sees of them would be padding"
    works = next((side for side in _sides(stride) if _try(make, channels, side, side)[0] is not None), 0)
    where = f"columns.{group.columns[0]}.size"
    fix = f"{where}={works}, the smallest that works" if works else "name another model, or give its own arguments in model_kwargs"
    raise ConfigError(f"{name} does not take pictures of {height}×{width}", where=where, why=why, fix=fix)


def _try(make: Make, channels: int, height: int, width: int) -> tuple[Any, str]:
    """The network and no reason, or none and why not; its `width` is what it gives."""
    try:
        network = make(channels, height, width)
        training = network.training
        with torch.no_grad():
            found = network.eval()(torch.zeros(1, channels, height, width))
        network.train(training)
        network.width = int(found.shape[-1])  # type: ignore[assignment]
    except ConfigError:
        raise
    except FOREIGN as error:
        return None, " ".join(str(error).split())[:200] or type(error).__name__
    return (network, "") if found.dim() == 2 else (None, f"it gives {tuple(found.shape)} for one picture, and no vector")


def _sides(stride: int) -> Iterator[int]:
    """Sides that may work, from the smaller ones on."""
    step = stride if stride > 1 else STEP
    yield from sorted({*range(step, LARGEST + 1, step), *USUAL})


def _refuse_no_maps(model: Any, options: TimmOptions) -> None:
    if not hasattr(model, "forward_intermediates"):
        fix = "leave features_only out, or name another model: most of timm's give maps"
        raise ConfigError(f"{options.name} gives no maps of several scales", where="encoder.features_only", fix=fix)
    count, asked = len(model.feature_info), options.out_indices or []
    wrong = next((each for each in asked if not -count <= each < count), None)
    if wrong is not None:
        what = f"{options.name} has no map {wrong}"
        raise ConfigError(what, where="encoder.out_indices", why=f"it gives {count}", fix=f"0 to {count - 1}, or -1 for the last")


def _said(options: TimmOptions, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _unknown_argument(name: str, error: Exception, given: list[str]) -> ConfigError:
    told = " ".join(str(error).split())
    named = next((each for each in given if f"'{each}'" in told), "")
    what = f"{name} has no argument '{named}'" if named else f"{name} cannot be made with these arguments"
    return ConfigError(what, where=f"encoder.{named or 'model_kwargs'}", why=told, fix="leave it out, or name one that the model takes")


def _without_aids(name: str) -> dict[str, Any]:
    """Inception's and GoogLeNet's second heads are for training with ImageNet's classes."""
    return {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _take_head(model: nn.Module) -> int:
    """Take the last linear layer off, or the convolution that takes its place; returns how many numbers it was given."""
    modules = dict(model.named_modules())
    name = [key for key, each in modules.items() if isinstance(each, nn.Linear | nn.Conv2d)][-1]
    head: Any = modules[name]
    above, _, last = name.rpartition(".")
    setattr(modules[above], last, nn.Identity())
    return int(head.in_features if isinstance(head, nn.Linear) else head.in_channels)


def _set_channels(model: nn.Module, channels: int) -> None:
    """Make the first convolution for so many channels."""
    name, first = next((key, each) for key, each in model.named_modules() if isinstance(each, nn.Conv2d))
    if first.in_channels == channels:
        return
    above, _, last = name.rpartition(".")
    made: Any = nn.Conv2d
    shape = (first.kernel_size, first.stride, first.padding)
    setattr(model.get_submodule(above), last, made(channels, first.out_channels, *shape, bias=first.bias is not None))
