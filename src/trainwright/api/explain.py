"""Why a trained model answers what it answers: methods by name over rows of any run, written as numbers, pictures and a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.api.explanation_pictures import draw_maps, draw_ranking, is_picture_name, write_picture
from trainwright.domains.predictor import Predictor
from trainwright.explain.blocks import blocks_of, facts, headline
from trainwright.explain.explanation import Explanation
from trainwright.explain.run import method_options
from trainwright.explain.study import Asked
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output_folder
from trainwright.files.text import write_json, write_text
from trainwright.report.page import render_blocks

METHOD = "integrated_gradients"
"""What is used where no method is named."""


def read_asked(
    method: str | Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    columns: Sequence[str] = (),
    groups: Sequence[Sequence[str]] = (),
    output: str = "",
    baseline: str = "",
    rows: int = 1000,
    row: Sequence[int] = (),
    seed: int = 0,
    batch_size: int = 256,
) -> Asked:
    """What a person asks, its options checked; raises RequestError for methods, options and numbers that cannot be."""
    made = method_options(method if isinstance(method, str) else dict(method), dict(options))
    asked = Asked(made, list(columns), [list(each) for each in groups], str(output), baseline, rows, list(row), seed, batch_size)
    asked.check()
    return asked


def explain_with(
    predictor: Predictor,
    asked: Asked,
    data: Any = None,
    *,
    split: str = "test",
    target: str = "",
    folder: str | os.PathLike[str] | None = None,
) -> Explanation:
    """What a method finds for the rows of `data`, or without any for a split of the run's own, written into `folder` when it is given.

    A `folder` that is named as a picture (`saliency.png`) is one: the map of the only row.
    """
    if folder is not None:
        ensure = ensure_output if is_picture_name(folder) else ensure_output_folder
        ensure(folder, [data if isinstance(data, str | os.PathLike) else [], predictor.reads])
    found = predictor.explain(asked, data, split, target)
    if folder is not None and is_picture_name(folder):
        write_picture(found, folder)
    elif folder is not None:
        write_explanation(found, Path(folder))
    return found


def write_explanation(found: Explanation, folder: Path) -> None:
    """Write a page, JSON, a picture, all numbers and the maps of the first rows into a folder, whole or not at all."""
    with write_output_folder(folder) as made:
        pictures = draw_maps(found, made)
        write_text(made / "picture.svg", draw_ranking(found))
        write_json(made / "explanation.json", found.as_json())
        np.savez(made / "attributions.npz", **arrays_of(found))
        page = render_blocks(headline(found), facts(found), blocks_of(found, pictures), made)
        write_text(made / "explanation.html", page)


def arrays_of(found: Explanation) -> dict[str, Any]:
    """All numbers as arrays by name."""
    arrays: dict[str, Any] = {"columns": np.array(found.columns)}
    if found.rows is not None:
        arrays |= {"rows": found.rows.indices + 1, "attributions": found.rows.attributions, "answer": found.rows.answer}
    for name, maps in found.maps.items():
        if maps and all(each.shape == maps[0].shape for each in maps):
            arrays[f"maps of {name}"] = np.stack(maps)
    arrays |= {f"mean map of {name}": each for name, each in found.mean_maps.items()}
    for curve in found.curves:
        arrays |= {f"curve of {curve.column}": curve.mean, f"curves of rows of {curve.column}": curve.rows}
    return arrays
