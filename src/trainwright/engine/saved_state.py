"""What trainer.json of a checkpoint must hold before a session takes it: types and ranges, since a digest does not say who wrote it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainwright.checkpoint.store import Checkpoint
from trainwright.config.received import damage

Count = Annotated[int, Field(ge=0, lt=2**63)]


class SavedState(BaseModel):
    """The fields that every checkpoint has; parts check what is theirs (`optimizer`, `schedule`, `callbacks`) when they take it."""

    model_config = ConfigDict(strict=True, extra="allow")

    step: Count
    tick: Count = 0
    left_out: list[Count] = []
    skipped: Count = 0
    rollbacks: Count = 0
    plan: dict[str, Count] = {}
    extent: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    identity: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    averages: dict[str, Any] = {}
    growth: dict[str, Any] | None = None
    callbacks: dict[str, Any]
    boundary_pending: bool
    evaluated_at: int | None
    last_row: Annotated[list[float], Field(min_length=2, max_length=2)]
    last_tick: Count = 0
    scaler: dict[str, Any] | None = None
    recent_losses: list[float] | dict[str, Any] = []
    stopped_because: str
    seconds: dict[str, float]


def check_saved(state: dict[str, Any], checkpoint: Checkpoint, name: str) -> None:
    """Raise RunError naming the first field of the document `name` that is not as a checkpoint of this step has it."""
    place = checkpoint.folder / name
    try:
        saved = SavedState.model_validate(state)
    except ValidationError as error:
        first = error.errors()[0]
        raise damage(place, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if saved.step != checkpoint.manifest.step:
        raise damage(place, f"it is of step {saved.step}, in a checkpoint of step {checkpoint.manifest.step}")
