"""What timm records of a model and its published weights, and which models there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from trainwright.config.errors import ConfigError, RequestError, nearest
from trainwright.config.vision_libraries import import_timm, import_torchvision
from trainwright.domains.images.preprocessing import Preprocessing, Resize

MODES: dict[str, Resize] = {"center": "crop", "squash": "stretch", "border": "pad"}
"""timm's `crop_mode` → `resize` of a column."""
SHOWN = 5


def check_name(name: str) -> None:
    """Raises ConfigError for a name that timm does not know, naming the closest ones."""
    timm = import_timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise ConfigError(
            f"timm has no model '{architecture}'", where="encoder.name", fix=closest(architecture, timm.list_models(), "timm")
        )
    tags = [each.partition(".")[2] for each in timm.list_pretrained(architecture)]
    if tag and tag not in tags:
        fix = f"they are: {', '.join(tags[:SHOWN])}" if tags else f"leave it out: {architecture}"
        close = nearest(tag, tags)
        fix = f"did you mean {architecture}.{close}? {fix}" if close else fix
        raise ConfigError(f"timm knows no weights '{tag}' of {architecture}", where="encoder.name", fix=fix)


def closest(name: str, names: Iterable[str], library: str) -> str:
    """The names of a library that are most like one that it does not have; how to list them where none is."""
    folded = name.lower().replace("-", "_")
    found = get_close_matches(folded, list(names), n=SHOWN, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else f"trainwright list model.{library} '{folded[:4]}*' shows some"


def record_of(name: str) -> Mapping[str, Any]:
    """timm's record of a model's weights; raises ConfigError for a model that it does not know."""
    check_name(name)
    record = import_timm().get_pretrained_cfg(name, allow_unregistered=False)
    return {} if record is None else record.to_dict()


def preprocessing_of(name: str, overlay: Mapping[str, Any]) -> Preprocessing:
    """How the pictures were prepared that the weights of a model were trained with, with what `overlay` says otherwise.

    Raises ConfigError for values that are none.
    """
    record = {**record_of(name), **overlay}
    try:
        channels, height, width = record.get("input_size", (3, 224, 224))
        mean, std = (tuple(float(each) for each in _listed(record.get(key, usual), channels)) for key, usual in USUAL.items())
        resize = MODES[record.get("crop_mode", "center")]
        kept = float(record.get("crop_pct") or 0.875)
        return Preprocessing((height, width), mean, std, record.get("interpolation", "bicubic"), resize, kept)
    except (KeyError, TypeError, ValueError) as error:
        fix = "as timm has them: {input_size: [3, 224, 224], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], crop_mode: center, crop_pct: 0.9}"
        raise ConfigError(
            "these are no values of timm's record", where="encoder.pretrained_cfg_overlay", why=str(error), fix=fix
        ) from error


USUAL = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def _listed(value: Any, channels: int) -> Sequence[float]:
    return value if isinstance(value, Sequence) else [value] * channels


def list_names(pattern: str = "", pretrained: bool = False) -> list[str]:
    """The models of timm that fit a pattern (`resnet*`), with the tags of their weights where those alone are asked for."""
    timm = import_timm()
    names = timm.list_pretrained() if pretrained else timm.list_models()
    return _fitting(names, pattern, "timm")


def list_torchvision(pattern: str = "", pretrained: bool = False) -> list[str]:
    """The models of whole pictures of torchvision that fit a pattern; all of them have weights."""
    return _fitting(torchvision_names(), pattern, "torchvision")


def torchvision_names() -> list[str]:
    """The models of whole pictures that torchvision has; the detection and segmentation ones are no encoders."""
    import_torchvision()
    from torchvision import models

    return list(models.list_models(module=models))


def _fitting(names: Sequence[str], pattern: str, library: str) -> list[str]:
    found = [each for each in names if not pattern or fnmatchcase(each, pattern) or fnmatchcase(each.partition(".")[0], pattern)]
    if not found:
        fix = closest(pattern.strip("*?"), names, library)
        raise RequestError(f"no model of {library} fits '{pattern}'", where=f"trainwright list model.{library}", fix=fix)
    return found
