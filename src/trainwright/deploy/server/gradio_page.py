"""The model as a page of Gradio beside our own, for who has it: `trainwright serve RUN --gradio`."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError

PLACE = "/gradio"
FIX = (
    "in an environment of its own, since gradio wants other versions: python -m venv gradio; "
    "gradio/bin/pip install 'trainwright[serve]' gradio; or leave --gradio out: the page at / needs nothing"
)


def require_gradio(token: str = "") -> None:
    """Raises RequestError where gradio is not installed, or a token is asked for, which its page does not send."""
    if token:
        fix = "leave one of them out: the page at / asks for the token"
        raise RequestError("a page of Gradio sends no token", where="--gradio and --token-file", fix=fix)
    if find_spec("gradio") is None:
        raise RequestError("gradio is not installed", where="--gradio", why="it is about 100 MB, and no part of an extra", fix=FIX)


def add_gradio(app: Any) -> Any:
    """The application with a page of Gradio at `/gradio`, made from the schema of its service. Raises RequestError without gradio."""
    require_gradio()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing is told to anybody
    gradio: Any = import_module("gradio")

    service = app.state.service
    inputs, outputs = service.schema["inputs"], service.schema["outputs"]
    page = gradio.Interface(
        fn=answer_with(service),
        inputs=[_input(gradio, each) for each in inputs],
        outputs=[_output(gradio, each) for each in outputs],
        title=service.schema["model"].get("name") or "Trainwright",
        flagging_mode="never",
        analytics_enabled=False,
    )
    return gradio.mount_gradio_app(app, page, path=PLACE)


def answer_with(service: Any) -> Callable[..., Any]:
    """What Gradio calls with the values of its fields, in the order of the schema; gives one value for each target."""
    inputs, outputs = service.schema["inputs"], service.schema["outputs"]

    async def answer(*values: Any) -> Any:
        row = {each["name"]: _value(each, value) for each, value in zip(inputs, values, strict=True)}
        asked = service.raw_of([row])
        found = service.predictions(await service.answer(asked))[0]
        shown = [_shown(each, found) for each in outputs]
        return shown[0] if len(shown) == 1 else shown

    return answer


def _value(column: dict[str, Any], value: Any) -> Any:
    """A field's value as `/predict` takes it."""
    if value is None or value == "":
        return None
    return {"base64": base64.b64encode(Path(value).read_bytes()).decode()} if column.get("file") else value


def _shown(target: dict[str, Any], row: dict[str, Any]) -> Any:
    probability = target["columns"].get("probability")
    return {name: row[key] for name, key in probability.items()} if probability else row[target["columns"]["prediction"]]


def _input(gradio: Any, column: dict[str, Any]) -> Any:
    label, value, kind = column["name"], column.get("typical"), column["type"]
    choices: Sequence[Any] | None = column.get("values")
    if column.get("file"):
        return gradio.Image(label=label, type="filepath") if kind == "image" else gradio.File(label=label, type="filepath")
    if choices and kind in ("set", "bag"):
        return gradio.CheckboxGroup(choices=list(choices), label=label)
    if choices:
        return gradio.Dropdown(choices=list(choices), value=value, label=label)
    if kind == "number":
        return gradio.Number(value=value, label=label)
    return gradio.Textbox(value=value, label=label, lines=3 if kind == "text" else 1)


def _output(gradio: Any, target: dict[str, Any]) -> Any:
    if target["columns"].get("probability"):
        return gradio.Label(label=target["name"])
    return gradio.Number(label=target["name"]) if target["type"] == "number" else gradio.JSON(label=target["name"])
