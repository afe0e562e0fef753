"""Objects of a person's own where rows are needed: those below `Rows` as they are, those with the same methods for one more release."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import FOREIGN, DataError
from trainwright.data.draws import GENERATORS, keep_draws
from trainwright.data.rows import FACTS, FEW, RENAMED, Rows, as_blocks, check_rows


def is_like_rows(given: Any) -> bool:
    """Whether an object has the methods of rows without being one; what can be indexed by itself is a dataset."""
    kind = type(given)
    return callable(getattr(kind, "take", None)) and hasattr(kind, "__len__") and not hasattr(kind, "__getitem__")


def as_rows(given: Any, where: str) -> Rows:
    """`given`, where it can be used as rows. Raises DataError, with what would be accepted, for anything else."""
    kind = type(given).__name__
    if isinstance(given, Rows):
        check_rows(given, where)
        return _rename_traits(given)
    if is_like_rows(given):
        warnings.warn(f"{kind} has the methods of rows: derive it from trainwright.Rows", DeprecationWarning, stacklevel=2)
        return AdoptedRows(given)
    fix = "give an object of a class below trainwright.Rows, with `__len__` and `take(self, indices)`; "
    fix += "tw.fit takes tensors, a Dataset or a DataLoader too, and makes rows of them"
    raise DataError(f"a {kind} is no Rows", where=where, why="rows are taken by their numbers", fix=fix)


def tell_draws(rows: Rows) -> None:
    """Let rows of a class of one's own say that no run over them can be continued exactly, where their `take` is seen to draw by chance.

    Raises DataError where it gives another number of rows than it was asked for.

    The default generators stand elsewhere in a worker and after a restart; what an epoch draws is to follow from `begin_epoch`.
    """
    if rows.why_not_resumable or rows.single_pass or type(rows).__module__.startswith("trainwright.") or not len(rows):
        return
    with keep_draws():
        for each in GENERATORS.values():
            each.watch(0)
        try:
            found = rows.example()
        except FOREIGN:
            return  # told where a step is tried
        drawn = [name for name, each in GENERATORS.items() if each.drew()]
    _check_count(rows, found)
    if drawn:
        kind = type(rows).__name__
        why = f"{kind}.take draws from the default generator of {' and '.join(drawn)}, which differs in workers and after a restart"
        rows.why_not_resumable = f"{why}; seed one of its own in {kind}.begin_epoch(seed, epoch)"


def _check_count(rows: Rows, found: Any) -> None:
    """Raise DataError where the example, as every class has it, does not hold as many rows as it asks `take` for."""
    first = next((each for each in as_blocks(found).values() if isinstance(each, Tensor) and each.dim()), None)
    asked = min(FEW, len(rows))
    if rows.batched or type(rows).example is not Rows.example or first is None or len(first) == asked:
        return
    what = f"{type(rows).__name__}.take gives {len(first)} rows where {asked} are asked for"
    fix = "give the rows at `indices`, in that order, rows first; where each index is a whole batch, set `batched = True`"
    raise DataError(what, where="tw.fit", why=f"a tensor of shape {tuple(first.shape)}", fix=fix)


class AdoptedRows(Rows):
    """Rows of a class that is not below `Rows`, as such classes were written before it was one."""

    def __init__(self, given: Any) -> None:
        self._given = given
        for name in FACTS:
            for said in (name, *(old for old, new in RENAMED.items() if new == name)):
                if hasattr(given, said):
                    setattr(self, name, getattr(given, said))

    def __len__(self) -> int:
        return len(self._given)

    def take(self, indices: Tensor) -> Any:
        """As the object gives them."""
        return self._given.take(indices)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Told to the object, where it asks for it."""
        if hasattr(self._given, "begin_epoch"):
            self._given.begin_epoch(seed, epoch)

    def to(self, device: torch.device) -> Rows:
        """Moved by the object, where it can."""
        return AdoptedRows(self._given.to(device)) if hasattr(self._given, "to") else self

    def close(self, now: bool = False) -> None:
        """Told to the object, where it asks for it."""
        if hasattr(self._given, "close"):
            self._given.close()

    def parts(self) -> Iterator[tuple[str, Any]]:
        """The object."""
        yield "given", self._given


def _rename_traits(rows: Rows) -> Rows:
    """The rows, with what they say of themselves by names of before said by those of today."""
    for old, new in RENAMED.items():
        if old in vars(rows) or any(old in vars(kind) for kind in type(rows).__mro__):
            warnings.warn(f"{type(rows).__name__}.{old} is now called {new}", DeprecationWarning, stacklevel=3)
            setattr(rows, new, getattr(rows, old))
    return rows
