"""What makes features of pictures, signals and vectors, by which sets of them are compared: a table by name. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainwright.config.domains import PartTable
from trainwright.config.model import PartConfig
from trainwright.config.part import Part


class PixelsOptions(PartConfig):
    """The values themselves, for smoke tests: what is near in them need not look alike."""

    type: str = "pixels"


class PCAOptions(PartConfig):
    """Principal components of the training rows, without a network."""

    type: str = "pca"
    components: int = Field(default=64, ge=1, le=4096)
    """How many; fewer where the rows have no more."""
    rows: int = Field(default=2000, ge=2)
    """Training rows that they are of, spread evenly over all."""
    standardize: bool = False
    """Divide each value by its deviation first, for vectors whose values have different units."""


class ClassifierOptions(PartConfig):
    """The last hidden layer of a small network that is trained on the classes of the training rows, once, and kept."""

    type: str = "classifier"
    layers: list[int] = Field(default=[128, 64], min_length=1, max_length=8)
    """Widths of the layers; the last one is how many features there are."""
    network: Literal["auto", "mlp", "convolutional"] = "auto"
    """`auto`: convolutions for pictures and signals of more than 1,024 values, else layers of the values themselves."""
    steps: int = Field(default=1000, ge=1)
    """Updates that it is trained for."""
    batch_size: int = Field(default=128, ge=1)
    """Rows of an update."""
    rows: int = Field(default=20_000, ge=2)
    """Training rows that it is trained on, spread evenly over all."""
    held_back: float = Field(default=0.1, gt=0, lt=1)
    """Share of these that are not trained on, and tell how often it is right."""
    seed: int = Field(default=0, ge=0)
    """From which its first weights and the order of rows follow."""


class NetworkOptions(PartConfig):
    """How rows are made ready for a network that was trained on photographs."""

    resize: int | None = Field(default=None, ge=1)
    """Height and width that pictures are resized to (bicubic, antialiased); by default what the network was trained with."""
    mean: list[float] | None = Field(default=None, min_length=3, max_length=3)
    """Of red, green and blue in 0 … 1, taken away; by default what the network was trained with."""
    std: list[float] | None = Field(default=None, min_length=3, max_length=3)
    """By which they are divided then; by default what the network was trained with."""
    scaled: bool = False
    """Scale the features of each row to a norm of √numbers, as k-diffusion does for CLIP and DINOv2."""

    @model_validator(mode="after")
    def _divides(self) -> NetworkOptions:
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("a deviation in std is 0 or less: colours are divided by it")
        return self


class LibraryOptions(NetworkOptions):
    """A network of a library by name, with weights from a file."""

    model: str = Field(min_length=1)
    """Its name in the library: `inception_v3`, `vit_small_patch14_dinov2.lvd142m`."""
    weights: str = Field(min_length=1)
    """A safetensors file of its weights; nothing is downloaded."""


class TimmOptions(LibraryOptions):
    """A network of timm (Inception, CLIP, DINOv2 and some thousand others)."""

    type: str = "timm"


class TorchvisionOptions(LibraryOptions):
    """A network of torchvision."""

    type: str = "torchvision"


class TransformersOptions(NetworkOptions):
    """A vision network of transformers, such as CLIP and DINOv2, from a folder."""

    type: str = "transformers"
    folder: str = Field(min_length=1)
    """A folder with config.json and model.safetensors, as `save_pretrained` writes it; nothing is downloaded."""


_FITTED = "trainwright.metrics.extractors.components"
_NETWORKS = "trainwright.metrics.extractors.libraries"

PARTS = PartTable(
    "feature_extractor",
    {
        "pixels": Part("trainwright.metrics.extractor:Pixels", PixelsOptions, "the values themselves, for smoke tests"),
        "pca": Part(f"{_FITTED}:PCA", PCAOptions, "principal components of the training rows"),
        "classifier": Part(
            "trainwright.metrics.extractors.classifier:Classifier", ClassifierOptions, "a small network trained on the rows' classes"
        ),
        "timm": Part(f"{_NETWORKS}:Timm", TimmOptions, "a network of timm with weights from a file"),
        "torchvision": Part(f"{_NETWORKS}:Torchvision", TorchvisionOptions, "a network of torchvision with weights from a file"),
        "transformers": Part(f"{_NETWORKS}:Transformers", TransformersOptions, "CLIP, DINOv2 and others of transformers, from a folder"),
    },
)
"""Registry name → what makes features."""
