"""Things that can be gone through, and whether they begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from typing import Any

from trainwright.data.loader_rows import chain, seed_for, tell_epoch


class Passes:
    """Something that can be gone through, begun anew for each pass; `once` says that it cannot be begun again."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.makes = callable(data) and not hasattr(data, "__iter__")
        self.once = not self.makes and reads_once(data)
        self.is_loader = hasattr(data, "batch_size") and hasattr(data, "num_workers") and hasattr(data, "dataset")
        self.workers = int(data.num_workers) if self.is_loader else 0
        self.follows = any(hasattr(type(each), "update_step") for each in chain(data))
        """Whether an item may depend on the step that it is read at, so that none may be read before."""
        self.kind = getattr(data, "__name__", "function") if self.makes else type(data).__name__

    def begin(self, seed: int, number: int, epoch: int) -> Iterator[Any]:
        """An iterator under generators seeded from (seed, number); the data are told the epoch."""
        if self.makes:
            seed_for(seed, number, None)
            return iter(self.data(**({"epoch": epoch} if "epoch" in _parameters(self.data) else {})))
        if not self.once:
            tell_epoch(self.data, epoch)
            if self.workers and getattr(self.data, "persistent_workers", False):
                self.data._iterator = None  # workers that live on keep their generators, and are not told the epoch
        # Before `iter`, which already draws: a loader the seeds of its workers, and many datasets their order.
        seed_for(seed, number, None if self.once else self.data)
        return iter(self.data)

    def said_length(self) -> int | None:
        """What `__len__` says: batches of a loader, items of anything else; None without one."""
        try:
            return None if self.makes else len(self.data)
        except (TypeError, NotImplementedError, AttributeError):
            return None


def reads_once(data: Any) -> bool:
    """Whether an iterator gives its items once: a generator, a file, a map; a dataset that is its own iterator begins again."""
    from torch.utils.data import IterableDataset

    begins_again = isinstance(data, IterableDataset) or hasattr(data, "__len__") or hasattr(data, "set_epoch") or _begins_anew(data)
    return isinstance(data, Iterator) and not begins_again


def _begins_anew(data: Any) -> bool:
    """Whether a class's own `__iter__` does more than to return the object, as one that is its own iterator and begins anew does."""
    code = getattr(type(data).__iter__, "__code__", None) if hasattr(type(data), "__iter__") else None
    return code is not None and bool(code.co_names)


def _parameters(function: Callable[..., Any]) -> Iterable[str]:
    try:
        return signature(function).parameters
    except (TypeError, ValueError):
        return ()
