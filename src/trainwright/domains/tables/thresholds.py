"""The probability from which a row is called positive, when somebody who predicts asks for another than the model's."""

from __future__ import annotations

from trainwright.config.errors import RequestError
from trainwright.domains.tables.model import Model

TUNED = "tuned"


def read_threshold(given: float | str, model: Model) -> dict[str, float]:
    """Binary target → threshold, for a number from 0 to 1 or `tuned`; raises RequestError for another word, and where there is none."""
    targets = [spec for spec in model.encoder.spec.targets if spec.kind == "binary"]
    where = f"threshold {given}"
    if not targets:
        kinds = ", ".join(f"'{spec.name}' is a {spec.kind}" for spec in model.encoder.spec.targets)
        raise RequestError("a threshold decides between two classes", where=where, why=kinds, fix="leave it out")
    if given == TUNED:
        known = {name: float(each["threshold"]) for name, each in model.tuned.items()}
        missing = [spec.name for spec in targets if spec.name not in known]
        if missing:
            why = f"no validation rows of both classes of '{missing[0]}', or a run made before thresholds were kept"
            raise RequestError("this model keeps no tuned threshold", where=where, why=why, fix="write a number from 0 to 1")
        return {spec.name: known[spec.name] for spec in targets}
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise RequestError("this is no threshold", where=where, why="it is a probability", fix="write a number from 0 to 1, or tuned")
    return dict.fromkeys([spec.name for spec in targets], number)
