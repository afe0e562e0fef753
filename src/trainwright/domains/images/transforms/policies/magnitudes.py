"""From a magnitude to the argument of an operation, as timm and as torchvision have it. Imports no torch.

Of timm's operations those whose name ends in `Increasing` change more with a higher level; of the others `Posterize` keeps fewer bits at a
lower level (none at all below 2.5, which makes a black picture) and the enhancers go one way alone. That is kept, since a string means what
timm makes of it.
"""

from __future__ import annotations

from collections.abc import Callable

TEN = 10.0
SHIFT = 0.45
"""The share of a side that TranslateRel moves at level 10; through `--aa augmix…` timm has 0.3."""


def _fraction(level: float) -> float:
    return level / TEN


def _posterize(level: float) -> int:
    return int(_fraction(level) * 4)


def _solarize(level: float) -> int:
    return min(256, int(_fraction(level) * 256))


def _enhance(level: float, sign: float) -> float:
    return _fraction(level) * 1.8 + 0.1


def _enhance_more(level: float, sign: float) -> float:
    return max(0.1, 1.0 + sign * (_fraction(level) * 0.9))


def _between(level: float, low: float, high: float) -> float:
    return max(low, min(high, low + (high - low) * _fraction(level)))


LEVELS: dict[str, Callable[[float, float], float]] = {
    "Rotate": lambda level, sign: sign * (_fraction(level) * 30.0),
    "ShearX": lambda level, sign: sign * (_fraction(level) * 0.3),
    "ShearY": lambda level, sign: sign * (_fraction(level) * 0.3),
    "TranslateXRel": lambda level, sign: sign * (_fraction(level) * SHIFT),
    "TranslateYRel": lambda level, sign: sign * (_fraction(level) * SHIFT),
    "Posterize": lambda level, sign: _posterize(level),
    "PosterizeIncreasing": lambda level, sign: 4 - _posterize(level),
    "PosterizeOriginal": lambda level, sign: _posterize(level) + 4,
    "Solarize": lambda level, sign: _solarize(level),
    "SolarizeIncreasing": lambda level, sign: 256 - _solarize(level),
    "SolarizeAdd": lambda level, sign: min(128, int(_fraction(level) * 110)),
    "Desaturate": lambda level, sign: _between(level, 0.5, 1.0),
    "GaussianBlur": lambda level, sign: _between(level, 0.1, 2.0),
    "GaussianBlurRand": lambda level, sign: _between(level, 0.0, 1.0),
    **dict.fromkeys(("Color", "Contrast", "Brightness", "Sharpness"), _enhance),
    **{f"{name}Increasing": _enhance_more for name in ("Color", "Contrast", "Brightness", "Sharpness")},
}
"""Operation → its argument at a level (0 to 10 or `mmax`) with a sign (1 or -1); AutoContrast, Equalize and Invert take none."""


def argument_at(name: str, level: float, sign: float = 1.0) -> float:
    """The argument of one of timm's operations; 0 where it takes none."""
    return LEVELS[name](level, sign) if name in LEVELS else 0.0


Space = dict[str, tuple[list[float] | None, bool]]
"""Operation → its magnitudes, one per bin (None: it takes none), and whether the sign is drawn."""
ENHANCERS = ("Brightness", "Color", "Contrast", "Sharpness")


def linear(first: float, last: float, bins: int) -> list[float]:
    """`bins` numbers from the first to the last."""
    return [first + (last - first) * place / (bins - 1) for place in range(bins)] if bins > 1 else [first]


def bits(first: int, lost: int, bins: int) -> list[float]:
    """Bits that posterize keeps at each bin, from `first` to `lost` fewer, halves rounded to even."""
    return [float(first - round(place / ((bins - 1) / lost))) for place in range(bins)] if bins > 1 else [float(first)]


def rand_space(bins: int, height: int, width: int) -> Space:
    """torchvision's RandAugment: 14 operations, doing nothing among them."""
    return {"Identity": (None, False), **_usual_space(bins, height, width, 150.0 / 331.0, 0.9)}


def auto_space(height: int, width: int) -> Space:
    """torchvision's AutoAugment: ten bins, and Invert."""
    return {**_usual_space(10, height, width, 150.0 / 331.0, 0.9), "Invert": (None, False)}


def wide_space(bins: int) -> Space:
    """torchvision's TrivialAugmentWide, whose shifts are in pixels whatever the size."""
    signed = {"ShearX": 0.99, "ShearY": 0.99, "TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0, **dict.fromkeys(ENHANCERS, 0.99)}
    return {
        "Identity": (None, False),
        **{name: (linear(0.0, most, bins), True) for name, most in signed.items()},
        "Posterize": (bits(8, 6, bins), False),
        "Solarize": (linear(1.0, 0.0, bins), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
    }


def mix_space(height: int, width: int, bins: int = 10, all_ops: bool = True) -> Space:
    """torchvision's AugMix; the enhancers are those that `all_ops` adds."""
    usual = _usual_space(bins, height, width, 1.0 / 3.0, 0.9)
    usual["Posterize"] = (bits(4, 4, bins), False)
    return {name: each for name, each in usual.items() if all_ops or name not in ENHANCERS}


def _usual_space(bins: int, height: int, width: int, shift: float, enhance: float) -> Space:
    return {
        "ShearX": (linear(0.0, 0.3, bins), True),
        "ShearY": (linear(0.0, 0.3, bins), True),
        "TranslateX": (linear(0.0, shift * width, bins), True),
        "TranslateY": (linear(0.0, shift * height, bins), True),
        "Rotate": (linear(0.0, 30.0, bins), True),
        **{name: (linear(0.0, enhance, bins), True) for name in ENHANCERS},
        "Posterize": (bits(8, 4, bins), False),
        "Solarize": (linear(1.0, 0.0, bins), False),
        "AutoContrast": (None, False),
        "Equalize": (None, False),
    }
