"""What was fitted for one target, as a model keeps it: a scaling of logits, thresholds, conformal intervals or sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from trainwright.calibration.conformal import INTERVALS, SETS, Conformal
from trainwright.calibration.scaling import Scaling
from trainwright.calibration.thresholds import Threshold


@dataclass(frozen=True)
class Calibrated:
    """One target's fitted parameters; None, or empty, for what was not asked for."""

    scaling: Scaling | None = None
    thresholds: list[Threshold] = field(default_factory=list)
    """One for a binary target, one for each label of a set."""
    metric: str = ""
    """What the thresholds were chosen by."""
    conformal: Conformal | None = None

    @property
    def threshold(self) -> Any:
        """The probability from which a row is positive, or one for each label [k]; None where none was chosen."""
        found = [each.threshold for each in self.thresholds]
        return None if not found else found[0] if len(found) == 1 else found

    def notes(self) -> list[str]:
        """What a reader should know of the fits."""
        said = [each.note for each in (self.scaling, self.conformal) if each is not None and each.note]
        return [*said, *dict.fromkeys(f"a threshold stayed at 0.5: {each.note}" for each in self.thresholds if each.note)]

    def as_json(self) -> dict[str, Any]:
        """The parameters as JSON holds them, absent ones left out."""
        found: dict[str, Any] = {}
        if self.scaling is not None:
            found["scaling"] = _plain(self.scaling)
        if self.thresholds:
            found |= {"thresholds": [_plain(each) for each in self.thresholds], "metric": self.metric}
        if self.conformal is not None:
            found["conformal"] = _plain(self.conformal)
        return found

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The parameters as `as_json` gave them; raises ValueError, KeyError or TypeError for what it cannot have given."""
        scaling, conformal = content.get("scaling"), content.get("conformal")
        made = cls(
            None if scaling is None else _checked_scaling(_build(Scaling, scaling, ("scale", "shift"))),
            [_build(Threshold, each) for each in content.get("thresholds", [])],
            str(content.get("metric", "")),
            None if conformal is None else _build(Conformal, conformal, ("quantile",)),
        )
        if made.conformal is not None and made.conformal.score not in (*INTERVALS, *SETS):
            raise ValueError(f"there is no score {made.conformal.score!r}")
        return made

    def ensure_fits(self, logits: int, labels: int) -> Self:
        """Itself; raises ValueError where it is not of a target with so many logits, and labels or classes."""
        widths = () if self.scaling is None else (len(self.scaling.scale), len(self.scaling.shift))
        if any(each not in (1, logits) for each in widths):
            raise ValueError(f"a scaling of {max(widths)} logits does not fit a target with {logits}")
        if len(self.thresholds) not in (0, 1, labels):
            raise ValueError(f"{len(self.thresholds)} thresholds do not fit a target with {labels} labels")
        return self


def _plain(made: Any) -> dict[str, Any]:
    found = {each.name: getattr(made, each.name) for each in fields(made)}
    return {name: each.tolist() if isinstance(each, np.ndarray) else each for name, each in found.items()}


def _build(kind: Any, content: Mapping[str, Any], arrays: tuple[str, ...] = ()) -> Any:
    known = {each.name for each in fields(kind)}
    made = kind(**{name: np.asarray(each, np.float64) if name in arrays else each for name, each in content.items() if name in known})
    # JSON has no NaN: what is undefined comes back as null
    return replace(made, **{name: float("nan") for name in known if getattr(made, name) is None})


def _checked_scaling(made: Scaling) -> Scaling:
    if not (made.scale.ndim == made.shift.ndim == 1 and np.isfinite(made.scale).all() and np.isfinite(made.shift).all()):
        raise ValueError("a scaling is made of finite numbers")
    return made
