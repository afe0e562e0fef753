"""Samples that a system makes, while it trains and afterwards: from noise of their own, and without a trace in what made them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.data.counters import fold
from trainwright.data.draws import device_generator, seed_python_and_numpy
from trainwright.engine.clock import Phase
from trainwright.engine.interval import Interval
from trainwright.engine.plan import Plan
from trainwright.engine.randomness import restore_generators
from trainwright.engine.recovery import Buffers
from trainwright.engine.sampling_options import SamplingOptions
from trainwright.engine.system import System
from trainwright.nn.modes import eval_mode
from trainwright.runs.media import Media
from trainwright.runs.media.arrays import saving
from trainwright.runs.media.samples import SampleForm, write_together

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

FOLDER = "samples"
"""Below the media of a run."""
WHERE = "trainer.sampling"


def draw_samples(
    system: System, n: int, *, seed: int, step: int, device: torch.device, within: AbstractContextManager[Any] | None = None
) -> Any:
    """What `system.sample(n, generator)` gives in evaluation mode, without gradients, from noise that follows from (seed, step) alone.

    Modes, buffers and every generator are afterwards as they were; `within` is what the forward pass runs in (a precision).
    """
    key = fold(seed, "sampling", step)
    generator = torch.Generator(device=device).manual_seed(key)
    with without_trace(system, key, device, within):
        return system.sample(n, generator)


@contextmanager
def without_trace(system: System, key: int, device: torch.device, within: AbstractContextManager[Any] | None = None) -> Iterator[None]:
    """Round what samples: evaluation mode, no gradients, generators seeded by `key`; afterwards all of it is as it was."""
    buffers = Buffers(system, needed=True)
    kept = buffers.copy()
    try:
        with restore_generators(device), torch.no_grad(), eval_mode(system), system.unlogged(), within or nullcontext():
            for each in {id(one): one for one in (torch.default_generator, device_generator(device))}.values():
                each.manual_seed(key)  # for what draws without the generator that it is given
            seed_python_and_numpy(key)
            yield
    finally:
        buffers.restore(kept)


def sample_form(system: System) -> SampleForm:
    """How what a system's `sample` gives is to be read."""
    shown = system.sample_range
    return SampleForm(None if shown is None else (shown[0], shown[1]), system.sample_rate)


def ensure_samples(system: System, where: str = WHERE) -> None:
    """Raise ConfigError for a system that makes no samples, or whose `sample` cannot be called with (n, generator)."""
    if not system.makes_samples:
        raise ConfigError(f"{system.shown_name} makes no samples", where=where, fix=system.instead_of_sampling)
    try:
        inspect.signature(system.sample).bind(1, None)
    except (TypeError, ValueError) as error:
        what, fix = f"sample of {system.shown_name} cannot be called with (n, generator)", "def sample(self, n, generator)"
        raise ConfigError(what, where=where, why=str(error), fix=fix) from error


def say_never(options: SamplingOptions, plan: Plan) -> None:
    """Warn of an interval that is longer than the run."""
    steps, most = Interval(options.every, plan, f"{WHERE}.every").steps, plan.max_steps
    if steps is not None and most is not None and steps > most:
        log.warning("%s.every is %s, and the run ends after %d steps: no samples are made", WHERE, options.every, most)


class Sampler:
    """Makes samples when they are due, once per step, and writes them below the run's media; what fails is told, and the run goes on."""

    def __init__(self, options: SamplingOptions) -> None:
        self.options = options
        self._told: set[str] = set()
        self.done_at = 0
        """The step after which samples were last made in this process."""

    def due(self, session: Session) -> bool:
        """Whether samples are made now."""
        interval, step = session.clock.sampling_interval, session.step
        return interval is not None and self.done_at != step and interval.due(step, session.batches_seen)

    def sample(self, session: Session) -> None:
        """Make samples and write them, where this process does; called by all processes together."""
        parts, step = session.parts, session.step
        self.done_at = step
        if session.clock.sampling_interval is not None:
            session.clock.sampling_interval.done()
        makes = parts.world.is_main or parts.strategy.moves_together
        before, session.clock.phase = session.clock.phase, Phase.EVALUATING
        with session.evaluated_weights(), session.clock.timing.phase("other"):  # all processes together put averages in
            try:
                given = self._draw(session) if makes else None
                if parts.world.is_main:
                    self._write(session, given)
            except FOREIGN as error:
                what = " ".join(str(error).split()) or type(error).__name__
                log.warning("no samples of step %d, and the run goes on: %s", step, what)
                log.debug("sampling failed", exc_info=True)
        session.clock.phase = before

    def _draw(self, session: Session) -> Any:
        parts, same = session.parts, self.options.same_noise
        step = 0 if (parts.system.same_noise if same is None else same) else session.step
        within = parts.precision.evaluation()
        return draw_samples(parts.system, self.options.n, seed=parts.seed, step=step, device=parts.device, within=within)

    def _write(self, session: Session, given: Any) -> None:
        media = Media(Path(session.folder) / "media", session.parts.trackers)
        media.step, media.kinds.loud = session.step, False  # a tracker that takes no pictures is no news at every run
        with saving(FOLDER, self._told):  # what lies outside the range is told once
            paths = write_together(media, f"{FOLDER}/step-{session.step:08d}", given, sample_form(session.parts.system), tag=FOLDER)
        log.debug("samples of step %d: %s", session.step, ", ".join(str(each) for each in paths))
