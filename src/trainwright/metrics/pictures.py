"""How near predicted pictures are to the true ones: PSNR, SSIM, MS-SSIM, and LPIPS with a network of one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, DataError
from trainwright.metrics.extractor import make_extractor
from trainwright.metrics.pair_options import NetworkOptions, RangeOptions, SSIMOptions
from trainwright.metrics.pairs import PairMetric, RangedMetric

SIGMA, K1, K2 = 1.5, 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang, Simoncelli and Bovik 2003), from the finest."""
CHANNELS = (1, 3, 4)


class PSNR(RangedMetric):
    """Mean over pictures of 10 log10(data_range² / mean squared error), dB; infinite where a picture is exact."""

    kind, config = "psnr", RangeOptions

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        errors = (output - target).square().flatten(1).mean(1)
        return 10.0 * (self.options.data_range**2 / errors).log10()


class SSIM(RangedMetric):
    """Mean structural similarity (Wang et al. 2004, equation 13): Gaussian window, covariances of the population."""

    kind, config = "ssim", SSIMOptions
    options: SSIMOptions

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        one, other = (as_planes(each, self.name) - self.options.low for each in (output, target))
        self.ensure_size(one)
        full, _ = similarity(one, other, self.options)
        return full.flatten(1).mean(1)

    def ensure_size(self, planes: Tensor) -> None:
        """Raise DataError for pictures that are smaller than the window."""
        height, width = planes.shape[-2:]
        if min(height, width) < self.options.window:
            odd = max((min(height, width) - 1) // 2 * 2 + 1, 3)
            fix = f"a smaller window, which makes it another measure: {{type: ssim, window: {odd}}}"
            what = f"'{self.name}' needs pictures of {self.options.window} × {self.options.window} pixels or more"
            raise DataError(what, where=self.name, why=f"these are {height} × {width}", fix=fix)


class MSSSIM(SSIM):
    """Multi-scale SSIM (Wang, Simoncelli and Bovik 2003): five scales, each half of the one before; structure below 0 counts as 0."""

    kind, config = "ms_ssim", SSIMOptions

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        one, other = (as_planes(each, self.name) - self.options.low for each in (output, target))
        self.ensure_size(one)
        found = torch.ones(one.shape[:2], dtype=one.dtype, device=one.device)
        within = self.options.model_copy(update={"border": "valid"})  # of all scales but the last torchmetrics leaves the border out too
        for place, exponent in enumerate(SCALES):
            last = place == len(SCALES) - 1
            part = similarity(one, other, self.options)[0] if last else similarity(one, other, within)[1]
            found = found * part.flatten(2).mean(2).clamp_min(0) ** exponent
            one, other = (nn.functional.avg_pool2d(each, 2) for each in (one, other))
        return found.mean(1)

    def ensure_size(self, planes: Tensor) -> None:
        """Raise DataError for pictures whose smallest scale is smaller than the window."""
        least = (self.options.window - 1) * 2 ** (len(SCALES) - 1) + 1
        if min(planes.shape[-2:]) < least:
            what = f"'{self.name}' halves pictures four times, and needs {least} × {least} pixels or more"
            raise DataError(what, where=self.name, why=f"these are {planes.shape[-2]} × {planes.shape[-1]}", fix="measure ssim")


class LPIPS(PairMetric):
    """Learned perceptual distance (Zhang et al. 2018, equation 1) over the feature maps of a network of one's own.

    The network is given pictures as they are and gives a list of maps (b, c, h, w). Its attribute `heads`, a list of weights (c,) for
    each map, weighs the channels; without it all weigh alike, which is LPIPS of untrained heads.
    """

    kind, config, up = "lpips", NetworkOptions, False

    def __init__(self, options: Any = None, *, network: Any = None, **values: Any) -> None:
        """`network`: the module or function itself. Raises ConfigError where there is none."""
        super().__init__(options, **values)
        found = network or self.options.network
        if not found:
            what, why = "'lpips' needs a network of features", "none comes with Trainwright, and nothing is downloaded"
            fix = "name a module of your own that has its weights: {type: lpips, network: ./mine.py:Features}"
            raise ConfigError(what, where="metrics", why=why, fix=fix)
        self.network = make_extractor(found, "lpips")

    def each(self, output: Tensor, target: Tensor) -> Tensor:
        one, other = (self._maps(each.float()) for each in (output, target))
        heads = getattr(self.network.call, "heads", None) or [None] * len(one)
        total = torch.zeros(len(output), dtype=output.dtype, device=output.device)
        for first, second, weights in zip(one, other, heads, strict=True):
            apart = (unit(first) - unit(second)).square()
            weighed = apart.mean(1) if weights is None else torch.einsum("bchw,c->bhw", apart, weights.to(apart))
            total += weighed.flatten(1).mean(1).to(total.dtype)
        return total

    def _maps(self, pictures: Tensor) -> list[Tensor]:
        found = self.network.call_as_it_is(pictures)
        maps = list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, tuple | list) else [found]
        if not maps or any(not isinstance(each, Tensor) or each.dim() != 4 for each in maps):
            why = f"it gives {', '.join(str(tuple(each.shape)) if isinstance(each, Tensor) else type(each).__name__ for each in maps)}"
            raise ConfigError("the network of 'lpips' gives no feature maps", why=why, fix="let it return a list of tensors (b, c, h, w)")
        return maps


def unit(maps: Tensor) -> Tensor:
    """Feature maps with the vector at each position of length 1; zero stays zero."""
    return maps / maps.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10)


def as_planes(pictures: Tensor, name: str) -> Tensor:
    """Pictures as (b, channels, h, w); of (b, h, w, channels) too. Raises DataError for what has no height and width."""
    if pictures.dim() == 3:
        return pictures[:, None]
    if pictures.dim() != 4:
        why = f"a batch has shape {tuple(pictures.shape)}"
        fix = "give pictures as (rows, channels, height, width) or (rows, height, width); of flat rows, reshape them in the model"
        raise DataError(f"'{name}' is of pictures", where=name, why=why, fix=fix)
    last = pictures.shape[-1] in CHANNELS and pictures.shape[1] not in CHANNELS
    return pictures.movedim(-1, 1) if last else pictures


def similarity(one: Tensor, other: Tensor, options: SSIMOptions) -> tuple[Tensor, Tensor]:
    """The similarity at each position (b, c, h', w'), and its part without luminance: contrast and structure."""
    channels = one.shape[1]
    if options.border == "padded":
        one, other = (nn.functional.pad(each, [options.window // 2] * 4, mode="reflect") for each in (one, other))
    both = torch.cat([one, other, one * one, other * other, one * other], dim=1)
    mean1, mean2, square1, square2, product = torch.split(smooth(both, options.window), channels, dim=1)
    c1, c2 = (K1 * options.data_range) ** 2, (K2 * options.data_range) ** 2
    structure = (2 * (product - mean1 * mean2) + c2) / (square1 - mean1**2 + square2 - mean2**2 + c2)
    return (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1) * structure, structure


def smooth(planes: Tensor, window: int) -> Tensor:
    """Planes (b, c, h, w) under a Gaussian window with sum 1, where it lies within them."""
    offsets = torch.arange(window, dtype=planes.dtype, device=planes.device) - window // 2
    weights = (-(offsets**2) / (2 * SIGMA**2)).exp()
    weights = (weights / weights.sum()).expand(planes.shape[1], 1, -1)
    down = nn.functional.conv2d(planes, weights[..., None], groups=planes.shape[1])
    return nn.functional.conv2d(down, weights[:, :, None], groups=planes.shape[1])
