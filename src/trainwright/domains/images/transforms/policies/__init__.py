"""Policies: operations drawn at random, by the strings and numbers of timm and torchvision. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.transforms.policies"


def _part(name: str, summary: str) -> Part:
    return Part(f"{_HERE}.transforms:{name}", f"{_HERE}.options:{name}Options", summary)


PARTS: dict[str, Part] = {
    "rand_augment": _part("RandAugment", "a few operations drawn at random, by timm's string or torchvision's numbers"),
    "auto_augment": _part("AutoAugment", "a searched pair of operations: original, v0, imagenet, cifar10, svhn …"),
    "three_augment": _part("ThreeAugment", "solarised, gray or blurred (DeiT-III)"),
    "trivial_augment": _part("TrivialAugment", "one operation at a strength that is drawn"),
    "auto_augmentation": _part("AutoAugmentation", "one of torchvision's policies, by Ludwig's name"),
    "augmix": _part("Augmix", "chains of operations mixed with the picture"),
}
