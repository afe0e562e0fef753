"""Models of other libraries by name: timm's, and torchvision's; neither is imported before a configuration names one. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.models.libraries"

PARTS: dict[str, Part] = {
    "timm": Part(f"{_HERE}.encoder:timm", f"{_HERE}.options:TimmOptions", "a model of timm by its name: timm/resnet18"),
    "torchvision": Part(
        f"{_HERE}.encoder:torchvision", f"{_HERE}.options:TorchvisionOptions", "a model of torchvision by its name: torchvision/resnet50"
    ),
}
