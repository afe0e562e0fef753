"""The addresses and forms of `ludwig serve`, for clients that were written for it: `--ludwig-api`.

`POST /predict` takes a form with a field, or file, for each column of one row, and answers `{"<target>_predictions": …}`; `/batch_predict`
takes a field `dataset` with rows as pandas' `to_json(orient="split")` writes them, and answers in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from trainwright.config.errors import DataError
from trainwright.deploy.server.bodies import FORM, PARTS, Body, of_rows, parse_json
from trainwright.deploy.server.forms import parse_form, too_many_parts
from trainwright.deploy.server.refusals import Refused
from trainwright.deploy.server.service import Service

URL_FORM = "application/x-www-form-urlencoded"
FORMS = (FORM, URL_FORM)
DATASET = "dataset"
SPLIT = 'send {"columns": ["column", …], "data": [[value, …], …]}, as DataFrame.to_json(orient="split") writes it'
Parts = Mapping[str, Sequence[str | bytes]]


async def read_parts(headers: Mapping[str, str], kind: str, content: bytes, service: Service) -> Parts:
    """The fields of a form by name, text or the bytes of a file; raises Refused for what is no form."""
    if kind == FORM:
        return await parse_form(headers, content, int(service.options.max_bytes))
    try:
        return parse_qs(content.decode("utf-8"), keep_blank_values=True, max_num_fields=PARTS)
    except ValueError as error:
        if "number of fields" in str(error):
            raise too_many_parts("fields") from error
        raise Refused(400, "the body is not a form", where="body", why=str(error)[:300], fix=f"send {URL_FORM}") from error


def one_row(parts: Parts) -> Body:
    """The row of a form with a field for each column; raises DataError for a field that is there twice."""
    twice = next((name for name, values in parts.items() if len(values) > 1), None)
    if twice is not None:
        fix = "send one row, or several to /batch_predict"
        raise DataError(f"the field '{twice}' is there {len(parts[twice])} times", where="body", fix=fix)
    return of_rows([{name: values[0] if isinstance(values[0], str) else {"bytes": values[0]} for name, values in parts.items()}])


def rows_of_dataset(parts: Parts) -> Body:
    """The rows of the field `dataset`; raises DataError for another form, Refused where it is no JSON."""
    if len(parts.get(DATASET, [])) != 1:
        raise DataError("there is no field `dataset`", where="body", fix=f"in the field `dataset` {SPLIT}")
    text = parts[DATASET][0]
    given = parse_json(text if isinstance(text, bytes) else text.encode())
    if not isinstance(given, dict) or not isinstance(given.get("columns"), list) or not isinstance(given.get("data"), list):
        raise DataError("`dataset` has no `columns` and `data`", where="body", fix=SPLIT)
    names, rows = [str(each) for each in given["columns"]], given["data"]
    wrong = next((at for at, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(names)), None)
    if wrong is not None:
        raise DataError(f"row {wrong + 1} has not {len(names)} values", where="body", fix=SPLIT)
    return of_rows([dict(zip(names, row, strict=True)) for row in rows])


def in_words_of_ludwig(rows: list[dict[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Predictions by the names that Ludwig's have: `_predictions`, `_probabilities`, `_probability`, `_probabilities_<class>`."""
    return [_row(row, outputs) for row in rows]


def _row(row: Mapping[str, Any], outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in outputs:
        name, columns = each["name"], each["columns"]
        found[f"{name}_predictions"] = row[columns["prediction"]]
        probability = columns.get("probability")
        if probability:
            values = {word: row[key] for word, key in probability.items()}
            found[f"{name}_probabilities"] = list(values.values())
            found[f"{name}_probability"] = max((each for each in values.values() if each is not None), default=None)
            found |= {f"{name}_probabilities_{word}": value for word, value in values.items()}
    return found


def in_split_form(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as `DataFrame.to_dict("split")` gives them."""
    names = list(rows[0]) if rows else []
    return {"columns": names, "index": list(range(len(rows))), "data": [[row[name] for name in names] for row in rows]}
