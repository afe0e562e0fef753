"""Other weights of a run than those of its model, by the words of `--weights`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from torch import nn

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.place import Place
from trainwright.optim.average_options import EMAOptions
from trainwright.weights.averages import choose_average, evaluated_average, names_average, read_average
from trainwright.weights.loading import load_weights
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import has_averages

CHECKPOINTS = {"averaged": "last", "raw": "last", "best": "best", "last": "last"}
"""Of a run, beside the weights of its model: the averages or the trained ones of its last checkpoint, its best checkpoint, its last."""


@dataclass(frozen=True)
class ChosenWeights:
    """Weights of a file, a run or a checkpoint, and which of a checkpoint's."""

    source: str
    averaged: bool = True
    average: str = ""
    """One of several averages, as the checkpoint calls it."""
    evaluated: str = ""
    """The average that the run evaluates."""

    def load(self, module: nn.Module) -> WeightReport:
        """Put them into a module; raises ConfigError or RunError where they do not fit or cannot be read."""
        source = read_average(module, self.source, self.average, self.evaluated) if self.average else self.source
        return load_weights(module, source, averaged=self.averaged)


def choose_weights(text: str, place: Place | None, ema: EMAOptions | None) -> ChosenWeights:
    """What `--weights TEXT` names: `averaged`, `raw`, `best`, `last`, `ema=DECAY` or `swa` of a run, or a file, run or checkpoint.

    Raises RequestError for what there is not.
    """
    evaluated = evaluated_average(ema.decay, ema.evaluate) if ema is not None else ""
    checkpoints = "" if place is None else str(place.path / "checkpoints")
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
