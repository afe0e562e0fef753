"""Networks of timm, torchvision and transformers as extractors, with weights from files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean
from trainwright.config.own_code import describe_failure
from trainwright.config.vision_libraries import import_timm, import_torchvision
from trainwright.files.text import read_json
from trainwright.metrics.extractors import TimmOptions, TorchvisionOptions, TransformersOptions
from trainwright.metrics.extractors.network import NetworkExtractor, fill, guess_size, read_weights

LAST = ("fc", "classifier", "head", "heads")
"""What torchvision calls the layers that give classes."""


class Timm(NetworkExtractor):
    """A network of timm; its features are those before the layer of classes."""

    options: TimmOptions

    def load_network(self) -> tuple[nn.Module, str, Path]:
        """The network by its name, with what it was trained with."""
        timm = import_timm()
        model, where = self.options.model, f"features.weights: {self.options.weights}"
        if not timm.is_model(model.partition(".")[0]):
            raise ConfigError(f"timm has no '{model}'", where="features.model", fix=did_you_mean(model, timm.list_models()))
        file, tensors = read_weights(self.options.weights)
        classed = timm.create_model(model, pretrained=False)
        told = timm.data.resolve_model_data_config(classed)
        self.size, self.mean, self.std = int(told["input_size"][-1]), tuple(told["mean"]), tuple(told["std"])
        head = classed.get_classifier()
        names = {name for name, each in classed.named_modules() if each is head}
        has_head = isinstance(head, nn.Linear) and all(f"{name}.weight" in tensors for name in names)
        network = classed if has_head else timm.create_model(model, pretrained=False, num_classes=0)
        fill(network, tensors, where)
        self.head = head if has_head else None
        return network, f"timm {model}", file

    def network_features(self, pictures: Tensor) -> Tensor:
        """What the layer of classes is given."""
        found: Tensor = self.call.forward_head(self.call.forward_features(pictures), pre_logits=True)
        return found


class Torchvision(NetworkExtractor):
    """A network of torchvision; its features are those that its last layer is given."""

    options: TorchvisionOptions

    def load_network(self) -> tuple[nn.Module, str, Path]:
        """The network by its name, its last linear layer apart."""
        models = import_torchvision().models
        model, where = self.options.model, f"features.weights: {self.options.weights}"
        if model not in models.list_models():
            raise ConfigError(f"torchvision has no '{model}'", where="features.model", fix=did_you_mean(model, models.list_models()))
        file, tensors = read_weights(self.options.weights)
        given = {"init_weights": False} if model in ("inception_v3", "googlenet") else {}
        network = models.get_model(model, weights=None, **given)
        if not any(name.startswith(("AuxLogits", "aux")) for name in tensors):
            network = without_auxiliary(network)
        fill(network, tensors, where)
        self.size = {"inception_v3": 299}.get(model, 224)
        self.head = take_last(network, where)
        return network, f"torchvision {model}", file


def without_auxiliary(network: nn.Module) -> nn.Module:
    """The network without the side branches that were of use in training alone."""
    for name in ("AuxLogits", "aux1", "aux2"):
        if getattr(network, name, None) is not None:
            setattr(network, name, None)
    if hasattr(network, "aux_logits"):
        setattr(network, "aux_logits", False)  # noqa: B010 - a flag of torchvision, which torch would type as a module
    return network


def take_last(network: nn.Module, where: str) -> nn.Linear:
    """The last linear layer, with nothing in its place. Raises ConfigError for a network that has none where they are looked for."""
    for name in LAST:
        place: Any = getattr(network, name, None)
        inside = [(owner, child) for owner in ([place] if place is not None else []) for child in dict(owner.named_children())]
        if isinstance(place, nn.Linear):
            setattr(network, name, nn.Identity())
            return place
        for owner, child in reversed(inside):
            found = getattr(owner, child)
            if isinstance(found, nn.Linear):
                setattr(owner, child, nn.Identity())
                return found
    raise ConfigError("the network has no last linear layer", where=where, why=f"looked for {', '.join(LAST)}", fix="take another model")


class Transformers(NetworkExtractor):
    """CLIP (its projected picture), DINOv2 and others (the pooled output, else the first token) from a folder."""

    options: TransformersOptions

    def load_network(self) -> tuple[nn.Module, str, Path]:
        """The network of the folder; its own code is never run. Raises ConfigError for a folder that has no weights."""
        folder = Path(self.options.folder).expanduser()
        where = f"features.folder: {self.options.folder}"
        weights = folder / "model.safetensors"
        if not (folder / "config.json").is_file() or not weights.is_file():
            why = f"there is no {'config.json' if not (folder / 'config.json').is_file() else 'model.safetensors'}"
            raise ConfigError("the folder holds no network", where=where, why=why, fix="write it by save_pretrained of transformers")
        try:
            from transformers import AutoModel

            network = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False)
        except FOREIGN as error:
            fix = "pip install 'trainwright[huggingface]'" if isinstance(error, ImportError) else "name a folder of a vision network"
            raise ConfigError("the network cannot be loaded", where=where, why=describe_failure(error), fix=fix) from error
        self._take_preparation(folder, network)
        return network, f"transformers {network.config.model_type}", weights

    def _take_preparation(self, folder: Path, network: Any) -> None:
        """Size, mean and deviation as preprocessor_config.json has them, else the size of the configuration."""
        inner = getattr(network.config, "vision_config", network.config)
        found = read_json(folder / "preprocessor_config.json") or {}
        self.size = guess_size(found.get("crop_size") or found.get("size") or getattr(inner, "image_size", None))
        self.mean, self.std = tuple(found.get("image_mean") or self.mean), tuple(found.get("image_std") or self.std)

    def network_features(self, pictures: Tensor) -> Tensor:
        """The features of pictures alone, also of a network that takes texts too."""
        given = self.call.get_image_features if hasattr(self.call, "get_image_features") else self.call
        found = given(pixel_values=pictures)
        if isinstance(found, Tensor):
            return found
        pooled: Tensor | None = getattr(found, "image_embeds", None)
        pooled = getattr(found, "pooler_output", None) if pooled is None else pooled
        return found.last_hidden_state if pooled is None else pooled
