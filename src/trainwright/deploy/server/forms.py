"""A form of several parts: `rows` in JSON, and one part for each file, named by its column; several rows' files in their order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from trainwright.config.errors import DataError
from trainwright.deploy.server.bodies import PARTS, Body, of_json, of_rows, parse_json, within
from trainwright.deploy.server.refusals import Refused
from trainwright.deploy.server.service import Service

ROWS = "rows"
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # what is wrong with a form is answered, and no matter of the console


async def read_form(headers: Mapping[str, str], content: bytes, service: Service) -> Body:
    """The rows of a form; raises Refused for what is no form, DataError for files that do not fit the rows."""
    parts = await parse_form(headers, content, int(service.options.max_bytes))
    given = parts.pop(ROWS, [])
    if len(given) > 1:
        raise DataError("there are several parts `rows`", where="body", fix="send one, with a list of all rows")
    rows = _rows_of(parse_json(given[0] if isinstance(given[0], bytes) else given[0].encode())) if given else None
    texts = {name: [each if isinstance(each, str) else {"bytes": each} for each in values] for name, values in parts.items()}
    count = max((len(values) for values in texts.values()), default=0)
    listed = [{} for _ in range(count)] if rows is None else [rows] if isinstance(rows, dict) else rows
    for name, values in texts.items():
        if not isinstance(listed, list) or len(values) != len(listed):
            there = len(listed) if isinstance(listed, list) else 0
            fix = "send a part for each row, in the order of rows"
            raise DataError(f"{len(values)} parts for {there} rows", where=f"column '{name}'", fix=fix)
        listed = [{**row, name: value} if isinstance(row, dict) else row for row, value in zip(listed, values, strict=True)]
    return within(of_rows(listed), service.options.max_rows)


def _rows_of(given: Any) -> Any:
    """The rows of a part `rows`: a list of objects, one object, or what a body of JSON is."""
    whole = isinstance(given, dict) and len(given) == 1 and isinstance(next(iter(given.values())), list | dict)
    if not whole or next(iter(given)) not in ("rows", "columns"):
        return given
    body = of_json(given)
    names, columns = list(body.columns or {}), list((body.columns or {}).values())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def too_many_parts(kind: str) -> Refused:
    """The refusal of a form with more fields or files than are read."""
    why, fix = f"this server takes {PARTS:,} {kind} in one form", "send fewer rows at once"
    return Refused(413, "the form has too many parts", where="body", why=why, fix=fix)


async def parse_form(headers: Mapping[str, str], content: bytes, most: int) -> dict[str, list[str | bytes]]:
    """Name → the parts of that name: text, or the bytes of a file; raises Refused with 400 for what is no form."""

    async def stream() -> Any:
        yield content

    try:
        parser = MultiPartParser(Headers(dict(headers)), stream(), max_files=PARTS, max_fields=PARTS, max_part_size=most)
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        if str(error).startswith("Too many "):
            raise too_many_parts("files" if "files" in str(error) else "fields") from error
        why = str(error)[:300] or type(error).__name__
        raise Refused(400, "the body is not a form", where="body", why=why, fix="send multipart/form-data with a boundary") from error
    found: dict[str, list[str | bytes]] = {}
    for name, value in form.multi_items():
        found.setdefault(name, []).append(await _content(value) if isinstance(value, UploadFile) else value)
    await form.close()
    return found


async def _content(file: UploadFile) -> bytes:
    await file.seek(0)
    return await file.read()
