"""What a loss has against the rows that it failed on."""

from __future__ import annotations

from typing import Any

from trainwright.config.errors import DataError
from trainwright.engine.recovery import out_of_memory
from trainwright.losses.base import Criterion


def explain_refusal(loss: Criterion, error: Exception, output: Any, target: Any, batch: Any, where: str) -> DataError | None:
    """What a loss that failed on these rows has against them, in our words; None where it has nothing."""
    if out_of_memory(error):
        return None
    try:
        loss.check(output, target, batch)
    except DataError as found:
        return DataError(found.what, where=f"{where}; {found.where}", why=found.why, fix=found.fix)
    except (RuntimeError, ValueError, IndexError):
        return None
    return None
