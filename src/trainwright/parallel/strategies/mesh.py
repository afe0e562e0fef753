"""How the processes of a run are laid out: replicas, parts of what is sharded, parts of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from pydantic import Field

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel

WHERE = "trainer.strategy.mesh"
DIMENSIONS = ("replicate", "shard", "tp")
"""From the outside in: ranks that are next to each other, which are nearest as a rule, split layers."""


class MeshOptions(ConfigModel):
    """How many processes go in each direction; what is left open follows from the others and the number of processes."""

    replicate: int | None = Field(default=None, ge=1)
    """Groups of processes that each hold the whole model between them and take rows of their own."""
    shard: int | None = Field(default=None, ge=1)
    """Processes over which the parameters of one replica are dealt by `fsdp`; each takes rows of its own."""
    tp: int | None = Field(default=None, ge=1)
    """Processes over which the layers of `plan` are split; they take the same rows."""


@dataclass(frozen=True)
class Mesh:
    """The layout of so many processes, and the place of one of them."""

    replicate: int
    shard: int
    tp: int
    rank: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """Those larger than 1, from the outside in."""
        return {name: getattr(self, name) for name in DIMENSIONS if getattr(self, name) > 1}

    @property
    def place(self) -> tuple[int, int, int]:
        """Of this process in each direction."""
        outer, tp = divmod(self.rank, self.tp)
        return (*divmod(outer, self.shard), tp)

    @property
    def data_rank(self) -> int:
        """Which share of the rows it takes."""
        return self.rank // self.tp

    @property
    def data_size(self) -> int:
        """Into how many shares the rows are dealt."""
        return self.replicate * self.shard

    def make(self, device_type: str) -> Any:
        """Torch's mesh of all three directions, in this order, those of one process among them."""
        from torch.distributed.device_mesh import init_device_mesh

        # The group that decisions go over is gloo's on every machine; what goes over the mesh is on the device.
        over: Any = dict.fromkeys(DIMENSIONS, "nccl") if device_type == "cuda" else None
        return init_device_mesh(device_type, (self.replicate, self.shard, self.tp), mesh_dim_names=DIMENSIONS, backend_override=over)


def lay_out(options: MeshOptions, kind: str, size: int, rank: int) -> Mesh:
    """The layout that `options` ask for with strategy `kind`. Raises ConfigError, with those there are, where it is none of so many."""
    main = "shard" if kind == "fsdp" else "tp"
    given = {name: getattr(options, name) for name in DIMENSIONS if getattr(options, name) is not None}
    if kind == "tp" and given.get("shard", 1) > 1:
        why, fix = "with 'tp' whole layers are split, and nothing else", "use strategy fsdp with this mesh, which takes a plan too"
        raise ConfigError("strategy 'tp' has no direction 'shard'", where=WHERE, why=why, fix=fix)
    known = prod(given.values())
    sizes = dict.fromkeys(DIMENSIONS, 1) | given
    if size % known == 0:
        left = next((name for name in (main, "replicate") if name not in given), None)
        if left is not None:
            sizes[left] = size // known
    if prod(sizes.values()) != size:
        shown = ", ".join(f"{name}: {count}" for name, count in given.items())
        why = f"that is {prod(sizes.values())} processes, and {size} train this run"
        fix = f"of {size} processes: {'; '.join(legal_splits(kind, size))}"
        raise ConfigError(f"mesh {{{shown}}} does not fit", where=WHERE, why=why, fix=fix)
    return Mesh(**sizes, rank=rank)


def legal_splits(kind: str, size: int, limit: int = 8) -> list[str]:
    """The layouts of so many processes, as they are written: those with the fewest directions first."""
    names = DIMENSIONS if kind == "fsdp" else ("replicate", "tp")
    divisors = [each for each in range(1, size + 1) if size % each == 0]
    found = []
    for replicate in divisors:
        for shard in divisors if "shard" in names else [1]:
            rest, over = divmod(size, replicate * shard)
            if not over and rest in divisors:
                found.append({"replicate": replicate, "shard": shard, "tp": rest})
    used = [{name: count for name, count in each.items() if count > 1} for each in found]
    in_order = sorted(used, key=lambda each: (len(each), -each.get("shard", 0)))
    shown = [f"{{{', '.join(f'{name}: {count}' for name, count in each.items())}}}" for each in in_order if each]
    return shown[:limit] + ([f"and {len(shown) - limit} more"] if len(shown) > limit else [])
