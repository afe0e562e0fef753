"""A network that was trained on photographs, its weights from files: how rows are made ready for it, and its features."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trainwright.config.errors import FOREIGN, ConfigError, DataError
from trainwright.config.own_code import describe_failure
from trainwright.files.download import sha256_of
from trainwright.files.tensors import load_tensors
from trainwright.metrics.extractor import Extractor
from trainwright.metrics.extractors import NetworkOptions

log = logging.getLogger("trainwright.metrics")

AT_ONCE = 64
"""Pictures at once where features are computed, so that memory does not follow from the batch."""


class NetworkExtractor(Extractor):
    """Pictures (b, 1 or 3, h, w) → features: to 0 … 1, gray ones three times, resized (bicubic, antialiased), normalised, the network.

    A subclass loads the network, and says what it was trained with in `size`, `mean` and `std`.
    """

    size: int | None = None
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    head: nn.Linear | None = None
    """The layer that gives logits of classes of the features; None where there is none."""

    def __init__(self, options: NetworkOptions) -> None:
        self.options = options
        network, name, weights = self.load_network()
        self.size = options.resize or self.size
        self.mean = tuple(options.mean or self.mean)
        self.std = tuple(options.std or self.std)
        self.digest = sha256_of(weights)[:12]
        sized = "not resized" if self.size is None else f"resized to {self.size}×{self.size} bicubic antialiased"
        super().__init__(network.eval().requires_grad_(False), f"{name} (weights {self.digest}, {sized})")

    def load_network(self) -> tuple[nn.Module, str, Path]:
        """The network with its weights, its name and the file that they are from. Raises ConfigError."""
        raise NotImplementedError

    def network_features(self, pictures: Tensor) -> Tensor:
        """What the network gives for pictures that were made ready: maps, tokens or features."""
        found: Tensor = self.call(pictures)
        return found

    def make_ready(self, rows: Tensor) -> Tensor:
        """Pictures as the network was trained on. Raises DataError for rows that are no pictures of 1 or 3 channels."""
        if rows.dim() != 4 or rows.shape[1] not in (1, 3):
            fix = "take features: pca or classifier for other rows"
            raise DataError(f"{self.name} does not take rows of shape {tuple(rows.shape[1:])}", why="it takes pictures c×h×w", fix=fix)
        pictures = (rows.float() - self.low) / (self.high - self.low)
        pictures = pictures.clamp(0, 1).expand(-1, 3, -1, -1)
        if self.size is not None and tuple(pictures.shape[2:]) != (self.size, self.size):
            pictures = interpolate(pictures, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False)
        mean, std = (torch.tensor(each, device=pictures.device)[:, None, None] for each in (self.mean, self.std))
        return (pictures - mean) / std

    @torch.no_grad()
    def features(self, rows: Tensor) -> Tensor:
        """One row of features a picture: maps are averaged over positions, of tokens the first is taken."""
        first = next(self.call.parameters())
        try:
            found = torch.cat(
                [one_row_each(self.network_features(self.make_ready(part.to(first.device)))) for part in torch.split(rows, AT_ONCE)]
            )
        except FOREIGN as error:
            if isinstance(error, DataError):
                raise
            what = f"{self.name} fails on rows of shape {tuple(rows.shape[1:])}"
            raise ConfigError(what, where="features", why=describe_failure(error), fix="give the size it takes: resize") from error
        found = found.double()
        return found * (math.sqrt(found.shape[1]) / found.norm(dim=1, keepdim=True).clamp_min(1e-12)) if self.options.scaled else found

    @property
    def classes_known(self) -> bool:
        """Whether the file had the layer of classes."""
        return self.head is not None and not self.options.scaled

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor | None:
        """The softmax of the last layer, in float64."""
        if self.head is None or not self.classes_known:
            return None
        weight, bias = self.head.weight.double().cpu(), self.head.bias
        logits = features @ weight.T
        return (logits if bias is None else logits + bias.double().cpu()).softmax(1)

    def identity(self) -> str:
        """Its options, the values of black and white, and the digest of its weights."""
        made_ready = (self.size, self.mean, self.std, self.options.scaled, self.low, self.high)
        return f"{type(self).__name__} {getattr(self.options, 'model', '')} {made_ready} {self.digest}"


def one_row_each(found: Tensor) -> Tensor:
    """Maps (b, c, h, w) averaged over positions, the first of tokens (b, t, c), and features (b, c) as they are."""
    if found.dim() == 4:
        return found.mean((2, 3))
    return found[:, 0] if found.dim() == 3 else found


def read_weights(path: str) -> tuple[Path, dict[str, Tensor]]:
    """The tensors of a safetensors file. Raises ConfigError for what is none: nothing is unpickled, and nothing is downloaded."""
    file = Path(path).expanduser()
    where = f"features.weights: {path}"
    if not file.is_file():
        fix = "name a safetensors file that lies on this machine"
        raise ConfigError("there is no such file of weights", where=where, why="nothing is downloaded", fix=fix)
    if file.suffix != ".safetensors":
        why = "other files of weights can run code when they are read"
        raise ConfigError("weights are read from safetensors alone", where=where, why=why, fix="trainwright convert writes one")
    try:
        return file, load_tensors(file)
    except FOREIGN as error:
        raise ConfigError("the weights cannot be read", where=where, why=describe_failure(error), fix="write the file again") from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put weights into a network; those it has no place for are told. Raises ConfigError for any that lack, or have another shape."""
    own = network.state_dict()
    lacking = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    if lacking:
        why = f"it lacks {len(lacking)} of {len(own)} tensors: {', '.join(lacking[:3])}{', …' if len(lacking) > 3 else ''}"
        raise ConfigError("the weights are of another network", where=where, why=why, fix="name the model that they are of: model")
    wrong = next((name for name in own if name in tensors and tensors[name].shape != own[name].shape), None)
    if wrong is not None:
        why = f"{wrong} is {tuple(tensors[wrong].shape)} there and {tuple(own[wrong].shape)} in the network"
        raise ConfigError("the weights are of another network", where=where, why=why, fix="name the model that they are of: model")
    over = [name for name in tensors if name not in own]
    if over:
        log.info("%s: %d tensors have no place in the network: %s", where, len(over), ", ".join(over[:3]))
    network.load_state_dict({name: each for name, each in tensors.items() if name in own}, strict=False)


def guess_size(found: Any) -> int | None:
    """Height and width from a number, a mapping or a list of them, as libraries write it; None where they are not alike."""
    if isinstance(found, Mapping):
        found = [found[name] for name in ("height", "width", "shortest_edge") if name in found]
    sizes = {int(each) for each in (found if isinstance(found, list | tuple) else [found]) if each}
    return sizes.pop() if len(sizes) == 1 else None
