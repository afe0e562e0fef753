"""A board on which each process pins up a few values that others may read at any time, without meeting anybody."""

from __future__ import annotations

import json
from typing import Any

import torch.distributed as dist
from torch.distributed import distributed_c10d


class Board:
    """Values by name and rank, in the store in which the processes of a group met.

    Nobody waits for anybody: a value is the last one that was pinned up, or None. By a connection of its own, so that a thread may use it
    while another one waits. Every method raises RuntimeError (torch's DistStoreError) when the process that keeps the store has left.
    """

    def __init__(self, group: Any = None, name: str = "") -> None:
        """`group`: the processes, the default group unless given. `name`: that of one of several boards."""
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        store: Any = distributed_c10d._get_default_store()
        first = dist.get_global_rank(group, 0) if group is not None else 0
        self._store = distributed_c10d.PrefixStore(f"trainwright/{first}/{name}", store.clone())

    def pin(self, name: str, value: Any) -> None:
        """Pin up a JSON-able value of this process in the place of its last one."""
        self._store.set(f"{name}/{self.rank}", json.dumps(value))

    def read(self, name: str, rank: int) -> Any:
        """The value that a process pinned up last, None where it never did."""
        key = f"{name}/{rank}"
        return json.loads(self._store.get(key)) if self._store.check([key]) else None
