"""The probability from which a row is called positive, when somebody who predicts asks for another than the model's."""

from __future__ import annotations

from collections.abc import Mapping

from trainwright.config.errors import RequestError
from trainwright.metrics.table import BINARY

TUNED = "tuned"


def read_threshold(given: float | str, kinds: Mapping[str, str], tuned: Mapping[str, float]) -> dict[str, float]:
    """Binary target → threshold, for a number from 0 to 1 or `tuned`, of targets by kind and those that were tuned.

    Raises RequestError for another word, and where there is no such target or threshold.
    """
    targets, where = [name for name, kind in kinds.items() if kind == BINARY], f"threshold {given}"
    if not targets:
        why = ", ".join(f"'{name}' is a {kind}" for name, kind in kinds.items())
        raise RequestError("a threshold decides between two classes", where=where, why=why, fix="leave it out")
    if given == TUNED:
        missing = [name for name in targets if name not in tuned]
        if missing:
            why = f"no validation rows of both classes of '{missing[0]}', or a run made before thresholds were kept"
            raise RequestError("this model keeps no tuned threshold", where=where, why=why, fix="write a number from 0 to 1")
        return {name: tuned[name] for name in targets}
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise RequestError("this is no threshold", where=where, why="it is a probability", fix="write a number from 0 to 1, or tuned")
    return dict.fromkeys(targets, number)
