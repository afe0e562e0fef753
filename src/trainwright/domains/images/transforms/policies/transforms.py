"""Policies as transforms of pictures: drawn numbers → operations → a picture, its mask and its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.domains.images.transforms.base import PictureTransform
from trainwright.domains.images.transforms.policies.operations import apply_steps, blend_chains, blend_one_by_one, box_steps, mask_steps
from trainwright.domains.images.transforms.policies.options import AugmixOptions, PolicyConfig
from trainwright.domains.images.transforms.policies.plans import AutoPlan, BinnedMixPlan, BinnedPlan, LevelMixPlan, Plan, RandPlan, WidePlan
from trainwright.domains.images.transforms.policies.strings import AutoPolicy, parse_auto, parse_mix, parse_rand

IGNORED = -100
"""What comes in at the edges of a mask: no class."""
IGNORED_BYTE = 255
"""The same in a mask of bytes, as files have it."""


class Policy(PictureTransform):
    """Operations that follow from the drawn numbers, on a gray or RGB picture `(c, h, w)` in uint8; masks and boxes follow its geometry."""

    def __init__(self, options: PolicyConfig) -> None:
        super().__init__(options)
        self.plan, self.fill = self.planned(options), options.edges
        self.numbers = self.plan.numbers

    def planned(self, options: Any) -> Plan:
        """What the numbers mean."""
        raise NotImplementedError

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        """The operations in order, with Pillow's kernels. Raises DataError for pictures that are neither gray nor RGB."""
        return apply_steps(picture, self.plan.steps(drawn, *picture.shape[-2:]), self.fill)

    def mask(self, mask: Tensor, drawn: Sequence[float]) -> Tensor:
        """The operations that move pixels, each from the nearest one; what comes in is ignored."""
        fill = IGNORED_BYTE if mask.dtype == torch.uint8 else IGNORED
        return mask_steps(mask, self.plan.steps(drawn, *mask.shape), fill)

    def boxes(self, boxes: Tensor, size: tuple[int, int], drawn: Sequence[float]) -> Tensor:
        """Boxes `(n, 4)` round what the operations make of their corners."""
        return box_steps(boxes, self.plan.steps(drawn, *size), *size)


class RandAugment(Policy):
    """RandAugment of timm's string, or of torchvision's numbers."""

    def planned(self, options: Any) -> Plan:
        if options.policy:
            return RandPlan(parse_rand(options.policy), options.resample)
        return BinnedPlan(options.num_ops, options.magnitude, options.num_magnitude_bins, options.resample)


class AutoAugment(Policy):
    """AutoAugment by the name of its policy."""

    def planned(self, options: Any) -> Plan:
        return AutoPlan(parse_auto(options.policy), options.resample)


class ThreeAugment(Policy):
    """timm's policy `3a`."""

    def planned(self, options: Any) -> Plan:
        return AutoPlan(AutoPolicy("3a"), options.resample)


class TrivialAugment(Policy):
    """torchvision's TrivialAugmentWide."""

    def planned(self, options: Any) -> Plan:
        return WidePlan(options.num_magnitude_bins, options.resample)


class AutoAugmentation(Policy):
    """One of torchvision's policies, with its numbers."""

    def planned(self, options: Any) -> Plan:
        if options.method == "auto_augment":
            return AutoPlan(AutoPolicy("imagenet"), options.resample)
        return WidePlan(31, options.resample) if options.method == "trivial_augment" else BinnedPlan(2, 9, 31, options.resample)


class Augmix(PictureTransform):
    """AugMix of timm's string, or of torchvision's numbers; several geometries are mixed, so a mask stays that of the picture."""

    def __init__(self, options: AugmixOptions) -> None:
        super().__init__(options)
        self.fill, self.blended = options.edges, False
        if options.policy:
            policy = parse_mix(options.policy)
            self.plan: LevelMixPlan | BinnedMixPlan = LevelMixPlan(policy, options.resample)
            self.blended = policy.blended
        else:
            wide, deep = options.mixture_width, options.chain_depth
            self.plan = BinnedMixPlan(options.severity, wide, deep, options.alpha, options.all_ops, options.resample)
        self.numbers = self.plan.numbers

    def picture(self, picture: Tensor, drawn: Sequence[float]) -> Tensor:
        """The picture and its chains in their shares. Raises DataError for pictures that are neither gray nor RGB."""
        found = self.plan.mixed(drawn, *picture.shape[-2:])
        chains = [apply_steps(picture, each, self.fill) for each in found.chains]
        blend = blend_one_by_one if self.blended else blend_chains
        return blend(picture, chains, found.weights, found.share)
