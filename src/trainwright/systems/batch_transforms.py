"""What is done to batches of a supervised system: to single columns, and to whole rows with their targets."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.data.transforms import comes_first
from trainwright.data.transforms.batches import BatchChain, BatchTransforms, Seed
from trainwright.data.transforms.joining import Joining
from trainwright.data.transforms.place import BatchPlace
from trainwright.features.spec import DataSpec, InputGroup

CLASSES = ("binary", "category", "set")
"""Kinds of target that are classes, or labels that are there or not."""
PICTURES = "image"
"""The kind of input whose last two dimensions are places."""


class SupervisedTransforms(BatchTransforms):
    """The chains of columns first, in the order of the groups; then, on training rows, that of the data."""

    in_network = True

    def __init__(self, spec: DataSpec, whole: Sequence[PartConfig] = ()) -> None:
        self.spec = spec
        self.columns = {
            f"{group.name}.value": BatchChain(group.extras["transform"][0], f"columns.{group.columns[0]}.transform")
            for group in spec.inputs
            if "transform" in group.extras
        }
        early = [each for each in whole if comes_first(each)]
        self.early = BatchChain(early, "data.transform")
        self.whole = BatchChain(whole[len(early) :], "data.transform", len(early))

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.columns or self.early or self.whole)

    @property
    def joining(self) -> list[Joining]:
        """What joins rows with others."""
        return [call for chain in (self.early, self.whole) for call in joins_in(chain)]

    @property
    def by_row(self) -> bool:  # type: ignore[override]
        """Whether columns are changed alone, and by what always applies."""
        return not (self.early or self.whole or any(chain.draws for chain in self.columns.values()))

    def tell_place(self, place: BatchPlace) -> None:
        """Tell what follows the run where the next batch is."""
        for each in (*self.columns.values(), self.early, self.whole):
            each.tell_place(place)

    def in_training(self, batch: dict[str, Tensor], seed: Seed) -> dict[str, Tensor]:
        """The batch of a step, its columns and then its rows transformed."""
        batch = self._join(self.early, batch, seed)
        return self._join(self.whole, self._columns(batch, seed), seed)

    def _join(self, chain: BatchChain, batch: dict[str, Tensor], seed: Seed) -> dict[str, Tensor]:
        """A batch under a chain for whole rows, which is told what the blocks are."""
        for each in joins_in(chain):
            self._tell(each, batch)
        joined: dict[str, Tensor] = chain(batch, seed) if chain else batch
        return joined

    def _tell(self, joining: Joining, batch: dict[str, Tensor]) -> None:
        """Tell what joins rows which blocks are classes, lengths and times."""
        values = [each for each in self.spec.inputs if has_middle(each, batch) and has_time(each)]
        joining.tell_blocks(
            classes=(f"target.{target.name}" for target in self.spec.targets if target.kind in CLASSES),
            kept=(f"{each.name}.{part}" for each in self.spec.inputs if not has_middle(each, batch) for part in each.parts),
            lengths={f"{each.name}.value": f"{each.name}.length" for each in values if "length" in each.parts},
            axes={f"{each.name}.value": 2 if "length" in each.parts and not each.time_last else -1 for each in values},
            pictures=[
                *(f"{each.name}.value" for each in self.spec.inputs if each.kind == PICTURES),
                *(f"target.{target.name}" for target in self.spec.targets if len(target.positions) == 2),
            ],
        )

    def always(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The columns under what always applies to them."""
        return self._columns(batch, None)

    def _columns(self, batch: dict[str, Tensor], seed: Seed | None) -> dict[str, Tensor]:
        changed = {key: chain(batch[key][:, 0], seed).unsqueeze(1) for key, chain in self.columns.items()}
        return {**batch, **changed} if changed else batch

    def ensure_mixable(self, batch: dict[str, Tensor]) -> None:
        """Raise ConfigError, naming the columns, for inputs that rows cannot be joined by, and for answers that cannot be."""
        self._ensure_sizes()
        for chain, given in ((self.early, batch), (self.whole, self.always(batch) if self.joining else batch)):
            for each in joins_in(chain):
                for group in self.spec.inputs:
                    if not has_middle(group, given) and not each.keeps_others:
                        raise _without_middle(each.name, group)
                self._ensure_cuts(each)

    def _ensure_cuts(self, joining: Joining) -> None:
        """Raise ConfigError for what pieces are cut of where there are none."""
        if not joining.cuts:
            return
        long = next((each for each in self.spec.inputs if "length" in each.parts and joining.cuts_positions), None)
        if long is not None:
            what = f"{joining.name} cannot cut '{long.columns[0]}'"
            raise ConfigError(what, where="data.transform", why="its rows have lengths of their own", fix="use {cutmix: {along: time}}")
        most = 2 if joining.cuts_positions else 0
        at = next((target for target in self.spec.targets if target.positions and len(target.positions) != most), None)
        if at is not None:
            why = f"'{at.name}' has an answer at every position, which no share is of"
            fix = "use mix, which cuts masks too, or mixup" if len(at.positions) == 2 else "use mixup, or leave it out"
            raise ConfigError(f"{joining.name} cannot cut this target", where="data.transform", why=why, fix=fix)

    def _ensure_sizes(self) -> None:
        """Raise ConfigError where inputs change their size, and answers at positions do not."""
        changed = next((key for key, chain in self.columns.items() if chain.other_sizes), None)
        at = next((target.name for target in self.spec.targets if target.positions), None)
        if changed is not None and at is not None:
            what = f"'{changed.removesuffix('.value')}' changes its size in training, and '{at}' has an answer at every position"
            why, fix = "its positions are those of full size", "leave progressive_resize out"
            raise ConfigError(what, where=self.columns[changed].where, why=why, fix=fix)

    def ensure_fits(self, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
        """Raise ConfigError for a batch that its transforms leave in another shape or type than the encoders are made for."""
        for group in self.spec.inputs:
            for part, shape in group.parts.items():
                key = f"{group.name}.{part}"
                found, as_read = after[key], before[key]
                wanted = list(shape) if key in self.columns else list(as_read.shape[1:])
                if key in self.columns and "length" in group.parts:
                    wanted[1] = as_read.shape[2]  # as long as the longest of the batch
                kept = found.dtype == as_read.dtype or (key in self.columns and found.is_floating_point())
                shaped = list(found.shape[1:])
                if key in self.columns and self.columns[key].other_sizes:
                    shaped, wanted = shaped[:-2], wanted[:-2]
                if shaped != wanted or not kept:
                    raise _misfit(group.columns, found, wanted, as_read, key in self.columns)


def joins_in(chain: BatchChain) -> list[Joining]:
    """What of a chain joins rows with others."""
    return [call for *_, call in chain.steps if isinstance(call, Joining)]


def has_middle(group: InputGroup, batch: dict[str, Tensor]) -> bool:
    """Whether rows can be mixed by their values: numbers with a fraction, beside which a length may stand."""
    return all(part == "length" or batch[f"{group.name}.{part}"].is_floating_point() for part in group.parts)


def has_time(group: InputGroup) -> bool:
    """Whether a group of numbers has values along a dimension that a piece can be cut of."""
    return group.time_last or "length" in group.parts or group.kind in ("file", "timeseries") or len(group.parts.get("value", ())) > 2


def _without_middle(name: str, group: InputGroup) -> ConfigError:
    listed = group.columns[:5]
    names = ", ".join(f"'{each}'" for each in listed) + (" and others" if len(group.columns) > 5 else "")
    fix = f"leave them out (ignore: [{', '.join(listed)}]), keep each row's own ({name}: {{others: keep}}), or leave {name} out"
    why = "words and classes have no middle"
    return ConfigError(f"{name} cannot mix inputs of type {group.kind}: {names}", where="data.transform", why=why, fix=fix)


def _misfit(columns: list[str], found: Tensor, wanted: list[int], as_read: Tensor, own: bool) -> ConfigError:
    kinds = [str(each.dtype).removeprefix("torch.") for each in (found, as_read)]
    what = f"training rows are {kinds[0]} of shape {tuple(found.shape[2:])} after the transforms of batches"
    why = f"the network takes {kinds[1]} of shape {tuple(wanted[1:])}"
    fix = "let what applies in training alone keep shape and type, or end with one that always applies"
    return ConfigError(what, where=f"columns.{columns[0]}.transform" if own else "data.transform", why=why, fix=fix)
