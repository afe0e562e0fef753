"""Other weights of a run than those of its model, by the words of `--weights`."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.place import Place
from trainwright.optim.average_options import EMAOptions
from trainwright.optim.averages import POWER
from trainwright.optim.power_average import Profile, gamma_of, mix
from trainwright.weights.averages import choose_average, evaluated_average, kept_averages, names_average, read_average, read_sum
from trainwright.weights.loading import load_weights
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import has_averages

log = logging.getLogger("trainwright.weights")

WIDTH = re.compile(r"sigma_rel=(.*)")
FAR = 0.05
"""Distance of a profile from the one that was asked for, as a share of its length, from which on it is said aloud."""
CHECKPOINTS = {"averaged": "last", "raw": "last", "best": "best", "last": "last"}
"""Of a run, beside the weights of its model: the averages or the trained ones of its last checkpoint, its best checkpoint, its last."""


@dataclass(frozen=True)
class Mixed:
    """Averages of checkpoints, each with its coefficient, and what is said of their sum."""

    terms: list[tuple[float, str, Path]]
    note: str


@dataclass(frozen=True)
class ChosenWeights:
    """Weights of a file, a run or a checkpoint, and which of a checkpoint's."""

    source: str
    averaged: bool = True
    average: str = ""
    """One of several averages, as the checkpoint calls it."""
    evaluated: str = ""
    """The average that the run evaluates."""

    mixture: Mixed | None = None
    """Several averages of a run that add up to another one."""

    def load(self, module: nn.Module) -> WeightReport:
        """Put them into a module; raises ConfigError or RunError where they do not fit or cannot be read."""
        if self.mixture is not None:
            return load_weights(module, read_sum(module, self.source, self.mixture.terms, self.mixture.note))
        source = read_average(module, self.source, self.average, self.evaluated) if self.average else self.source
        return load_weights(module, source, averaged=self.averaged)


def mix_averages(text: str, checkpoints: Path, every: int) -> Mixed:
    """What `sigma_rel=0.07` names: the average by a power of time of this width, out of those in the checkpoints of a run.

    `every`: steps between two updates. Raises RequestError for an impossible width, or a run without such averages.
    """
    try:
        width = float(text.partition("=")[2])
    except ValueError:
        raise RequestError(f"'{text}' names no width", where=f"--weights {text}", fix="write a number: sigma_rel=0.07") from None
    gamma, kept = gamma_of(width), kept_averages(checkpoints, POWER)
    if not kept:
        why = "none of its checkpoints holds averages by a power of time"
        fix = "train with trainer.ema.sigma_rel=[0.05,0.1] and, for checkpoints that stay, trainer.checkpoint.keep_every='0.1 run'"
        raise RequestError(f"this run has no average '{text}'", where=f"--weights {text}", why=why, fix=fix)
    profiles = [Profile(step // every, gamma_of(float(name.removeprefix(POWER)))) for step, name, _ in kept]
    found = mix(profiles, Profile(profiles[-1].time, gamma))
    places = len({path for *_, path in kept})
    note = f"the average {text} was made of {len(kept)} in {places} checkpoints; its profile is {found.error:.1%} off"
    if found.error > FAR:
        log.warning("%s; more checkpoints that stay (trainer.checkpoint.keep_every) bring it nearer", note)
    return Mixed([(share, name, path) for share, (_, name, path) in zip(found.coefficients, kept, strict=True)], note)


def choose_weights(text: str, place: Place | None, ema: EMAOptions | None) -> ChosenWeights:
    """What `--weights TEXT` names: a file, run or checkpoint; of a run also one of CHECKPOINTS, `ema=DECAY`, `sigma_rel=WIDTH` or `swa`.

    Raises RequestError for what there is not.
    """
    checkpoints = "" if place is None else str(place.path / "checkpoints")
    if WIDTH.fullmatch(text) and checkpoints:
        mixture = mix_averages(text, Path(checkpoints), ema.every if ema is not None else 1)
        return ChosenWeights(f"{checkpoints}/last", mixture=mixture)
    evaluated = evaluated_average(ema.decay, ema.evaluate) if ema is not None else ""
    if names_average(text) and checkpoints:
        last = f"{checkpoints}/last"
        return ChosenWeights(last, True, choose_average(text, last, evaluated), evaluated)
    if os.sep not in text and text not in CHECKPOINTS and not os.path.exists(text):
        what, fix = f"there are no weights '{text}'", f"{did_you_mean(text, CHECKPOINTS)}; or name a file, a run or a checkpoint"
        raise RequestError(what, where=f"--weights {text}", fix=fix)
    source = f"{checkpoints}/{CHECKPOINTS[text]}" if checkpoints and text in CHECKPOINTS else text
    if text == "averaged" and not has_averages(source):
        fix = "leave --weights out; averages are kept where trainer.ema asked for them"
        raise RequestError("the last checkpoint of this run has no averaged weights", where=source, fix=fix)
    return ChosenWeights(source, text != "raw")
