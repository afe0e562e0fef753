"""New things from a trained model: as the system gives them, or as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.api.predictors.kinds import kind_of
from trainwright.api.sample_outputs import FILES, Made, check_kind, ensure_place, show_preview, write_file, write_folder
from trainwright.config.errors import RequestError
from trainwright.config.model import PartConfig
from trainwright.config.part_options import check_options, plain_value
from trainwright.domains.place import Place
from trainwright.domains.predictor import Predictor
from trainwright.domains.sampling import BATCH_SIZE, Sampling, Watch, draw_all
from trainwright.parallel.world import World
from trainwright.runs.media.samples import GRID, SampleForm


@dataclass(frozen=True)
class Asked:
    """Samples that a person asks for."""

    n: int
    seed: int = 0
    weights: str = ""
    """Of the run's model unless named: see `domains.chosen_weights`."""
    options: PartConfig | None = None
    """Those of the kind of system; None where samples are what `sample(n, generator)` of the system gives."""
    batch_size: int = BATCH_SIZE
    preview: str = ""
    """A picture that is written anew at every step, of what the samples are going to be."""

    def check(self) -> None:
        """Raises RequestError for numbers that can be none."""
        for name, value in {"n": self.n, "seed": self.seed, "batch_size": self.batch_size}.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise RequestError(f"{name} is {value!r}", where="sample", why="it is a whole number", fix=f"{name}=4")
        if self.n < 1:
            raise RequestError(f"{self.n} samples cannot be made", where=f"-n {self.n}", fix="ask for 1 or more")
        if self.seed < 0:
            raise RequestError(f"{self.seed} is no seed", where=f"--seed {self.seed}", fix="give 0 or more")
        if self.batch_size < 1:
            raise RequestError(f"{self.batch_size} samples make no batch", where=f"--batch-size {self.batch_size}", fix="give 1 or more")


@dataclass(frozen=True)
class Sampled:
    """What was written where, and what it was made by."""

    folder: Path
    """Or the file, where one was asked for."""
    files: list[str]
    about: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    """How it was made, as the kind of system tells it: sampler, steps, calls of the denoiser."""
    count: int = 0
    kind: str = ""
    """`images`, `audio`, `text` or `arrays`."""

    @property
    def kinds(self) -> dict[str, int]:
        """Ending → how many files, without those that tell of all samples."""
        names = [Path(each) for each in self.files]
        return dict(Counter(each.suffix for each in names if each.name != GRID and each.suffix != ".json"))


def sample_files(predictor: Predictor, asked: Asked, output: str | Path, world: World | None = None) -> Sampled | None:
    """Samples as files, None where another process of `world` writes them.

    In a folder pictures, sounds and texts are each a file, arrays one, and pictures are also side by side in `grid.png`. A name that ends
    with `.png` is such a grid, `.npz` the numbers, `.gif` the pictures at each step of the sampler. Raises RequestError for a model that
    makes none, and for places that are taken.
    """
    asked.check()
    ensure_place(output, predictor.reads, asked.options is not None)
    world = world or World()
    predictor.work_beside(world)
    choose_weights(predictor, asked.weights)
    made = _made_by_options(predictor, asked, output, world) if asked.options is not None else _made_alone(predictor, asked)
    if not world.is_main:
        return None
    files = (write_file if Path(output).suffix.lower() in FILES else write_folder)(made, output)
    return Sampled(Path(output), files, predictor.about(), made.facts, asked.n, made.kind)


def _made_alone(predictor: Predictor, asked: Asked) -> Made:
    given = predictor.sample(asked.n, asked.seed)
    return Made(given, SampleForm(*predictor.sample_form()))


def _made_by_options(predictor: Predictor, asked: Asked, output: str | Path, world: World) -> Made:
    sampling = predictor.sampling(asked.options, asked.n, asked.seed)
    form = SampleForm(*predictor.sample_form())
    check_kind(output, sampling.shape, form, asked.preview)
    watch = show_preview(asked.preview, form) if asked.preview and world.is_main else None
    moves = Path(output).suffix.lower() == ".gif"
    drawn = draw_all(sampling, asked.n, asked.batch_size, world, watch=watch, frames=moves)
    return Made(drawn.samples, form, drawn.frames, list(sampling.labels()), {**sampling.facts(), "seed": asked.seed})


def choose_weights(predictor: Predictor, weights: str) -> None:
    """Take other weights than those of the run's model, before any are loaded."""
    if weights:
        predictor.use_weights(weights)


def sample_of(
    open_predictor: Callable[[], Predictor],
    place: Place,
    asked: Asked,
    given: Mapping[str, Any],
    callback: Watch | None = None,
) -> Any:
    """What `run.sample` gives: `asked` with the options `given`, which are checked; raises RequestError."""
    asked.check()
    if callback is not None and not callable(callback):
        fix = "callback=lambda told: print(told['i'])"
        raise RequestError(f"callback is {callback!r}", where="run.sample", why="it is called at each step", fix=fix)
    kind = kind_of(place).sampling_options
    if kind is None:
        return _without_options(open_predictor(), asked, given, callback)
    options = check_options(
        kind, str(kind.model_fields["type"].default), {name: plain_value(each) for name, each in given.items()}, where="run.sample"
    )
    predictor = open_predictor()
    choose_weights(predictor, asked.weights)
    sampling: Sampling = predictor.sampling(options, asked.n, asked.seed)
    return draw_all(sampling, asked.n, asked.batch_size, watch=callback).samples


def _without_options(predictor: Predictor, asked: Asked, given: Mapping[str, Any], callback: Watch | None) -> Any:
    strange = "callback" if callback is not None else next(iter(given), "")
    if strange:
        why = "its samples are what sample(n, generator) of its system gives"
        raise RequestError(f"samples of this model have no option '{strange}'", where="run.sample", why=why, fix="leave it out")
    choose_weights(predictor, asked.weights)
    return predictor.sample(asked.n, asked.seed)
