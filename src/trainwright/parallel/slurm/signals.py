"""The signal that Slurm sends a job before its time is over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import text_schema
from trainwright.parallel.slurm.times import JobTime

HEARD = ("USR1", "TERM", "INT", "HUP", "XCPU")
"""The signals on which a run saves and leaves."""
OTHERS = ("USR2", "KILL", "STOP", "CONT", "QUIT", "ALRM", "PIPE", "ABRT", "SEGV", "CHLD", "TSTP", "URG", "XFSZ", "VTALRM", "PROF")
MOST = 65_535
"""Seconds before the end that Slurm takes."""
EXAMPLE = "write for example USR1@120, the seconds before the end; off for none"


@dataclass(frozen=True)
class EarlySignal:
    """A signal and how many seconds before the end it comes; without a name there is none."""

    name: str
    seconds: int

    @classmethod
    def parse(cls, text: Any) -> EarlySignal:
        """The signal that `text` spells (`USR1@120`, `SIGTERM@5min`, `off`). Raises ConfigError naming those there are."""
        if isinstance(text, EarlySignal):
            return text
        if text is False or (isinstance(text, str) and text.lower() in ("off", "none", "")):
            return cls("", 0)
        found = re.fullmatch(r"\s*([A-Za-z]+[0-9]*)\s*@\s*(.+?)\s*", text) if isinstance(text, str) else None
        if found is None:
            raise ConfigError(f"{text!r} is no signal with a time", fix=EXAMPLE)
        name = found[1].upper().removeprefix("SIG")
        if name not in HEARD:
            there = name in OTHERS
            why = "a run does not save on it, and may end by it" if there else ""
            fix = f"one of: {', '.join(HEARD)}" if there else did_you_mean(name, HEARD)
            raise ConfigError(f"'{found[1]}' is no signal on which a run saves", why=why, fix=fix)
        seconds = int(found[2]) if found[2].isdigit() else JobTime.parse(found[2]).seconds
        if not 1 <= seconds <= MOST:
            raise ConfigError(f"{seconds} s before the end", why=f"Slurm takes 1 to {MOST} seconds", fix=EXAMPLE)
        return cls(name, seconds)

    def __str__(self) -> str:
        return f"{self.name}@{self.seconds}" if self.name else "off"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return text_schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = "|".join(HEARD)
        return {"type": "string", "pattern": rf"^\s*(off|none|(SIG)?({names})\s*@.+)\s*$", "examples": ["USR1@120", "TERM@5min", "off"]}
