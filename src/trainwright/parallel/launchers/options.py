"""What the `launch:` section has whoever starts the processes. Imports no torch."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.config.durations import Duration, time_above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal

INIT = re.compile(r"env|tcp://[^/\s]+:[0-9]{1,5}|file:///.+")


class LaunchOptions(PartConfig):
    """Which processes train together; no part of what a run is, so another number of them may continue it."""

    inside: ClassVar[tuple[str, ...] | None] = None
    """The launchers in whose processes this may be asked for, as `Launched.launcher` names them; None for any."""

    type: str = "auto"
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Processes on a machine, one per GPU where there are GPUs; `auto`: as many as GPUs. `--devices N` is short for it."""
    init: str = Field(default="env", json_schema_extra={"pattern": f"^({INIT.pattern})$"})
    """Where processes of another launcher meet: `env` (MASTER_ADDR, MASTER_PORT), `tcp://HOST:PORT`, or `file:///PATH` on a shared disk."""
    timeout: Duration = Duration.parse("60 s")
    """How long the first processes wait for the last one to arrive."""
    tee: bool = False
    """Show what all ranks say, each line with its rank; otherwise only rank 0 speaks, and the others write `logs/rank-N.txt`."""
    debug: Literal["off", "info", "detail"] = "off"
    """What torch checks and says of its collectives; `detail` finds ranks that call different ones, and is slow."""

    _timeout = field_validator("timeout")(time_above_zero)

    @field_validator("init")
    @classmethod
    def _is_a_meeting_point(cls, value: str) -> str:
        if not INIT.fullmatch(value):
            fix = "one of: env, tcp://HOST:PORT, file:///PATH"
            raise as_refusal(ConfigError(f"'{value}' is no place where processes can meet", fix=fix))
        return value
