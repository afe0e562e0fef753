"""What makes features of pictures and signals: a part by name, any module or function, or the values themselves where that is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, DataError, did_you_mean
from trainwright.config.foreign import found_at, is_path
from trainwright.config.model import PartConfig
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.config.registry import build, options_class
from trainwright.metrics.extractors import PARTS


class Extractor:
    """Rows → features (rows, numbers) in float64, without a gradient and as in evaluation; `name` is what numbers are printed with."""

    fits: ClassVar[str] = ""
    """What `fit` must be given before: `rows`, or `classes` too; empty where nothing is fitted."""
    low, high = 0.0, 1.0
    """The values of pictures that are black and white."""

    def __init__(self, call: Any, name: str) -> None:
        self.call, self.name = call, name

    def __call__(self, rows: Tensor) -> Tensor:
        """The features, on the CPU. Raises DataError for those that are no numbers, ConfigError for what is no feature."""
        found = self.features(rows)
        if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(rows):
            given = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            fix = "let it return a tensor (rows, numbers): flatten, or average over positions"
            raise ConfigError(f"{self.name} gives no features", where="features", why=f"for {len(rows)} rows it gives {given}", fix=fix)
        found = found.detach().cpu().double()
        bad = int((~found.isfinite()).any(1).sum())
        if bad:
            raise DataError(f"{self.name} gives features that are no numbers", where="features", why=f"for {bad:,} of {len(found):,} rows")
        return found

    def features(self, rows: Tensor) -> Any:
        """The features as they are made, on whatever device."""
        return self.call_as_it_is(rows)

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

    def fit(self, rows: Tensor, classes: Tensor | None = None) -> None:
        """Learn from training rows (rows, …), and their classes (rows,) in 0 … k − 1; does nothing where nothing is fitted."""

    def to(self, device: torch.device) -> None:
        """Compute on this device."""
        if isinstance(self.call, nn.Module):
            self.call.to(device)

    def probabilities(self, features: Tensor) -> Tensor | None:
        """The probability of each class (rows, classes) by features (rows, numbers); None where the features tell none."""
        return None

    @property
    def classes_known(self) -> bool:
        """Whether `probabilities` gives some."""
        return False

    def identity(self) -> str:
        """What features follow from beside the rows, so that what was made by others is not taken for theirs; empty where not known."""
        if not isinstance(self.call, nn.Module):
            return ""
        return f"{self.name} {digest_of_state(self.call.state_dict())}"

    def describe(self, width: int | None, shape: tuple[int, ...] = ()) -> str:
        """What numbers are named with: `pca (…), 64 numbers of rows 1×8×8`."""
        sized = f" of rows {'×'.join(map(str, shape))}" if shape else ""
        return f"{self.name}, {width} numbers{sized}"


class Pixels(Extractor):
    """The values themselves."""

    def __init__(self, options: PartConfig | None = None) -> None:
        super().__init__(None, "pixels (raw values)")

    def features(self, rows: Tensor) -> Tensor:
        """The values of each row, one after the other."""
        return rows.flatten(1)

    def identity(self) -> str:
        """There is one kind of it."""
        return self.name


class FittedExtractor(Extractor):
    """One that is learnt from training rows, and whose tensors can be kept."""

    fits = "rows"

    def __init__(self, options: PartConfig) -> None:
        super().__init__(None, options.type)
        self.options = options
        self.tensors: dict[str, Tensor] = {}
        """What was learnt; nothing before `fit`."""

    def fit(self, rows: Tensor, classes: Tensor | None = None) -> None:
        """Learn, unless that was done. Raises DataError for rows that nothing can be learnt from."""
        if not self.tensors:
            self.load(self.learn(rows.detach().cpu(), None if classes is None else classes.detach().cpu()))

    def learn(self, rows: Tensor, classes: Tensor | None) -> dict[str, Tensor]:
        """What is kept of training rows."""
        raise NotImplementedError

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what was learnt."""
        self.tensors = dict(tensors)

    def features(self, rows: Tensor) -> Any:
        """Those of the rows. Raises ConfigError before `fit`, DataError for rows of another shape than those it learnt from."""
        if not self.tensors:
            what, why = f"{self.options.type} has not seen training rows yet", "its features are learnt from them"
            fix = "ask for it where samples are measured (trainer.sample_metrics), or call fit(rows) first; features: pixels needs none"
            raise ConfigError(what, where="features", why=why, fix=fix)
        shape = tuple(self.tensors["shape"].tolist())
        if tuple(rows.shape[1:]) != shape:
            why = f"it learnt from rows of shape {shape}"
            raise DataError(f"{self.name} does not take rows of shape {tuple(rows.shape[1:])}", where="features", why=why)
        return self.apply(rows.detach().cpu())

    def apply(self, rows: Tensor) -> Tensor:
        """The features of rows of the right shape, on the CPU."""
        raise NotImplementedError

    def identity(self) -> str:
        """Its options and what it learnt."""
        return f"{self.options.model_dump_json()} {digest_of_state(self.tensors)}"


def digest_of_state(tensors: Mapping[str, Tensor]) -> str:
    """16 hex digits that follow from names, types, shapes and values."""
    made = hashlib.blake2b(digest_size=8)
    for name, each in tensors.items():
        made.update(f"{name} {each.dtype} {tuple(each.shape)};".encode())
        made.update(bytes_of(each))
    return made.hexdigest()


def bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a tensor's values, whatever its type."""
    held = tensor.detach().cpu().contiguous()
    view: memoryview = held.reshape(-1).view(torch.uint8).numpy().data if held.numel() else memoryview(b"")
    return view


def spread_over(rows: int, most: int) -> Iterator[int]:
    """The numbers of up to `most` of so many rows, spread evenly."""
    kept = min(rows, most)
    return (place * rows // kept for place in range(kept))


def make_extractor(given: Any, metric: str) -> Extractor:
    """The extractor that is meant by a name or options of a part, a path, a module or a function. Raises ConfigError for none of these."""
    if isinstance(given, Extractor):
        return given
    if is_part(given):
        made: Extractor = build("feature_extractor", given if isinstance(given, PartConfig) else part_options(given))
        return made
    if isinstance(given, str) and given:
        found = found_at(given)[0]
        made = _made(found, given)
        return made if isinstance(made, Extractor) else Extractor(made, given)
    if callable(given):
        return Extractor(given, str(getattr(given, "__name__", type(given).__name__)))
    what, why = f"'{metric}' needs features to compare", "there is no usual network: none comes with Trainwright, and nothing is downloaded"
    fix = "name a module or function: {features: ./mine.py:Features}; or features: pixels for the values themselves"
    raise ConfigError(what, where="metrics", why=why, fix=fix)


def part_options(given: str | Mapping[str, Any]) -> PartConfig:
    """The options of a part by its name or a mapping with `type`. Raises ConfigError naming the nearest."""
    values = {"type": given} if isinstance(given, str) else dict(given)
    kind = options_class("feature_extractor", str(values.get("type", "")))
    try:
        return kind.model_validate({str(name): each for name, each in values.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = ".".join(str(each) for each in first["loc"])
        known = [each for each in kind.model_fields if each != "type"]
        what = f"features: {values['type']} takes no '{option}'" if first["type"] == "extra_forbidden" else f"features: {option} is wrong"
        why = "" if first["type"] == "extra_forbidden" else str(first["msg"])
        raise ConfigError(
            what, where="features", why=why, fix=did_you_mean(option, known) or "see trainwright list feature_extractor"
        ) from error


def is_part(given: Any) -> bool:
    """Whether a part is meant: its options, or its name."""
    return isinstance(given, PartConfig | Mapping) or (isinstance(given, str) and bool(given) and (given in PARTS or not is_path(given)))


def _made(found: Any, path: str) -> Any:
    if not isinstance(found, type):
        return found
    try:
        return found()
    except FOREIGN as error:
        raise ConfigError(f"'{path}' cannot be made", where="features", why=describe_failure(error), fix=at_own_line(error)) from error
