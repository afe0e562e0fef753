"""Where samples go: a folder of files, one picture of all, their numbers, or the pictures at each step of a sampler."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.sampling import Watch
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output, write_output_folder
from trainwright.runs.media import Media
from trainwright.runs.media.arrays import saving
from trainwright.runs.media.samples import SampleForm, grid_of, name_of, read_samples, write_apart, write_grid

FILES = (".png", ".npz", ".gif")
"""Endings of an output that is a file; any other name is that of a folder."""
INSTEAD = {
    **dict.fromkeys((".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pdf", ".svg"), ".png"),
    **dict.fromkeys((".npy", ".pt", ".pth", ".safetensors", ".csv", ".parquet", ".json", ".zip"), ".npz"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".webm"), ".gif"),
    **dict.fromkeys((".wav", ".flac", ".mp3", ".ogg", ".txt"), ""),
}
"""Endings of files that are not written → what is written of that kind, a folder where that is nothing."""
NUMBERS, ABOUT = "samples", "samples.json"
SECONDS, REST = 3.0, 1.5
"""Seconds that the way to the samples lasts in a `.gif`, and that its end is shown."""


@dataclass
class Made:
    """Samples to be written, and what is known of them."""

    given: Any
    form: SampleForm
    frames: list[Tensor] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def kind(self) -> str:
        """`images`, `audio`, `text` or `arrays`; of several by name nothing."""
        return "" if isinstance(self.given, Mapping) else read_samples(self.given, self.form, "sample")[0]


def ensure_place(output: str | Path, inputs: Any, steps: bool) -> None:
    """Raises RequestError, before anything is drawn, for a place that is taken; `steps`: whether a sampler's steps can be shown."""
    ending = Path(output).suffix.lower()
    refuse_ending(output, f"-o {output}")
    if ending == ".gif" and not steps:
        why = "its system makes samples by its own sample(n, generator), which shows no steps"
        raise RequestError("this model has no steps to show", where=f"-o {output}", why=why, fix="-o grid.png, or a folder")
    (ensure_output if ending in FILES else ensure_output_folder)(output, inputs)


def refuse_ending(output: str | Path, where: str) -> None:
    """Raises RequestError for a name that ends as a file does that is not written: a folder of that name is not what is meant."""
    ending = Path(output).suffix.lower()
    if ending in INSTEAD and not Path(output).is_dir():
        why = f"a file of samples ends in {', '.join(FILES[:-1])} or {FILES[-1]}; any other name is that of a folder"
        fix = f"{where.split()[0]} {Path(output).with_suffix(INSTEAD[ending])}"
        raise RequestError(f"samples are not written as {ending}", where=where, why=why, fix=fix)


def check_kind(output: str | Path, shape: tuple[int, ...], form: SampleForm, preview: str = "") -> None:
    """Raises RequestError where samples of a shape are no pictures, and a picture of them is asked for."""
    named = [(f"-o {output}", str(output))] if Path(output).suffix.lower() in (".png", ".gif") else []
    kind = read_samples(torch.zeros(1, *shape), form, "sample")[0]
    for where, _ in [*named, *([(f"--preview {preview}", preview)] if preview else [])]:
        if kind != "images":
            shown = " × ".join(map(str, shape))
            why = f"one has {shown} {'samples of sound' if kind == 'audio' else 'numbers'}"
            raise RequestError("these samples are no pictures", where=where, why=why, fix="-o samples.npz, or a folder")


def write_folder(made: Made, output: str | Path) -> list[str]:
    """Each sample in a file, arrays in one, pictures also side by side, and where there is more to tell `samples.json`; their names."""
    with write_output_folder(output) as temporary:
        media = Media(temporary)
        with saving(str(output), set()):
            files = [*write_apart(media, made.given, made.form), *write_grid(media, made.given, made.form)]
        if made.facts:
            about = {**made.facts, **({"labels": made.labels} if made.labels else {})}
            (temporary / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            files.append(temporary / ABOUT)
        return [path.relative_to(temporary).as_posix() for path in files]


def write_file(made: Made, output: str | Path) -> list[str]:
    """One file of all samples, by the ending of its name; raises RequestError for what is no picture where one is asked for."""
    ending = Path(output).suffix.lower()
    if ending == ".npz":
        arrays = arrays_of(made)
        with write_output(output) as place, place.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    else:
        with tempfile.TemporaryDirectory(prefix="trainwright-samples-") as folder:
            path = (_write_steps if ending == ".gif" else _write_picture)(made, Media(Path(folder)), str(output))
            with write_output(output) as place:
                shutil.copyfile(path, place)
    return [Path(output).name]


def arrays_of(made: Made) -> dict[str, np.ndarray]:
    """The samples as arrays by name, `samples` where they have none, and `labels`, the class of each."""
    given = made.given if isinstance(made.given, Mapping) else {NUMBERS: made.given}
    found = {name_of(key): _array(each) for key, each in given.items()}
    return {**found, **({"labels": np.array(made.labels, dtype=np.str_)} if made.labels else {})}


def _array(given: Any) -> np.ndarray:
    if isinstance(given, Tensor):
        return given.detach().cpu().to(torch.float32 if given.dtype in (torch.bfloat16, torch.float16) else given.dtype).numpy()
    if isinstance(given, list | tuple) and given and isinstance(given[0], Tensor):
        return np.stack([_array(each) for each in given])
    return np.array(given, dtype=np.str_) if isinstance(given, str | list | tuple) else np.asarray(given)


def _write_picture(made: Made, media: Media, output: str) -> Path:
    if made.kind != "images":
        why = f"they are {made.kind or 'several by name'}"
        raise RequestError("these samples are no one picture", where=f"-o {output}", why=why, fix="name a folder, or -o samples.npz")
    with saving(output, set()):
        pixels = read_samples(made.given, made.form, "sample")[1]
        return media.save_image("grid.png", _flat(pixels[0] if len(pixels) == 1 else grid_of(pixels)))


def _write_steps(made: Made, media: Media, output: str) -> Path:
    frames = [_shown(each, made.form) for each in made.frames]
    fps = max(len(frames) / SECONDS, 2.0)
    frames += [frames[-1]] * round(fps * REST)
    return media.save_img_sequence("steps.gif", [grid_of(each) for each in frames], fps=min(fps, 50.0))


def _shown(values: Tensor, form: SampleForm) -> np.ndarray:
    """Pictures of a step (n h w c): what is beyond black and white is that."""
    pixels: np.ndarray = read_samples(values.nan_to_num().clamp(*(form.range or (0.0, 1.0))), form, "a step")[1]
    return pixels


def _flat(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] if picture.shape[2] == 1 else picture


def show_preview(path: str, form: SampleForm) -> Watch:
    """What is told of each step and writes what the denoiser makes of the samples of the first batch by then."""
    refuse_ending(path, "--preview")
    ensure_output(path, where="--preview")

    def write(told: Mapping[str, Any]) -> None:
        if told["first"]:
            return
        with tempfile.TemporaryDirectory(prefix="trainwright-samples-") as folder:
            shown = _flat(grid_of(_shown(told["denoised"].float().cpu(), form)))
            made = Media(Path(folder)).save_image("grid.png", shown)
            with write_output(path, where="--preview") as place:
                shutil.copyfile(made, place)

    return write
