"""The `trainer.strategy:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal
from trainwright.config.name_patterns import Pattern
from trainwright.parallel.strategies.hook_options import Hooks
from trainwright.parallel.strategies.mesh import MeshOptions
from trainwright.parallel.strategies.other_names import OTHERS
from trainwright.parallel.strategies.plan_options import Layer
from trainwright.parallel.strategies.sharded_options import GroupOptions, ShardPrecision

Kind = Literal["auto", "single", "ddp", "zero", "fsdp", "tp"]
BELONGS: dict[str, tuple[str, ...]] = {
    "reduce": ("auto", "ddp", "zero"),
    "reduction": ("auto", "ddp"),
    "hook": ("auto", "ddp"),
    "mesh": ("fsdp", "tp"),
    "plan": ("fsdp", "tp"),
    "groups": ("fsdp",),
    "precision": ("fsdp",),
    "reshard": ("fsdp",),
    "offload": ("fsdp",),
}
"""Option → the strategies that it is of."""


class StrategyOptions(ConfigModel):
    """How a step runs over the processes of a run; the run is the same for each."""

    type: Kind = "auto"
    """`auto`: `single` for one process, `ddp` for several. `ddp`: every process holds the whole model, and gradients are summed.

    `zero`: as ddp, and each keeps the optimizer's state of a part of the parameters. `fsdp`: each keeps a part of every parameter, its
    gradient and state. `tp`: the layers of `plan` are split. Products are written as a `mesh`: `{type: fsdp, mesh: {replicate: 2, tp: 2}}`.
    """
    reduce: Literal["fast", "ordered"] = "fast"
    """`fast`: gradients are summed in one exchange, in an order of its own. `ordered`: they are added piece by piece in the order of rows,
    so that every number of processes gives the same bits, for an exchange of all pieces."""
    reduction: Literal["own", "torch"] = "own"
    """`torch`: torch's DistributedDataParallel sums gradients, bucket by bucket while the backward pass goes on."""
    batch_norm: Literal["local", "sync"] = "local"
    """`sync`: a batch norm takes the mean over the rows that all processes have at a time, as one that has them all. `local`: each over its
    own, as one process does in micro-batches; running statistics become the mean over processes before an evaluation and a checkpoint."""
    streams: Literal["same", "own"] = "same"
    """Of an iterable, a loader or a generator: `same`, each process reads all batches and takes its rows of each. `own`: what each reads is
    its own share of the data, and a step has a batch of each of them."""
    uneven: Literal["continue", "stop", "error"] = "continue"
    """Where shares do not end together: `continue`, a process with none left adds nothing, until all have ended; `stop`, the first end is
    the end of all; `error`."""
    hook: Hooks | None = None
    """What is done to gradients on their way, by torch's reduction: `fp16`, `bf16`, `powersgd`, or a function of your own by its path."""
    mesh: MeshOptions = MeshOptions()
    """How the processes are laid out: `{replicate: 2, shard: 4, tp: 2}`, from the outside in."""
    plan: dict[Pattern, Layer] = {}
    """Pattern of names → how such layers are split over the processes of `tp`: `{'*.up': colwise, '*.down': rowwise}`."""
    groups: GroupOptions = GroupOptions()
    """Which modules `fsdp` gathers and frees together."""
    precision: ShardPrecision | None = None
    """Other formats of the groups of `fsdp`; `trainer.precision` is that of the arithmetic and needs none of this."""
    reshard: bool = True
    """Whether `fsdp` frees the gathered weights of a group after the forward pass, and gathers them again for the backward pass."""
    offload: Literal["none", "cpu"] = "none"
    """`cpu`: the parts of `fsdp`, their gradients and the optimizer's state are in the memory of the host."""

    @property
    def by_torch(self) -> bool:
        """Whether torch's own reduction sums the gradients."""
        return self.hook is not None or self.reduction == "torch"

    @model_validator(mode="before")
    @classmethod
    def _refuse_others_names(cls, values: Any) -> Any:
        asked = values.get("type") if isinstance(values, dict) else None
        name = asked.lower().replace("-", "_") if isinstance(asked, str) else ""
        if name in OTHERS:
            raise as_refusal(ConfigError(f"there is no strategy '{asked}'", fix=OTHERS[name]))
        return values

    @model_validator(mode="after")
    def _together(self) -> StrategyOptions:
        for name in sorted(self.model_fields_set):
            of = BELONGS.get(name)
            if of is not None and self.type not in of and getattr(self, name) != type(self).model_fields[name].get_default():
                belongs = " and ".join(each for each in of if each != "auto")
                why, fix = f"it belongs to {belongs}, and the strategy is {self.type}", f"leave {name} out, or use {of[-1]}"
                raise as_refusal(ConfigError(f"'{name}' does nothing here", why=why, fix=fix))
        if self.hook is not None and self.reduce == "ordered":
            why = "a hook acts on what torch sums in an order of its own"
            raise as_refusal(ConfigError("a hook cannot be combined with reduce: ordered", why=why, fix="leave one of the two out"))
        if self.reduction == "torch" and self.reduce == "ordered":
            why = "torch sums in an order of its own"
            raise as_refusal(ConfigError("torch's reduction cannot be ordered", why=why, fix="leave reduction out, or use reduce: fast"))
        return self


def _by_name(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Strategies = Annotated[StrategyOptions, BeforeValidator(_by_name, json_schema_input_type=Kind | StrategyOptions)]
"""A name, or a mapping with `type`."""
