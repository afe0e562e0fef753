"""What makes features of pictures and signals: any module or function, or the values themselves where that is asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, DataError
from trainwright.config.foreign import found_at
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.metrics.pair_options import PIXELS


class Extractor:
    """Rows → features (rows, numbers) in float64, without a gradient and as in evaluation; `name` is what numbers are printed with."""

    def __init__(self, call: Any, name: str) -> None:
        self.call, self.name = call, name

    def __call__(self, rows: Tensor) -> Tensor:
        """The features, on the CPU. Raises DataError for those that are no numbers, ConfigError for what is no feature."""
        found = rows.flatten(1) if self.call == PIXELS else self.call_as_it_is(rows)
        if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(rows):
            given = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            fix = "let it return a tensor (rows, numbers): flatten, or average over positions"
            raise ConfigError(f"{self.name} gives no features", where="features", why=f"for {len(rows)} rows it gives {given}", fix=fix)
        found = found.detach().cpu().double()
        bad = int((~found.isfinite()).any(1).sum())
        if bad:
            raise DataError(f"{self.name} gives features that are no numbers", where="features", why=f"for {bad:,} of {len(found):,} rows")
        return found

    def call_as_it_is(self, rows: Tensor) -> Any:
        """What the module or function gives. Raises ConfigError where it fails."""
        module = self.call if isinstance(self.call, nn.Module) else None
        was_training = module is not None and module.training
        if module is not None:
            module.eval()
            first = next(module.parameters(), None)
            rows = rows.float() if first is None else rows.to(first.device, first.dtype)
        try:
            with torch.no_grad():
                return self.call(rows)
        except FOREIGN as error:
            what = f"{self.name} does not take rows of shape {tuple(rows.shape)}"
            raise ConfigError(what, where="features", why=describe_failure(error), fix=at_own_line(error)) from error
        finally:
            if was_training and module is not None:
                module.train()


def make_extractor(given: Any, metric: str) -> Extractor:
    """The extractor that is meant by a path, `pixels`, a module or a function. Raises ConfigError for none of these."""
    if isinstance(given, Extractor):
        return given
    if given == PIXELS:
        return Extractor(PIXELS, "pixels (raw values)")
    if isinstance(given, str) and given:
        found = found_at(given)[0]
        return Extractor(_made(found, given), given)
    if callable(given):
        return Extractor(given, str(getattr(given, "__name__", type(given).__name__)))
    what, why = f"'{metric}' needs features to compare", "there is no usual network: none comes with Trainwright, and nothing is downloaded"
    fix = "name a module or function: {features: ./mine.py:Features}; or features: pixels for the values themselves"
    raise ConfigError(what, where="metrics", why=why, fix=fix)


def _made(found: Any, path: str) -> Any:
    if not isinstance(found, type):
        return found
    try:
        return found()
    except FOREIGN as error:
        raise ConfigError(f"'{path}' cannot be made", where="features", why=describe_failure(error), fix=at_own_line(error)) from error
