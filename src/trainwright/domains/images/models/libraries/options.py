"""Options of encoders that are models of timm or torchvision. Imports neither of them, nor torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveInt, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.domains.images.preprocessing import Preprocessing
from trainwright.features.options import FeatureConfig
from trainwright.weights.options import StartingWeights

log = logging.getLogger("trainwright.models")

OF_DATA = {
    "num_classes": "leave it out: how many classes there are is seen in the column that is predicted",
    "in_chans": "leave it out: it follows from the pictures; `channels` of their column says otherwise",
    "in_channels": "leave it out: it follows from the pictures; `channels` of their column says otherwise",
    "img_size": "leave it out: it is `size` of the column",
    "scriptable": "leave it out: `trainer.modes.compile`",
    "exportable": "leave it out: trainwright export RUN",
    "cache_dir": "leave it out: name the file, weights: FILE",
    "layer_decay": "it is `trainer.parameters.layer_decay`",
}
"""Arguments of timm's `create_model` that follow from the data or are options elsewhere."""


class LibraryOptions(PartConfig):
    """What models of a library have in common."""

    of_others: ClassVar[dict[str, str]] = OF_DATA
    member: ClassVar[str] = "name"
    """The option that `FAMILY/NAME` gives."""
    for_columns: ClassVar[str] = "image"
    """The type of column that `model: FAMILY/NAME` is the encoder of."""
    listed: ClassVar[str] = ""
    """The function of (pattern, whether with weights alone) that gives the names there are."""

    type: str
    name: str = Field(min_length=1)
    """The model, as the library calls it."""
    weights: StartingWeights | None = None
    """What it begins with: a file, a run, `timm/NAME` or `hf/ORG/NAME` in a cache of this machine; its head is left out, a stem of other
    channels and positions of another size are made to fit."""
    model_kwargs: dict[str, Any] = {}
    """Further keyword arguments of the model, as the library has them."""

    def preprocessing(self) -> Preprocessing | None:
        """How the pictures were prepared that the weights were trained with; None without weights."""
        return None

    def settle_column(self, options: FeatureConfig) -> FeatureConfig:
        """The options of a column that this encodes, with what its weights want where nothing is said; kept with the run."""
        known = self.preprocessing()
        if known is None:
            return options
        wanted = {
            "size": list(known.size),
            "normalize": {"mean": list(known.mean), "std": list(known.std)},
            "interpolation": known.interpolation,
            "resize": known.resize,
            "crop_pct": known.crop_pct,
        }
        open_to = type(options).model_fields.keys() - options.model_fields_set
        unsaid = {name: value for name, value in wanted.items() if name in open_to}
        if unsaid:
            said = "the weights of %s were trained with pictures of %s; what of it nobody said otherwise is done here too"
            log.info(said, self.name, known.in_words())
        return type(options).model_validate({**options.model_dump(exclude_unset=True), **unsaid}) if unsaid else options


class TimmOptions(LibraryOptions):
    """A model of timm by its name, whole or as maps of several scales."""

    other_words: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("checkpoint_path", "pretrained_path", "initial_checkpoint"), "weights"),
        "drop": "drop_rate",
        "drop_path": "drop_path_rate",
        "gp": "global_pool",
        "model": "name",
    }

    listed: ClassVar[str] = "trainwright.domains.images.models.libraries.records:list_names"

    type: str = "timm"
    name: str = Field(min_length=1)
    """A name of `trainwright list model.timm`, as `resnet18`, or with the tag of its weights: `resnet18.a1_in1k`."""
    pretrained: bool = False
    """Begin with the weights that timm publishes, from a cache on this machine; `weights: {source: …, download: true}` fetches them."""
    pretrained_cfg_overlay: dict[str, Any] = {}
    """What is different from timm's record of the weights: `file` is a file of them, and mean, std, input_size, interpolation, crop_pct."""
    drop_rate: float = Field(default=0.0, ge=0, lt=1)
    """Share of the vector before the head that is zeroed in training."""
    drop_path_rate: float | None = Field(default=None, ge=0, lt=1)
    """Share of rows whose block is left out in training, rising from 0 to this over the blocks; default: the model's own."""
    global_pool: str | None = None
    """How the last map becomes a vector: `avg`, `max`, `avgmax`, `token` …; default: the model's own."""
    features_only: bool = False
    """Give maps of several scales, for a target that is a mask; a vector is then the mean of the last one."""
    out_indices: list[int] | None = None
    """Which maps, from 0 for the largest; negative ones from the end; default: all."""
    dynamic_img_size: bool | None = None
    """Whether a vision transformer interpolates its positions for every picture, in place of once, for `size`."""

    @model_validator(mode="before")
    @classmethod
    def _overlay_of_weights(cls, data: Any) -> Any:
        """timm's record of weights names where they are: it says no more than `weights` does."""
        if not isinstance(data, dict) or not isinstance(data.get("pretrained_cfg_overlay"), Mapping):
            return data
        overlay = dict(data["pretrained_cfg_overlay"])
        sources = [str(each) for key in ("file", "url", "hf_hub_id") if (each := overlay.pop(key, None))]
        if not sources or data.get("weights"):
            return {**data, "pretrained_cfg_overlay": overlay}
        source = sources[0] if "file" in data["pretrained_cfg_overlay"] or "://" in sources[0] else f"hf/{sources[0]}"
        return {**data, "pretrained_cfg_overlay": overlay, "weights": source}

    @model_validator(mode="after")
    def _maps_are_asked_for(self) -> TimmOptions:
        if self.out_indices is not None and not self.features_only:
            raise as_refusal(ConfigError("out_indices chooses maps, and none are asked for", fix="features_only: true"))
        if self.features_only and self.global_pool:
            why = "the maps are given as they are"
            raise as_refusal(ConfigError("global_pool means nothing with features_only", why=why, fix="leave one of them out"))
        return self

    def preprocessing(self) -> Preprocessing | None:
        """How the pictures were prepared that the weights were trained with; None without weights. Imports timm."""
        if self.weights is None and not self.pretrained:
            return None
        from trainwright.domains.images.models.libraries.records import preprocessing_of

        return preprocessing_of(self.name, self.pretrained_cfg_overlay)


class TorchvisionOptions(LibraryOptions):
    """A model of torchvision by the name of its function; its classification models, each with its head left out."""

    listed: ClassVar[str] = "trainwright.domains.images.models.libraries.records:list_torchvision"

    type: str = "torchvision"
    name: str = Field(min_length=1)
    """A name of `trainwright list model.torchvision`, as `resnet50`."""
    size: PositiveInt | None = None
    """The side of the pictures that its weights were trained with, where that is not 224."""

    def preprocessing(self) -> Preprocessing | None:
        """ImageNet's, as all weights of torchvision have it; None without weights."""
        if self.weights is None:
            return None
        side = self.size or 224
        return Preprocessing((side, side), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", "crop", 0.875)
