"""Errors as answers: what a status says, and the body that names what, where, why and the fix. No answer has a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import ManyErrors, RequestError, RunError, TrainwrightError
from trainwright.deploy.host.faults import Fault, FaultyRows

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
MOST = 100
"""Faults that one answer names; how many more there are it says."""


class Refused(RequestError):
    """A request that is answered with a status other than 422."""

    def __init__(self, status: int, what: str, *, headers: Mapping[str, str] | None = None, **said: str) -> None:
        super().__init__(what, **said)
        self.status, self.headers = status, dict(headers or {})


def status_of(error: TrainwrightError) -> int:
    """The status of a refusal, 413 for files beyond a limit, 422 for another mistake of who asks, 500 where the model is at fault."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, FaultyRows) and any(each.too_large for each in error.faults):
        return 413
    return 422 if isinstance(error, RequestError) and not isinstance(error, RunError) else 500


def body_of(error: TrainwrightError) -> dict[str, Any]:
    """`{"error": {…}}`, and `errors` with each where there are several."""
    said = [_of_fault(each) for each in error.faults] if isinstance(error, FaultyRows) else _of_errors(error)
    found: dict[str, Any] = {"error": said[0]}
    if len(said) > 1:
        found |= {"errors": said[:MOST], "count": len(said)}
    return found


def _of_errors(error: TrainwrightError) -> list[dict[str, Any]]:
    return [_of_one(each) for each in (error.errors if isinstance(error, ManyErrors) else [error])]


def _of_one(error: TrainwrightError) -> dict[str, Any]:
    said = {"what": error.what, "where": error.where, "why": error.why, "fix": error.fix}
    return {name: each for name, each in said.items() if each or name == "what"}


def _of_fault(fault: Fault) -> dict[str, Any]:
    said: dict[str, Any] = {"what": fault.what, "where": fault.where, "why": fault.why, "fix": fault.fix, "column": fault.column}
    found = {name: each for name, each in said.items() if each or name == "what"}
    return found if fault.row is None else {**found, "row": fault.row + 1}


def written(content: Any) -> bytes:
    """JSON in UTF-8; raises ValueError for a number that JSON has none of."""
    return ENCODER.encode(content).encode("utf-8", "backslashreplace")
