"""Encoders of pictures on three sets: parameters, accuracy on pictures held out, and processor seconds of the whole run.

    python -m benchmarks.images_models [--hands FOLDER] [--sets digits signs] [--encoders small_cnn vit] [--seeds 1]

Digits are those of scikit-learn as 8×8 PNG files, split at random. Signs are `trainwright synth pictures`, split by who drew them. Hands
are a folder with index.csv (path, digit, student), split by student. Every run is `trainwright train` with its own choice of settings.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import trainwright as tw
from trainwright.domains.images.synth.options import PicturesOptions
from trainwright.domains.images.synth.pictures import write_pictures

ENCODERS: dict[str, dict[str, Any]] = {
    "auto": {},
    "small_cnn": {},
    "image_resnet": {"depth": [1, 1, 1], "widths": [32, 64, 128], "stem": "cifar"},
    "image_convnext": {"depths": [2, 2, 2], "widths": [32, 64, 128], "patch": 2},
    "vit": {"width": 96, "depth": 6, "heads": 3},
}
"""Networks that two cores train in minutes."""


SETS = ("digits", "signs", "hands")


class Pictures(NamedTuple):
    """A set, and how it is read."""

    name: str
    source: str
    target: str
    column: str
    side: int
    config: dict[str, Any]


def write_digits(folder: Path) -> None:
    """One PNG for each digit, in the folder of its class."""
    found = load_digits()
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        place = folder / str(label) / f"{number:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image * 255 / 16).astype(np.uint8)).save(place)


def sets(folder: Path, hands: Path | None) -> Iterator[Pictures]:
    """The three sets; without a folder of hands two."""
    write_digits(folder / "digits")
    yield Pictures("digits", str(folder / "digits"), "label", "image", 8, {})
    (folder / "signs").mkdir()
    write_pictures(folder / "signs", 0, PicturesOptions(people=30, takes=6))
    by_person = {"split": {"type": "grouped", "column": "person"}}
    yield Pictures("signs", str(folder / "signs" / "index.csv"), "label", "path", 64, by_person)
    if hands is not None:
        by_student = {"split": {"type": "grouped", "column": "student"}}
        yield Pictures("hands", str(hands / "index.csv"), "digit", "path", 64, by_student)


def train(pictures: Pictures, encoder: str, seed: int, folder: Path) -> tuple[float, float, int]:
    """Accuracy on the test rows, processor seconds, and parameters."""
    options = dict(ENCODERS[encoder])
    if encoder == "vit":
        options["patch"] = max(pictures.side // 8, 1)
    column = {} if encoder == "auto" else {"columns": {pictures.column: {"encoder": {"type": encoder, **options}}}}
    quiet = {"trainer": {"progress": "none"}, "evaluation": {"report": False, "importance": False, "baselines": []}}
    begun = time.process_time()
    place = {"dir": str(folder / f"{pictures.name}-{encoder}-{seed}"), "seed": seed}
    run = tw.train(pictures.source, target=pictures.target, data=pictures.config, run=place, **column, **quiet)
    seconds = time.process_time() - begun
    accuracy, size = run.results["metrics"]["test"][pictures.target]["accuracy"], run.results["realised"]["parameters"]
    return float(accuracy), seconds, int(size)


def main() -> None:
    """Print a line for each set and encoder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hands", type=Path, help="a folder with index.csv: path, digit, student")
    parser.add_argument("--encoders", nargs="*", choices=ENCODERS, default=[*ENCODERS])
    parser.add_argument("--sets", nargs="*", choices=SETS, default=[*SETS])
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{'set':8} {'encoder':16} {'parameters':>12} {'accuracy':>9} {'processor':>12}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        for pictures in (each for each in sets(Path(place), arguments.hands) if each.name in arguments.sets):
            for encoder in arguments.encoders:
                found = [train(pictures, encoder, seed, Path(place)) for seed in range(arguments.seeds)]
                accuracy, seconds, sizes = (statistics.mean(each) for each in zip(*found, strict=True))
                print(f"{pictures.name:8} {encoder:16} {round(sizes):12,} {accuracy:9.4f} {seconds:10.1f} s", flush=True)


if __name__ == "__main__":
    main()
