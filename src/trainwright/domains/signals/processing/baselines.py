"""What is slower than the waves of a recording, found and taken away."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import DataError
from trainwright.domains.signals.processing.filter_options import DetrendOptions, RemoveBaselineOptions
from trainwright.domains.signals.processing.rates import rate_of
from trainwright.domains.signals.processing.rows import AT_ONCE, over_rows


class Detrend:
    """Takes away the polynomial of time that fits each channel best, by least squares."""

    def __init__(self, options: DetrendOptions) -> None:
        self.degree = options.degree

    def __call__(self, sample: Tensor) -> Tensor:
        time = sample.shape[-1]
        if time <= self.degree:
            why = f"it has {time} samples, and a polynomial of degree {self.degree} goes through all of them"
            raise DataError("a recording is too short for detrend", why=why, fix="give a lower degree")
        basis = _polynomials(time, self.degree)

        def detrend(rows: Tensor) -> Tensor:
            exact = rows.double() if rows.device.type != "mps" else rows  # sums over all of time, which other threads split otherwise
            onto = basis.to(exact)
            return (exact - (exact @ onto) @ onto.T).to(rows.dtype)

        return over_rows(detrend, sample, "detrend")


class RemoveBaseline:
    """Takes away the medians of windows, the longer of those of the shorter."""

    def __init__(self, options: RemoveBaselineOptions) -> None:
        rate = rate_of(options)
        self.widths = [max(round(each * rate) // 2 * 2 + 1, 1) for each in options.seconds]

    def __call__(self, sample: Tensor) -> Tensor:
        if not sample.shape[-1]:
            raise DataError("a recording without samples has no baseline", fix="leave its row out")

        def remove(rows: Tensor) -> Tensor:
            baseline = rows
            for width in self.widths:
                baseline = medians(baseline, width)
            return rows - baseline

        return over_rows(remove, sample, "remove_baseline")


def medians(x: Tensor, width: int) -> Tensor:
    """The medians of windows of an odd number of samples round each of `(rows, time)`; beyond the ends the last value goes on."""
    if x.device.type == "cpu" and not (torch.is_grad_enabled() and x.requires_grad):
        from scipy.ndimage import median_filter

        rows = x.numpy()
        return torch.from_numpy(np.stack([median_filter(each, width, mode="nearest") for each in rows]))  # one row is faster by far
    reach = width // 2
    whole = torch.cat([x[:, :1].expand(-1, reach), x, x[:, -1:].expand(-1, reach)], dim=1)
    at_once = max(AT_ONCE // max(len(x), 1) // 8, 1)
    pieces = torch.split(whole.unfold(1, width, 1), at_once, dim=1)  # a window of values for each sample
    return torch.cat([each.median(-1).values for each in pieces], dim=1)


@lru_cache(maxsize=16)
def _polynomials(time: int, degree: int) -> Tensor:
    """Polynomials that are orthogonal at so many samples, `(time, degree + 1)`."""
    values = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, time), degree)
    return torch.from_numpy(np.linalg.qr(values)[0])
