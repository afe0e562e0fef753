"""`trainwright synth pictures`: signs drawn by several people, each with a pen, paper and hand of their own."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trainwright.domains.images.synth.options import PicturesOptions

NAMES = ("anna", "ben", "cora", "dan", "eva", "finn", "gina", "hugo", "ida", "jan", "kim", "leo")
TURN = np.linspace(0, 2 * np.pi, 25)
SIGNS: dict[str, tuple[list[tuple[float, float]], ...]] = {
    "cross": ([(-1, -1), (1, 1)], [(-1, 1), (1, -1)]),
    "ring": ([(float(np.cos(each)), float(np.sin(each))) for each in TURN],),
    "triangle": ([(-1, 0.8), (1, 0.8), (0, -1), (-1, 0.8)],),
    "zigzag": ([(-1, -0.8), (1, -0.8), (-1, 0.8), (1, 0.8)],),
    "hook": ([(-0.7, -1), (-0.7, 0.9), (0.8, 0.9)],),
    "bars": ([(-0.6, -1), (-0.6, 1)], [(0.6, -1), (0.6, 1)]),
}
"""Class → its strokes, as points between -1 and 1, y downwards."""
PARTS = (("train", 0.6), ("val", 0.8), ("test", 1.0))
"""Folder of a split → the share of the people up to which it is theirs."""
HTML = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not Found</body></html>"


def write_pictures(folder: Path, seed: int, options: PicturesOptions) -> None:
    """`CLASS/person_take.jpg`, also below `train/`, `val/`, `test/`, and `index.csv` with path, label and person of each."""
    rows, made = [("path", "label", "person")], list[Path]()
    for number in range(options.people):
        person = NAMES[number] if number < len(NAMES) else f"person{number + 1}"
        part = next(name for name, share in PARTS if number < share * options.people)
        for place, label in enumerate(SIGNS):
            for take in range(options.takes):
                rng = np.random.default_rng([seed, number, place, take])
                pixels = draw_sign(label, options.size, np.random.default_rng([seed, number]), rng)
                path = Path(*([part] if options.splits else []), label, f"{person}_{take}.jpg")
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(jpeg(pixels))
                rows.append((path.as_posix(), label, person))
                made.append(folder / path)
    for number in range(options.broken):
        whole = made[number * 7 % len(made)]
        broken = whole.with_name(f"broken_{number}.jpg")
        broken.write_bytes(break_file(whole.read_bytes(), number))
        rows.append((broken.relative_to(folder).as_posix(), broken.parent.name, broken.stem))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def draw_sign(label: str, size: int, person: np.random.Generator, rng: np.random.Generator) -> np.ndarray:
    """One sign by one hand: uint8 `(size, size, 3)`. `person`: the style, the same for all of one hand; `rng`: this picture."""
    paper, ink = person.uniform(120, 250, 3), person.uniform(0, 110, 3)
    width, slant = person.uniform(0.09, 0.2), person.normal(0, 0.15)
    angle, scale = slant + rng.normal(0, 0.2), rng.uniform(0.45, 0.75)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    at = (np.mgrid[:size, :size][::-1].reshape(2, -1).T + 0.5) / size * 2 - 1
    at = (at - rng.uniform(-0.2, 0.2, 2)) @ turn / scale
    far = np.min([_distance(at, *each) for stroke in SIGNS[label] for each in _segments(stroke, rng)], axis=0)
    cover = np.clip((width - far) * scale * size / 2 + 0.5, 0, 1).reshape(size, size, 1)
    light = 1 + 0.25 * (at @ rng.uniform(-0.5, 0.5, 2)).reshape(size, size, 1)
    pixels = (paper * (1 - cover) + ink * cover) * light + rng.normal(0, 9, (size, size, 3))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _segments(stroke: list[tuple[float, float]], rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pieces of a stroke, each point a little off."""
    points = np.array(stroke) + rng.normal(0, 0.05, (len(stroke), 2))
    return list(pairwise(points))


def _distance(at: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How far each point is from a segment."""
    along = end - start
    share = np.clip((at - start) @ along / (along @ along), 0, 1)
    return np.asarray(np.linalg.norm(at - start - share[:, None] * along, axis=1))


def jpeg(pixels: np.ndarray) -> bytes:
    """The bytes of a JPEG file, quality 90."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=90)
    return held.getvalue()


def break_file(content: bytes, number: int) -> bytes:
    """What a reader meets sooner or later: half a file, no bytes, a page saved as a picture, a picture without its first bytes."""
    return (content[: len(content) // 2], b"", HTML, b"\0\0\0\0" + content[4:])[number % 4]
