"""A small network that is trained on the classes of the training rows, whose last hidden layer gives features."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from trainwright.config.errors import DataError
from trainwright.metrics.extractor import FittedExtractor, spread_over
from trainwright.metrics.extractors import ClassifierOptions

log = logging.getLogger("trainwright.metrics")

MLP_VALUES = 1024
"""Values of a row up to which `auto` takes layers of the values themselves."""
RATE, DECAY = 1e-3, 0.1
"""Learning rate at the beginning (it falls as a cosine to 0), and weight decay, of AdamW."""
AT_ONCE = 64
"""Rows at once where features are computed; always as many, so that they do not depend on the batch."""


class Classifier(FittedExtractor):
    """Trained once, the same for the same rows, options and seed; float32 on the CPU."""

    fits = "classes"
    options: ClassifierOptions

    def learn(self, rows: Tensor, classes: Tensor | None) -> dict[str, Tensor]:
        """Train on up to `rows` training rows. Raises DataError for rows of fewer than two classes."""
        if classes is None or len(torch.unique(classes)) < 2:
            there = "no classes" if classes is None else "one class"
            fix = "take features: pca; or condition the system on a column of classes"
            raise DataError(f"a classifier cannot be trained on {there}", where="features: classifier", fix=fix)
        chosen = list(spread_over(len(rows), self.options.rows))
        rows, classes = rows[chosen].float(), classes[chosen].long()
        count = int(classes.max()) + 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            order = torch.randperm(len(rows))
            held = max(1, round(self.options.held_back * len(rows)))
            back, trained = order[:held], order[held:]
            center, scale = rows[trained].mean(), rows[trained].std().clamp_min(1e-12)
            network = make_network(self.options, tuple(rows.shape[1:]), count)
            train_classifier(network, (rows[trained] - center) / scale, classes[trained], self.options)
        found = {"shape": torch.tensor(rows.shape[1:]), "center": center, "scale": scale, "classes": torch.tensor(count)}
        found |= {f"network.{name}": each for name, each in network.state_dict().items()}
        right = (network((rows[back] - center) / scale).argmax(1) == classes[back]).double().mean()
        return found | {"right": right, "held_back": torch.tensor(held)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what was learnt."""
        super().load(tensors)
        count, right = int(tensors["classes"]), float(tensors["right"])
        with torch.device("meta"):  # so that no first weights are drawn, which would change what is drawn later
            network = make_network(self.options, tuple(tensors["shape"].tolist()), count)
        prefix = "network."
        weights = {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
        network.load_state_dict(weights, assign=True)
        self.call = network.eval().requires_grad_(False)
        kind = "convolutional" if isinstance(network[0], Convolutions) else "mlp"
        self.name = f"classifier ({kind} of {count} classes, right on {right:.1%} of {int(tensors['held_back']):,} rows held back)"
        if right < 1.5 / count:
            log.warning("%s: it tells classes apart hardly better than by chance, so that its features mean little", self.name)

    def to(self, device: torch.device) -> None:
        """It stays on the CPU, so that its features are those of every device."""

    @torch.no_grad()
    def apply(self, rows: Tensor) -> Tensor:
        """The last hidden layer."""
        ready = (rows.float() - self.tensors["center"]) / self.tensors["scale"]
        return torch.cat([self.call[:-1](part) for part in torch.split(ready, AT_ONCE)])

    @property
    def classes_known(self) -> bool:
        """It is a classifier."""
        return True

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """The softmax of its last layer, in float64."""
        head = self.call[-1]
        return (features @ head.weight.double().T + head.bias.double()).softmax(1)


class Convolutions(nn.Module):
    """Pictures (b c h w), or signals (b c t): a convolution for each width, every one after the first halving the size; then the mean."""

    def __init__(self, channels: int, widths: list[int], dimensions: int) -> None:
        super().__init__()
        kind = nn.Conv1d if dimensions == 1 else nn.Conv2d
        layers: list[nn.Module] = []
        for place, width in enumerate(widths):
            layers += [
                kind(channels, width, 3, padding=1, stride=1 if place == 0 else 2),
                nn.GroupNorm(math.gcd(8, width), width),
                nn.ReLU(),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows → features (rows, numbers)."""
        found: Tensor = self.layers(rows)
        return found.flatten(2).mean(2)


def make_network(options: ClassifierOptions, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """Rows of a shape → the logits of classes; all but its last layer give the features."""
    values, widths = math.prod(shape), options.layers
    convolutional = options.network == "convolutional" or (options.network == "auto" and values > MLP_VALUES)
    if convolutional and len(shape) in (2, 3):
        return nn.Sequential(Convolutions(shape[0], sorted(widths), len(shape) - 1), nn.Linear(max(widths), classes))
    layers: list[nn.Module] = [nn.Flatten()]
    for before, width in zip([values, *widths], widths, strict=False):
        layers += [nn.Linear(before, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def train_classifier(network: nn.Sequential, rows: Tensor, classes: Tensor, options: ClassifierOptions) -> None:
    """AdamW over batches in an order that follows from torch's generator."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    with torch.enable_grad():
        for _ in range(options.steps):
            chosen = torch.randint(len(rows), (min(options.batch_size, len(rows)),))
            optimizer.zero_grad()
            torch.autograd.backward(cross_entropy(network(rows[chosen]), classes[chosen]))
            optimizer.step()
            schedule.step()
