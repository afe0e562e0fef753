"""Files of later rows that cannot be read: what becomes of their rows, where a person says otherwise than in training."""

from __future__ import annotations

from collections.abc import Mapping

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.features.encoding import TableEncoder


def set_policies(encoder: TableEncoder, columns: Mapping[str, str], everywhere: str | None) -> None:
    """Give input columns of files their policy (`error`, `skip`, `repair`) for later rows; `everywhere`: of the others, and of the source.

    Raises RequestError for a column that has no files, and where none has.
    """
    files = {name: encoder.features[name] for name in encoder.inputs if "unreadable" in type(encoder.features[name].config).model_fields}
    for name in columns:
        if name not in files:
            fix = did_you_mean(name, files) if files else "leave it out"
            raise RequestError(f"the model reads no column '{name}' of files", where=f"columns.{name}.unreadable", fix=fix)
    if everywhere is not None and not files:
        raise RequestError("the model reads no column of files", where="data.source.unreadable", fix="leave it out")
    if everywhere is not None and encoder.reading is not None:
        encoder.reading.options["unreadable"] = everywhere
    for name, feature in files.items():
        if policy := columns.get(name, everywhere):
            feature.config = feature.config.model_copy(update={"unreadable": policy})
