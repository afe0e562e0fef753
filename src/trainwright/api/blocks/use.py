"""The commands that use a run and repeat it; `{run}` stands for its directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.report.material import mapping

SECTION = "Use it, repeat it"
AGAIN = "The configuration holds every default, so running it again on the same data, code and machine repeats the run."


def use_table(targets: Sequence[str], command: str) -> list[dict[str, Any]]:
    """How to predict with the model of a table, from a shell and from Python, and how to repeat the run."""
    added = ", ".join(f"{target}_prediction" for target in targets[:3])
    python = "import trainwright as tw\n\nrun = tw.load({run})\nrun.predict(dataframe)" + (f"  # adds {added}" if added else "")
    return [
        _code("Predict new rows", "trainwright predict {run} new.csv -o predictions.csv"),
        _code("From Python", python, "python"),
        _code("Measure it on other data", "trainwright evaluate {run} data.csv"),
        *_repeat(command),
    ]


def use_own(config: Mapping[str, Any], command: str) -> list[dict[str, Any]]:
    """The same for a system of one's own, whose data its configuration names; `tw.fit` was called from Python."""
    python = _code("From Python", "import trainwright as tw\n\ntw.load_weights(model, {run})", "python")
    if mapping(config.get("system")).get("type", "given") == "given":
        return [python]
    measure = "trainwright test {run}\ntrainwright predict {run} --split test -o predictions.npz"
    return [
        _code("Measure it, predict", measure),
        _code("Take the model out", "trainwright export {run} -o model"),
        python,
        *_repeat(command),
    ]


def _repeat(command: str) -> list[dict[str, Any]]:
    said = [_code("Repeat this run", command, "plain")] if command else []
    again = _code("" if command else "Repeat this run", "trainwright train {run}/config.yaml")
    return [*said, again | {"note": AGAIN}]


def _code(title: str, text: str, language: str = "shell") -> dict[str, Any]:
    return {"type": "text", "section": SECTION, "title": title, "text": text, "code": language}
