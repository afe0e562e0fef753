"""The denoiser that belongs to a scheduler of diffusers, read from its config; the scheduler itself is never used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.domains.diffusion.denoisers.base import BaseDenoiser
from trainwright.domains.diffusion.denoisers.continuous import FlowDenoiser, VDenoiser
from trainwright.domains.diffusion.denoisers.diffusers_network import DiffusersNetwork
from trainwright.domains.diffusion.denoisers.diffusers_options import DiffusersDenoiserOptions
from trainwright.domains.diffusion.denoisers.discrete import OF_PREDICTION
from trainwright.domains.diffusion.denoisers.edm import Denoiser
from trainwright.domains.diffusion.denoisers.table_options import TableOptions
from trainwright.domains.diffusion.denoisers.tables import table_alphas_cumprod
from trainwright.domains.diffusion.weightings.base import ByLevel, Weighting

FILE = "scheduler_config.json"
TABLE = tuple(name for name in TableOptions.model_fields if name != "type")


def from_diffusers(
    model: nn.Module,
    scheduler: Any,
    weighting: str | ByLevel | Weighting | None = None,
    scales: float = 1.0,
    learned_sigmas: bool = False,
) -> BaseDenoiser:
    """A network of diffusers and a scheduler, its config, or the path of that, as a denoiser `(x, sigma, **conditions)`.

    The scheduler says the table of noise and what the network predicts: noise, v, the clean sample, or the velocity of flow matching; of
    EDM's schedulers also σ_data. Conditions have our names (`class_cond`, `cross_cond`) or the network's own. Raises ConfigError for a
    config that says none of this.
    """
    config = read_scheduler(scheduler)
    kind, prediction = str(config.get("_class_name", "")), str(config.get("prediction_type", "epsilon"))
    if kind.startswith("FlowMatch") or prediction == "flow_prediction":
        network = adapt(model, time_scale=float(config.get("num_train_timesteps", 1000)))
        return FlowDenoiser(network, 1.0, weighting, scales)
    if kind.startswith("EDM"):
        made = {"epsilon": Denoiser, "v_prediction": VDenoiser}.get(prediction)
        if made is None:
            raise _unknown_prediction(prediction, ["epsilon", "v_prediction"])
        return made(adapt(model), float(config.get("sigma_data", 0.5)), weighting or "karras", scales, "c_noise")
    if prediction not in OF_PREDICTION:
        raise _unknown_prediction(prediction, [*OF_PREDICTION, "flow_prediction"])
    alphas_cumprod = table_alphas_cumprod(table_of(config))
    return OF_PREDICTION[prediction](adapt(model), alphas_cumprod, weighting=weighting, scales=scales, learned_sigmas=learned_sigmas)


def adapt(model: nn.Module, time_scale: float = 1.0) -> DiffusersNetwork:
    """A network of diffusers as one that is called as ours are, told multiples of the time."""
    return DiffusersNetwork(model.model if isinstance(model, DiffusersNetwork) else model, time_scale)


def make_diffusers(
    options: DiffusersDenoiserOptions, network: nn.Module, sigma_data: float = 1.0, weighting: Weighting | None = None
) -> BaseDenoiser:
    """The denoiser of a configuration; its scheduler says what the data are scaled to, whatever `sigma_data` is."""
    return from_diffusers(network, options.scheduler, weighting, options.scales)


def read_scheduler(scheduler: Any) -> Mapping[str, Any]:
    """The config of a scheduler, of a mapping, or of a file. Raises ConfigError where there is none."""
    if isinstance(scheduler, Mapping):
        return scheduler
    if not isinstance(scheduler, str | Path):
        config = getattr(scheduler, "config", None)
        if not isinstance(config, Mapping):
            what = f"{type(scheduler).__name__} is no scheduler"
            raise ConfigError(what, fix=f"give a scheduler of diffusers, its config, or the path of its {FILE}")
        return {"_class_name": type(scheduler).__name__, **config}
    path = Path(scheduler).expanduser()
    path = path / FILE if path.is_dir() else path
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the scheduler '{scheduler}' cannot be read", why=str(error), fix=f"name its {FILE} or the folder of it"
        ) from error
    if not isinstance(read, dict):
        raise ConfigError(f"'{path.name}' is no config of a scheduler", why="it holds no mapping", fix=f"name a {FILE} of diffusers")
    return read


def table_of(config: Mapping[str, Any]) -> TableOptions:
    """The table of noise that a config says. Raises ConfigError where it says none, or one that is impossible."""
    if "beta_schedule" not in config and config.get("trained_betas") is None:
        why = f"{config.get('_class_name', 'it')} has no beta_schedule and no trained_betas"
        raise ConfigError("the config of the scheduler says no table of noise", why=why, fix="give the config of the model's own scheduler")
    given = {name: config[name] for name in TABLE if config.get(name) is not None}
    try:
        return TableOptions.model_validate({"type": "table", **given})
    except ValueError as error:
        raise ConfigError(
            "the table of the scheduler cannot be used",
            why=str(error).splitlines()[-1].strip(),
            fix="its names and bounds: trainwright list denoiser.discrete",
        ) from error


def _unknown_prediction(prediction: str, known: list[str]) -> ConfigError:
    return ConfigError(f"prediction_type '{prediction}' is unknown", fix=f"it is one of: {', '.join(known)}")
