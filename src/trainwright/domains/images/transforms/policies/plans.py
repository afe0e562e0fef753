"""From uniform numbers to the operations of a policy, as many numbers for every picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.domains.images.transforms.policies.draws import Uniform, weighted_choices
from trainwright.domains.images.transforms.policies.magnitudes import (
    SHIFT,
    TEN,
    Space,
    argument_at,
    auto_space,
    mix_space,
    rand_space,
    wide_space,
)
from trainwright.domains.images.transforms.policies.operations import Step
from trainwright.domains.images.transforms.policies.strings import OF_DATASETS, AutoPolicy, MixPolicy, RandPolicy
from trainwright.domains.images.transforms.policies.tables import INCREASING, MIXED, PLAIN, POLICIES, THREE, WEIGHTED

RESAMPLES = ("bilinear", "bicubic")
"""What `random` draws among, for each operation."""
OF_LEVEL = 4
"""Numbers of an operation of timm's: magnitude, sign, resampling, radius."""
MIXED_SHIFT = 0.3 / SHIFT
"""Of `--aa augmix…` timm's shifts are 0.3 of the side at level 10."""
LEAST_RADIUS, MOST_RADIUS = 0.1, 2.0


@dataclass(frozen=True)
class Level:
    """How the operations of a policy of timm's are drawn."""

    deviation: float = 0.0
    highest: float = TEN
    interpolation: str = "random"

    def perhaps(self, name: str, chance: float, level: float, uniform: Uniform) -> Step | None:
        """An operation, or None where it is not applied; as many numbers are used either way."""
        applied, found = uniform.take() <= chance, self.step(name, level, uniform)
        return found if applied else None

    def step(self, name: str, level: float, uniform: Uniform) -> Step:
        """An operation about a level."""
        level = uniform.magnitude(level, self.deviation, self.highest)
        argument, resample = argument_at(name, level, uniform.sign()), RESAMPLES[uniform.below(2)]
        radius = uniform.take()
        if name == "GaussianBlurRand":
            argument = LEAST_RADIUS + radius * (MOST_RADIUS * argument - LEAST_RADIUS)
        return Step(name, argument, resample if self.interpolation == "random" else self.interpolation)


class Plan:
    """What operations a picture gets."""

    numbers: int = 0
    """How many uniform numbers of a sample are used."""

    def steps(self, numbers: Sequence[float], height: int, width: int) -> list[Step]:
        """The operations that these numbers mean for a picture of this size, in order."""
        raise NotImplementedError


class RandPlan(Plan):
    """timm's RandAugment: `layers` operations, drawn with replacement, or by weight without."""

    def __init__(self, policy: RandPolicy, interpolation: str) -> None:
        self.policy = policy
        self.weights = WEIGHTED.get(policy.choices)
        plain = INCREASING if policy.increasing else PLAIN
        self.names = tuple(self.weights) if self.weights else THREE if policy.choices == "3a" else plain
        self.level = Level(policy.deviation, policy.highest, interpolation)
        self.numbers = policy.layers * (2 + OF_LEVEL)

    def steps(self, numbers: Sequence[float], height: int, width: int) -> list[Step]:
        """The chosen operations that are applied."""
        layers, uniform = self.policy.layers, Uniform(numbers)
        if self.weights is None:
            chosen = [uniform.below(len(self.names)) for _ in range(layers)]
        else:
            chosen = weighted_choices([uniform.take() for _ in range(layers)], list(self.weights.values()))
        drawn = [self.level.perhaps(self.names[each], self.policy.probability, self.policy.magnitude, uniform) for each in chosen]
        return [each for each in drawn if each is not None]


class AutoPlan(Plan):
    """AutoAugment: one of the sub-policies of a name."""

    def __init__(self, policy: AutoPolicy, interpolation: str) -> None:
        self.found = POLICIES[policy.name]
        self.binned = policy.name in OF_DATASETS
        self.level = Level(policy.deviation, TEN, interpolation)
        self.numbers = 1 + (1 + OF_LEVEL) * max(map(len, self.found))

    def steps(self, numbers: Sequence[float], height: int, width: int) -> list[Step]:
        """The operations of one sub-policy that are applied."""
        uniform = Uniform(numbers)
        chosen, space = self.found[uniform.below(len(self.found))], auto_space(height, width) if self.binned else {}
        drawn = []
        for name, chance, level in chosen:
            if self.binned:
                applied = uniform.take() <= chance
                step = binned_step(space, name, level or 0, uniform, self.level.interpolation)
                drawn.append(step if applied else None)
            else:
                drawn.append(self.level.perhaps(name, chance, level or 0, uniform))
        return [each for each in drawn if each is not None]


def binned_step(space: Space, name: str, place: int, uniform: Uniform, interpolation: str) -> Step:
    """An operation of torchvision's with the magnitude of a bin, its sign drawn; its argument as the operation takes it."""
    magnitudes, signed = space[name]
    sign = uniform.sign()
    magnitude = (magnitudes[place] if magnitudes else 0.0) * (sign if signed else 1.0)
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        return Step(name, 1.0 + magnitude)
    if name in ("TranslateX", "TranslateY"):
        return Step(name, -int(magnitude), interpolation)  # torchvision moves to the right, and by whole pixels
    return Step(name, magnitude * 255 if name == "Solarize" else magnitude, interpolation)


class BinnedPlan(Plan):
    """torchvision's RandAugment: operations with replacement, every one applied at one bin."""

    def __init__(self, operations: int, place: int, bins: int, interpolation: str) -> None:
        self.operations, self.place, self.bins, self.interpolation = operations, place, bins, interpolation
        self.numbers = 2 * operations

    def steps(self, numbers: Sequence[float], height: int, width: int) -> list[Step]:
        """The chosen operations."""
        uniform, space = Uniform(numbers), rand_space(self.bins, height, width)
        names = list(space)
        return [
            binned_step(space, names[uniform.below(len(names))], self.place, uniform, self.interpolation) for _ in range(self.operations)
        ]


class WidePlan(Plan):
    """TrivialAugmentWide: one operation at a bin that is drawn (Müller and Hutter 2021)."""

    numbers = 3

    def __init__(self, bins: int, interpolation: str) -> None:
        self.space, self.bins, self.interpolation = wide_space(bins), bins, interpolation

    def steps(self, numbers: Sequence[float], height: int, width: int) -> list[Step]:
        """The operation."""
        uniform, names = Uniform(numbers), list(self.space)
        name, place = names[uniform.below(len(names))], uniform.below(self.bins)
        return [binned_step(self.space, name, place, uniform, self.interpolation)]


@dataclass(frozen=True)
class Mixed:
    """What AugMix does to a picture."""

    chains: list[list[Step]]
    weights: list[float]
    """Of the chains; they sum to 1."""
    share: float
    """Of the chains against the picture itself."""


DEEPEST = 3
"""Operations of a chain at most, where their number is drawn."""


class MixPlan:
    """AugMix: chains of operations, mixed with each other and with the picture."""

    def __init__(self, width: int, depth: int, alpha: float, of_step: int) -> None:
        self.width, self.depth, self.alpha = width, depth, alpha
        self.numbers = width + 2 + width * (1 + (depth if depth > 0 else DEEPEST) * of_step)

    def mixed(self, numbers: Sequence[float], height: int, width: int) -> Mixed:
        """Chains, their weights and their share, of a picture of this size."""
        uniform = Uniform(numbers)
        weights, share = uniform.dirichlet(self.alpha, self.width), uniform.dirichlet(self.alpha, 2)[0]
        chains = []
        for _ in range(self.width):
            drawn = 1 + uniform.below(DEEPEST)
            steps = [self.step(uniform, height, width) for _ in range(self.depth if self.depth > 0 else DEEPEST)]
            chains.append(steps if self.depth > 0 else steps[:drawn])
        return Mixed(chains, weights, share)

    def step(self, uniform: Uniform, height: int, width: int) -> Step:
        """One operation of a chain."""
        raise NotImplementedError


class LevelMixPlan(MixPlan):
    """timm's AugMix."""

    def __init__(self, policy: MixPolicy, interpolation: str) -> None:
        super().__init__(policy.width, policy.depth, policy.alpha, 1 + OF_LEVEL)
        self.policy, self.level = policy, Level(policy.deviation, TEN, interpolation)

    def step(self, uniform: Uniform, height: int, width: int) -> Step:
        name = MIXED[uniform.below(len(MIXED))]
        found = self.level.step(name, self.policy.magnitude, uniform)
        return Step(name, found.argument * MIXED_SHIFT, found.resample) if name.startswith("Translate") else found


class BinnedMixPlan(MixPlan):
    """torchvision's AugMix."""

    def __init__(self, severity: int, width: int, depth: int, alpha: float, all_ops: bool, interpolation: str) -> None:
        super().__init__(width, depth, alpha, 3)
        self.severity, self.all_ops, self.interpolation = severity, all_ops, interpolation

    def step(self, uniform: Uniform, height: int, width: int) -> Step:
        space = mix_space(height, width, all_ops=self.all_ops)
        names = list(space)
        name, place = names[uniform.below(len(names))], uniform.below(self.severity)
        return binned_step(space, name, place, uniform, self.interpolation)
