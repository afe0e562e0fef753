"""`/openapi.json`: what is taken and given, from the columns of the model."""

from __future__ import annotations

from typing import Any

from trainwright._version import __version__
from trainwright.deploy.server.bodies import CSV, FILE, FORM, JSON, STREAM
from trainwright.deploy.server.service import Service

SINGLE = {"number": ["number", "string", "boolean", "null"]}
SEVERAL = ("set", "bag", "sequence", "vector", "timeseries")
WITHOUT_TOKEN = ("/health", "/ready")
"""Addresses that ask for no token."""
REFUSALS = {
    "400": "the body is no JSON, CSV or Arrow",
    "401": "the token is missing or wrong",
    "408": "the body did not come in time",
    "413": "too many bytes, rows or pixels",
    "415": "a body of another type",
    "422": "values that cannot be read, or columns that are missing",
    "500": "the server failed",
    "503": "too many requests wait",
    "504": "it took too long",
}


def describe_api(service: Service, secured: bool = False) -> dict[str, Any]:
    """The description of every address, OpenAPI 3.1; `secured` where a token is asked for."""
    gets = {
        "/health": ("whether the process answers", "Health"),
        "/ready": ("whether the model is loaded and has answered a row", "Ready"),
        "/schema": ("what the model takes and gives", "Schema"),
        "/model": ("which model it is", "Model"),
    }
    paths: dict[str, Any] = {
        path: {"get": {"summary": summary, "responses": {"200": _json({"type": "object"}), **_refusals("401", "503")}}}
        for path, (summary, _) in gets.items()
    }
    text = {"description": "counts in the text format of Prometheus", "content": {"text/plain": {"schema": {"type": "string"}}}}
    paths["/metrics"] = {"get": {"summary": "counts, for Prometheus", "responses": {"200": text, **_refusals("401")}}}
    paths["/predict"] = {"post": _predict(service)}
    paths |= {"/explain": {"post": _explain(paths["/predict"]["post"]["requestBody"])}} if service.schema.get("explains") else {}
    info = {"title": service.backend.name, "version": __version__, "description": f"model {service.backend.digest}"}
    if not secured:
        return {"openapi": "3.1.0", "info": info, "paths": paths, "components": _components()}
    for path in WITHOUT_TOKEN:
        paths[path]["get"]["security"] = []
    schemes = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": _components() | schemes, "security": [{"token": []}]}


def _predict(service: Service) -> dict[str, Any]:
    row = _row(service.schema["inputs"])
    rows = {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {"rows": _rows(row)}}
    lists = {name: {"type": "array", "items": each} for name, each in row["properties"].items()}
    columns = {"type": "object", "properties": lists, "required": row["required"]}
    by_column = {"type": "object", "required": ["columns"], "additionalProperties": False, "properties": {"columns": columns}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {JSON: {"schema": {"anyOf": [rows, by_column]}}, CSV: {"schema": {"type": "string"}}, STREAM: binary, FILE: binary}
    form = {"type": "object", "properties": {"rows": {"type": "string", "contentMediaType": JSON}}}
    answers = {
        "description": "a prediction for each row",
        "content": {JSON: {"schema": _answer(service)}, CSV: {"schema": {"type": "string"}}, STREAM: binary, FILE: binary},
    }
    return {
        "summary": "predict rows",
        "requestBody": {"required": True, "content": {**content, FORM: {"schema": form}}},
        "responses": {"200": answers, **_refusals(*REFUSALS)},
    }


def _explain(body: dict[str, Any]) -> dict[str, Any]:
    """One row as `/predict` takes it, and what moved its answer."""
    which = {"name": "output", "in": "query", "description": "the target; default: the first", "schema": {"type": "string"}}
    summary = "what moved the answer to one row: by how much it falls with each column as is typical"
    answered = {"200": _json({"type": "object"}), **_refusals(*REFUSALS)}
    return {"summary": summary, "parameters": [which], "requestBody": body, "responses": answered}


def _rows(row: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": row, "minItems": 1}, row]}


def _row(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {each["name"]: _column(each) for each in inputs}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _column(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("file"):
        kinds = ["object", *(["array"] if ".npy" in given.get("accept", "") else []), "null"]
        return {"type": kinds, "properties": {"base64": {"type": "string"}}, "required": ["base64"]}
    if given["type"] in SEVERAL:
        return {"type": ["array", "string", "null"]}
    return {"type": SINGLE.get(given["type"], ["string", "number", "boolean", "null"])}


def _answer(service: Service) -> dict[str, Any]:
    said = {"predictions": {"type": "array", "items": {"type": "object"}}, "model": {"type": "string"}, "notes": {"type": "object"}}
    return {"type": "object", "properties": said, "required": list(said)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "as it is", "content": {JSON: {"schema": schema}}}


def _refusals(*statuses: str) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {status: {"description": REFUSALS[status], "content": content} for status in statuses}


def _components() -> dict[str, Any]:
    words = {name: {"type": "string"} for name in ("what", "where", "why", "fix", "column")}
    error = {"type": "object", "properties": {**words, "row": {"type": "integer", "minimum": 1}}, "required": ["what"]}
    refusal = {
        "type": "object",
        "properties": {"error": error, "errors": {"type": "array", "items": error}, "count": {"type": "integer"}},
        "required": ["error"],
    }
    return {"schemas": {"Refusal": refusal}}
