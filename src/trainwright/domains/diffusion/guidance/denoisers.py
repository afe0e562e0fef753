"""Denoisers that are guided: called as any other, `guided(x, sigma, **extra_args)`, with what they are made of at `.denoiser`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError, nearest
from trainwright.domains.diffusion.guidance.calls import Conditions, denoise_each
from trainwright.domains.diffusion.guidance.rules import Linear, Rule, along, rescale_guided, rule_named

Denoises = Callable[..., Tensor]
Interval = tuple[float, float]

CONVENTIONS = {"imagen": 0.0, "original": 1.0}
"""What is added to a scale so that 1 guides nothing: u + w (c − u) of Imagen, c + w (c − u) of Ho and Salimans."""


class GuidedDenoiser(nn.Module):
    """A denoiser away from a worse one, by a rule, a scale, an interval of sigma, and φ of rescaling.

    Outside of the interval (lo, hi] (Kynkäänniemi et al. 2024) the better one is given as it is. On a CPU the worse one is then not asked;
    on a GPU it is, since looking at sigma would wait for the device.
    """

    def __init__(
        self, denoiser: Denoises, guidance: float | Tensor, interval: Interval | None, rescale: float, rule: str | Rule | None
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.guidance, self.interval, self.rescale, self.rule = (
            guidance,
            checked_interval(interval),
            checked_share(rescale),
            rule_named(rule),
        )
        if isinstance(guidance, float | int) and not math.isfinite(guidance):
            raise RequestError(f"guidance {guidance}", why="the scale is a number", fix="guidance=2.5; 1 guides nothing")

    def forward(self, x: Tensor, sigma: Tensor, **extra_args: Any) -> Tensor:
        """The guided prediction of the clean sample (b, …) at sigma (b,)."""
        if self._guides_nothing(sigma):
            made: Tensor = self.denoiser(x, sigma, **extra_args)
            return made
        better, worse = self.both(x, sigma, extra_args)
        guided = self.rule(better, worse, self._weights(x), x, sigma)
        if self.rescale:
            guided = rescale_guided(guided, better, self.rescale)
        if self.interval is None:
            return guided
        return torch.where(along((sigma > self.interval[0]) & (sigma <= self.interval[1]), x), guided, better)

    def both(self, x: Tensor, sigma: Tensor, extra_args: Conditions) -> Sequence[Tensor]:
        """The better and the worse prediction."""
        raise NotImplementedError

    def _weights(self, x: Tensor) -> Tensor:
        """The scale of each row (b,)."""
        return self.guidance.to(x).expand(len(x)) if isinstance(self.guidance, Tensor) else x.new_full((len(x),), self.guidance)

    def _guides_nothing(self, sigma: Tensor) -> bool:
        """Whether the better prediction is all that is needed, as far as that is known without waiting."""
        if isinstance(self.rule, Linear) and not isinstance(self.guidance, Tensor) and self.guidance == 1:
            return True
        if self.interval is None or sigma.device.type != "cpu" or torch.compiler.is_compiling():
            return False
        return not bool(((sigma > self.interval[0]) & (sigma <= self.interval[1])).any())


class CFGDenoiser(GuidedDenoiser):
    """Classifier-free guidance: from what is predicted when nothing is told to what is predicted under the conditions of the call.

    `unconditional` is what stands in for conditions to tell nothing: the null class, zeros. Both are asked in one call.
    The scale is that of Imagen, 1 guides nothing; `convention="original"` takes that of Ho and Salimans 2022, where 0 guides nothing.
    """

    def __init__(
        self,
        denoiser: Denoises,
        guidance: float | Tensor = 1.0,
        unconditional: Conditions | None = None,
        *,
        interval: Interval | None = None,
        rescale: float = 0.0,
        rule: str | Rule | None = None,
        convention: str = "imagen",
    ) -> None:
        """Raises RequestError where the interval is empty, a number makes no sense, or nothing is known to tell nothing by."""
        if convention not in CONVENTIONS:
            fix = f"did you mean '{nearest(convention, CONVENTIONS) or 'imagen'}'?"
            raise RequestError(f"no convention of guidance is called '{convention}'", why=f"there are {', '.join(CONVENTIONS)}", fix=fix)
        super().__init__(denoiser, guidance + CONVENTIONS[convention], interval, rescale, rule)
        self.unconditional = dict(unconditional or {})
        if not self.unconditional and not (isinstance(self.guidance, float | int) and self.guidance == 1):
            raise RequestError(
                "guidance without what tells nothing",
                why="a model that was trained without conditions, or without dropping them, has no other prediction to go away from",
                fix="give `unconditional`, as {'class_cond': null class}, or guidance=1; train with condition_dropout=0.1 to have it",
            )

    def both(self, x: Tensor, sigma: Tensor, extra_args: Conditions) -> Sequence[Tensor]:
        """The prediction under the conditions, and that under none."""
        check_told(self.unconditional, extra_args)
        return denoise_each(self.denoiser, x, sigma, [extra_args, {**extra_args, **self.unconditional}])


class AutoguidanceDenoiser(GuidedDenoiser):
    """Away from a smaller or less trained model: autoguidance (Karras et al. 2024, "Guiding … with a bad version of itself")."""

    def __init__(
        self,
        denoiser: Denoises,
        weaker: Denoises,
        guidance: float | Tensor = 1.0,
        *,
        interval: Interval | None = None,
        rescale: float = 0.0,
        rule: str | Rule | None = None,
    ) -> None:
        """`weaker` is told the same; raises RequestError where it is the denoiser itself, or a number or the interval makes no sense."""
        super().__init__(denoiser, guidance, interval, rescale, rule)
        if weaker is denoiser:
            raise RequestError(
                "autoguidance of a model by itself", why="they differ nowhere", fix="give an earlier checkpoint or a smaller model"
            )
        self.weaker = weaker

    def both(self, x: Tensor, sigma: Tensor, extra_args: Conditions) -> Sequence[Tensor]:
        """The prediction of the denoiser, and that of the weaker one."""
        return self.denoiser(x, sigma, **extra_args), self.weaker(x, sigma, **extra_args)


class ComposedDenoiser(nn.Module):
    """Several conditions at once: u + Σ wᵢ (cᵢ − u) (Liu et al. 2022, "Compositional visual generation", equation 11).

    A weight below 0 says "not this". All are asked in one call, and what that is told holds for all where they say nothing else.
    """

    def __init__(self, denoiser: Denoises, conditions: Sequence[tuple[Conditions, float]], unconditional: Conditions) -> None:
        """`conditions`: pairs of arguments of the denoiser and their weight. Raises RequestError where there is none."""
        super().__init__()
        if not conditions:
            raise RequestError("a composition of no conditions", fix="conditions=[({'class_cond': classes}, 2.0)]")
        self.denoiser, self.conditions, self.unconditional = denoiser, list(conditions), dict(unconditional)
        for each, _ in self.conditions:
            check_told(self.unconditional, each)

    def forward(self, x: Tensor, sigma: Tensor, **extra_args: Any) -> Tensor:
        """The composed prediction of the clean sample (b, …) at sigma (b,)."""
        sets = [self.unconditional, *(each for each, _ in self.conditions)]
        nothing, *told = denoise_each(self.denoiser, x, sigma, [{**extra_args, **self.unconditional, **each} for each in sets])
        return nothing + sum(((each - nothing) * weight for each, (_, weight) in zip(told, self.conditions, strict=True)), x.new_zeros(()))


class DynamicThresholdDenoiser(nn.Module):
    """Predictions kept in range: each row cut to a quantile of its absolute values and divided by it (Saharia et al. 2022).

    A row whose quantile is within `limit`, the largest value of the data, is cut to `limit`. Wrap it round what guides.
    """

    def __init__(self, denoiser: Denoises, percentile: float = 0.995, limit: float = 1.0) -> None:
        """Raises RequestError where the percentile is no share above 0, or the limit not above 0."""
        super().__init__()
        if not 0 < percentile <= 1:
            raise RequestError(f"dynamic thresholding at the share {percentile:g}", why="it is a share from 0 to 1", fix="percentile=0.995")
        if not limit > 0:
            raise RequestError(f"dynamic thresholding to {limit:g}", why="it is the largest value of the data", fix="limit=1")
        self.denoiser, self.percentile, self.limit = denoiser, percentile, limit

    def forward(self, x: Tensor, sigma: Tensor, **extra_args: Any) -> Tensor:
        """The prediction of the denoiser (b, …) within ±limit."""
        made = self.denoiser(x, sigma, **extra_args)
        largest = along(quantile_of_rows(made.flatten(1).abs(), self.percentile).clamp_min(self.limit), made)
        cut: Tensor = made.clamp(-largest, largest) * (self.limit / largest)
        return cut


def quantile_of_rows(values: Tensor, share: float) -> Tensor:
    """The quantile of each row (b,) of (b, n), linear between values as `torch.quantile`, which takes at most 16 million of them."""
    place = share * (values.shape[1] - 1)
    low = int(place)
    largest = values.topk(values.shape[1] - low, dim=1).values  # in falling order: the last is number `low`
    return torch.lerp(largest[:, -1], largest[:, max(-2, -largest.shape[1])], place - low)


def checked_interval(interval: Interval | None) -> Interval | None:
    """An interval of sigma (lo, hi] that is not empty."""
    if interval is not None and not 0 <= interval[0] < interval[1]:
        raise RequestError(
            f"guidance for sigma from {interval[0]:g} to {interval[1]:g}",
            why="that is no level at all",
            fix="the lower end first: (0.2, 5)",
        )
    return interval


def checked_share(rescale: float) -> float:
    """φ of rescaling, from 0 to 1."""
    if not 0 <= rescale <= 1:
        raise RequestError(f"guidance rescaled by {rescale:g}", why="it is a share from 0 to 1", fix="rescale=0.7")
    return rescale


def check_told(unconditional: Conditions, told: Conditions) -> None:
    """What tells nothing stands in for something: RequestError where nothing of that name is told."""
    missing = [name for name in unconditional if name not in told]
    if missing and len(missing) == len(unconditional):
        raise RequestError(
            f"guidance without a condition: nothing is told as {', '.join(f'`{name}`' for name in missing)}",
            why="the guided and the other prediction would be equal",
            fix=f"call the sampler with extra_args={{'{missing[0]}': …}}",
        )
