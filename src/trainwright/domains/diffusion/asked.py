"""From what a person asks of samples to how they are drawn, with everything that cannot be told before anything is drawn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError, nearest
from trainwright.config.model import PartConfig
from trainwright.domains.diffusion.artifact import Artifact
from trainwright.domains.diffusion.drawing import Drawing, Guidance, Told
from trainwright.domains.diffusion.editing.from_sample import sigmas_of_strength
from trainwright.domains.diffusion.given_conditions import read_condition, shown_names
from trainwright.domains.diffusion.given_rows import read_init, read_mask
from trainwright.domains.diffusion.sample_options import SampleOptions
from trainwright.domains.diffusion.schedules.make import make_sigmas
from trainwright.domains.diffusion.weaker import read_weaker

log = logging.getLogger("trainwright.diffusion")

WHERE = "sample"
BEYOND = 1.5
"""How many times the most noise of training is told of: a little more is noise all the same."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, as it is told and drawn."""

    drawing: Drawing
    labels: list[str]
    """The name of the class of each sample; empty where none has one."""
    sigmas: str
    """The name of the schedule; empty for levels that were given."""


def read_asked(options: SampleOptions, artifact: Artifact, n: int) -> Asked:
    """How `n` samples are drawn. Raises RequestError, ConfigError or DataError for what the model cannot do."""
    system = artifact.system
    usual = system.config
    sampler = options.sampler or usual.sampler
    schedule = options.sigmas if options.sigmas is not None else usual.sigmas
    levels = find_levels(options, system, schedule)
    start = None
    if options.init is not None:
        start = read_init(artifact, options.init)
        levels = begin_within(levels, options)
    warn_beyond(levels, system)
    mask = None if options.mask is None else read_mask(artifact, options.mask)
    classes = find_classes(options, artifact, n)
    told = Told() if options.unconditional else read_condition(artifact, options.condition, classes, class_said_by(options))
    guidance = find_guidance(options, artifact, told)
    ensure_guided_somewhere(guidance, levels)
    names = system.layout.classes
    labels = [names[int(told.classes[k % len(told.classes)])] for k in range(n)] if told.classes is not None else []
    anew = mask is not None and "strength" not in options.model_fields_set
    drawing = Drawing(sampler, levels, told, guidance, start, mask, anew)
    return Asked(drawing, labels, "" if isinstance(schedule, list) else schedule.type)


def find_levels(options: SampleOptions, system: Any, schedule: PartConfig | list[float]) -> Tensor:
    """Levels of noise (n + 1,), falling. Raises RequestError for ends that are no ends, and levels beside a number of steps."""
    low, high = system.ends
    low, high = (low if options.sigma_min is None else options.sigma_min), (high if options.sigma_max is None else options.sigma_max)
    table = getattr(system.denoiser, "sigmas", None)
    if isinstance(schedule, list):
        beside = next((name for name in ("steps", "sigma_min", "sigma_max") if getattr(options, name) is not None), "")
        if beside and options.sigmas is not None:
            what = f"sigmas are levels, and {beside} is given too"
            raise RequestError(what, where=WHERE, why="the levels say all of it", fix=f"leave {beside} out")
        return torch.tensor(schedule, dtype=torch.float64)
    if low >= high:
        what = f"sigma_min is {low:g} and sigma_max {high:g}"
        raise RequestError(what, where=WHERE, why="sampling goes from the larger to the smaller", fix="let sigma_min be below sigma_max")
    return make_sigmas(schedule, options.steps or system.config.steps, low, high, table=table)


def begin_within(levels: Tensor, options: SampleOptions) -> Tensor:
    """The last `strength` of the steps, where something is begun with; all of them where their first level, or what is kept, is given."""
    if "strength" not in options.model_fields_set and (options.sigma_max is not None or options.mask is not None):
        return levels
    return sigmas_of_strength(levels, options.strength)


def warn_beyond(levels: Tensor, system: Any) -> None:
    """Warn of levels far above all of training, which a network without a table takes as it takes any number."""
    first, most = float(levels[0]), float(system.density.quantile(torch.tensor([0.0, 1.0], dtype=torch.float64)).max())
    if first > most * BEYOND and getattr(system.denoiser, "sigmas", None) is None:
        log.warning(
            "sampling begins at sigma %g, and the model was trained at none above %.4g: what it makes of more noise is no sample; "
            "fix: begin at %.4g or less",
            *(first, most, min(most, system.ends[1])),
        )


def find_classes(options: SampleOptions, artifact: Artifact, n: int) -> Tensor | None:
    """The numbers of the classes that samples have in turn (int64, m); None where none has one. Raises RequestError for unknown ones."""
    names = artifact.system.layout.classes
    asked = options.labels if options.labels is not None else None if options.class_ is None else [options.class_]
    if asked is None:
        return torch.arange(len(names)) if names and not options.unconditional else None
    where = class_said_by(options)
    if not names:
        what, why = "this model has no classes", "it was trained without a column that says which one is made"
        raise RequestError(what, where=where, why=why, fix=f"leave {where} out; system.condition=COLUMN trains with one")
    if options.labels is not None and len(asked) > n:
        raise RequestError(f"{len(asked)} labels for {n} samples", where=where, fix=f"-n {len(asked)}, or fewer labels")
    return torch.tensor([class_number(each, names, where) for each in asked])


def class_said_by(options: SampleOptions) -> str:
    """The option that says the class of samples; empty where none does."""
    return "labels" if options.labels is not None else "class" if options.class_ is not None else ""


def class_number(asked: Any, names: Sequence[str], where: str) -> int:
    """The number of a class by its name, else by itself, from 0 on. Raises RequestError for one that there is not."""
    spelled = str(asked).lower() if isinstance(asked, bool) else f"{asked:g}" if isinstance(asked, float) else str(asked)
    found = next((place for place, name in enumerate(names) if spelled in (name, name.lower())), None)
    if found is not None:
        return found
    if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < len(names):
        return asked
    close = "" if spelled.lstrip("-").isdigit() else nearest(spelled, names)
    fix = f"did you mean '{close}'?" if close else f"one of its names, or 0 to {len(names) - 1}"
    raise RequestError(f"there is no class {spelled}", where=where, why=f"the model was trained with {shown_names(names)}", fix=fix)


def find_guidance(options: SampleOptions, artifact: Artifact, told: Told) -> Guidance:
    """How samples are guided. Raises RequestError for guidance of a model that cannot be guided, where it was asked for."""
    system, asked = artifact.system, options.guidance
    if options.threshold and system.units.range is None:
        why = "it cuts what is beyond black and white, and what is made has neither"
        raise RequestError("only pictures are cut so", where="threshold", why=why, fix="leave threshold out")
    weaker = read_weaker(options.weaker, artifact) if options.weaker else None
    if asked is not None and asked != 1 and weaker is None:
        ensure_guidable(asked, system, told)
    usual = system.config.guidance if told != Told() and system.drops else 1.0
    interval = None if options.guidance_interval is None else (options.guidance_interval[0], options.guidance_interval[1])
    scale = usual if asked is None else asked
    found = Guidance(scale, interval, options.guidance_rescale, options.guidance_rule, weaker, options.threshold)
    here = torch.device("cpu")
    found.round(system.denoiser, system.conditions.none(1, here), here)  # what cannot be is told by what it is made of
    return found


def ensure_guided_somewhere(guidance: Guidance, levels: Tensor) -> None:
    """Raise RequestError for an interval of guidance beside all levels of noise that are gone through."""
    walked = levels[levels > 0]
    if guidance.interval is None or not guidance.guides or not len(walked):
        return
    low, high = guidance.interval
    first, last = float(walked.max()), float(walked.min())
    if low >= first or high < last:
        what = f"guidance for sigma from {low:g} to {high:g} would guide nothing"
        why = f"the levels of noise go from {first:.4g} to {last:.4g}"
        raise RequestError(what, where="guidance-interval", why=why, fix="ends between these, or leave it out for all levels")


def ensure_guidable(guidance: float, system: Any, told: Told) -> None:
    """Raise RequestError for guidance of a model that cannot be guided."""
    where = f"guidance {guidance:g}"
    if not system.layout.conditional:
        why = "it was trained with nothing that says which one is made"
        raise RequestError("this model has no condition to be guided by", where=where, why=why, fix="leave guidance out")
    if told == Told():
        raise RequestError("nothing is told that could guide", where=where, why="unconditional", fix="leave one of the two out")
    if not system.drops:
        why = "system.condition_dropout was 0, so it never learnt what is made where nothing is told"
        raise RequestError(
            "this model cannot be guided", where=where, why=why, fix="train with system.condition_dropout=0.1, or name a weaker one"
        )
