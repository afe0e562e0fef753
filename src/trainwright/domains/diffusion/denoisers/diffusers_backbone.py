"""Networks of diffusers made from options: by their config, or read from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from trainwright.config.errors import FOREIGN, ConfigError, RequestError, did_you_mean
from trainwright.domains.diffusion.denoisers.diffusers_library import find_model, list_accepted
from trainwright.domains.diffusion.denoisers.diffusers_network import DiffusersNetwork
from trainwright.domains.diffusion.denoisers.diffusers_options import DiffusersOptions
from trainwright.domains.diffusion.models.shape import BackboneShape


def make_network(options: DiffusersOptions, shape: BackboneShape) -> DiffusersNetwork:
    """The network of a configuration. Raises ConfigError for conditions or arguments that the class does not take."""
    made_from = find_model(options.model)
    for name in ("mapping", "augment", "variance"):
        if getattr(shape, name):
            raise ConfigError(f"networks of diffusers cannot take {name}", fix="leave that condition out; or choose another backbone")
    names = list_accepted(made_from)
    unknown = [name for name in options.config if name not in names]
    if unknown:
        raise ConfigError(f"{options.model} has no argument '{unknown[0]}'", where="model.config", fix=did_you_mean(unknown[0], names))
    try:
        model = _make(made_from, options, {name: value for name, value in of_shape(shape).items() if name in names} | options.config)
    except RequestError:
        raise
    except FOREIGN as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"diffusers cannot make {options.model} of these arguments",
            why=why,
            fix=f"model.config takes the arguments of diffusers.{options.model}",
        ) from error
    return DiffusersNetwork(model)


def _make(made_from: Any, options: DiffusersOptions, arguments: dict[str, Any]) -> nn.Module:
    if options.weights is None:
        made: nn.Module = made_from(**arguments)
        return made
    folder = Path(options.weights).expanduser()
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"'{options.weights}' is no folder of a network of diffusers", why="it has no config.json", fix="name that folder"
        )
    read: nn.Module = made_from.from_pretrained(folder, use_safetensors=True, local_files_only=True, **options.config).train()
    return read


def of_shape(shape: BackboneShape) -> dict[str, Any]:
    """What follows from the data, by diffusers' names: as many labels as classes and one more, for none."""
    found: dict[str, Any] = {"in_channels": shape.channels + shape.concat, "out_channels": shape.channels}
    if shape.size:
        found["sample_size"] = shape.size[0] if len(set(shape.size)) == 1 else shape.size
    if shape.classes:
        found |= {"num_class_embeds": shape.classes + 1, "num_embeds_ada_norm": shape.classes}
    if shape.cross:
        found["cross_attention_dim"] = shape.cross
    return found
