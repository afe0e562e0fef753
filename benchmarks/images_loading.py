"""What loading pictures costs: ours against a DataLoader over a folder of pictures decoded by Pillow, at equal pixels.

    python -m benchmarks.images_loading [--folder FOLDER] [--size 64] [--repeats 5]

FOLDER has a folder of pictures for each class; without one, 200 photographs of 500 x 375 are drawn, and `--size` is 224. Both resize the
short side by Pillow and take the middle, and give uint8 in batches of 32, in this process; all batches are compared once. Each repeat
goes through all pictures three times, one after the other: the DataLoader, ours without anything kept, ours again. Processor time is
measured, so that others on the machine do not count. Then the network that is usual for such a column is trained on the kept pictures, and
the share of its time is printed in which it waits for a batch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainwright.config.choice import choose
from trainwright.data.cache import CachedData
from trainwright.data.cache.samples import STILL
from trainwright.data.rows import Rows
from trainwright.data.sources.opening import open_source
from trainwright.features.encoding import EncodedTable
from trainwright.features.kept import keep_columns
from trainwright.features.table_rows import table_rows
from trainwright.systems.parts import make_encoder

BATCH, DRAWN = 32, 200


class ImageFolder(Dataset[Tensor]):
    """As torchvision's: each picture is opened and converted by Pillow, resized by its short side, and cut in the middle."""

    def __init__(self, paths: list[str], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Tensor:
        with open(self.paths[row], "rb") as file:
            picture = Image.open(file).convert("RGB")
        width, height = (self.size * each // min(picture.size) for each in picture.size)
        if (width, height) != picture.size:
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        picture = picture.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class AllTrain:
    """Every row trains."""

    def __init__(self, rows: int) -> None:
        self.train, self.validation, self.test = np.arange(rows), np.arange(0), np.arange(0)


def draw_photographs(folder: Path, count: int) -> None:
    """Smooth pictures with some noise, as JPEG of quality 90, in two folders."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(500), np.arange(375))
    for number in range(count):
        waves = [np.sin(across * a + down * b + c) for a, b, c in rng.uniform(0.005, 0.05, (3, 3))]
        picture = 127 + 80 * np.stack(waves, axis=2) + rng.normal(0, 6, (375, 500, 3))
        place = folder / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(place / f"{number:04d}.jpg", quality=90)


def encode(folder: str, size: int) -> tuple[EncodedTable, list[str]]:
    """The pictures of a folder as a column without augmentation, and their paths."""
    source = open_source(choose("source", {"type": "image_folder", "path": folder}), 4 << 30)
    image = choose("feature", {"type": "image", "size": size, "channels": 3, "resize": "crop", "augment": "none"})
    columns = {"image": image, "label": choose("feature", "category")}
    table = EncodedTable.fit(source, AllTrain(len(source)), columns, ["image"], ["label"])
    feature: Any = table.encoder.features["image"]
    paths = [feature.path(row, text) for row, text in enumerate(source.read(columns=["image"])["image"].to_pylist())]
    return table, paths


def keep_anew(table: EncodedTable, place: str) -> Rows:
    """The rows with a cache that has nothing yet."""
    os.environ["TRAINWRIGHT_CACHE"] = place
    feature: Any = table.encoder.features["image"]
    if feature.opened is not None and feature.opened[0] is not None:
        feature.opened[0].close()
    feature.opened = None
    keep_columns(table.encoder.features, CachedData.model_validate({"type": "x", "cache": "auto"}))
    return table_rows(table, np.arange(len(table.rows)), training=True)


def seconds_of(batches: Any) -> float:
    """Processor seconds to go through all batches."""
    begun = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - begun


def batches_of(rows: Rows) -> Any:
    """All rows in batches."""
    return (rows.take(torch.arange(start, min(start + BATCH, len(rows))))["image.value"] for start in range(0, len(rows), BATCH))


def wait_share(table: EncodedTable, rows: Rows) -> tuple[float, float]:
    """Milliseconds of a step of the usual network, and the share of an epoch in which it waits for kept pictures."""
    from trainwright.domains.images.models.auto import for_images

    group = table.spec.inputs[0]
    options: Any = for_images(group, None, len(rows))
    encoder = make_encoder(options, group)
    head = torch.nn.Linear(int(np.prod(encoder(_parts(rows, 2, group)).shape[1:])), 10)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()])
    waited = worked = 0.0
    for start in range(0, len(rows) - BATCH + 1, BATCH):
        begun = time.process_time()
        parts = _parts(rows, BATCH, group, start)
        ready = time.process_time()
        loss = head(encoder(parts).flatten(1)).logsumexp(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        waited, worked = waited + ready - begun, worked + time.process_time() - ready
    steps = len(rows) // BATCH
    return 1e3 * worked / steps, waited / (waited + worked)


def _parts(rows: Rows, count: int, group: Any, start: int = 0) -> dict[str, Tensor]:
    batch = rows.take(torch.arange(start, start + count))
    return {"value": (batch[f"{group.name}.value"].float() - 127.0) / 60.0}


def main() -> None:
    """Print the time of a picture, the ratios, and the share of waiting."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images_loading", description=__doc__)
    parser.add_argument("--folder")
    parser.add_argument("--size", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = given.folder or f"{place}/drawn"
        if not given.folder:
            Path(folder).mkdir()
            draw_photographs(Path(folder), DRAWN)
            time.sleep(STILL / 1e9 + 0.1)  # files that were written just now are known by their content alone
        size = given.size or (64 if given.folder else 224)
        table, paths = encode(folder, size)
        loader = DataLoader(ImageFolder(paths, size), batch_size=BATCH)
        rows = keep_anew(table, f"{place}/compared")
        for ours, theirs in zip(batches_of(rows), loader, strict=True):
            assert torch.equal(ours[:, 0], theirs), "the pixels differ"
        times: dict[str, list[float]] = {"loader": [], "first": [], "second": []}
        for repeat in range(given.repeats):
            times["loader"].append(seconds_of(loader))
            rows = keep_anew(table, f"{place}/kept {repeat}")
            times["first"].append(seconds_of(batches_of(rows)))
            times["second"].append(seconds_of(batches_of(rows)))
        micro = 1e6 / len(paths)
        taken = statistics.median(times["loader"]) * micro
        print(f"{len(paths):,} pictures to {size} x {size}; the DataLoader takes {taken:.0f} us a picture")
        for word in ("first", "second"):
            ratios = [theirs / ours for theirs, ours in zip(times["loader"], times[word], strict=True)]
            taken = statistics.median(times[word]) * micro
            ratio = f"{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"ours, {word} epoch: {taken:.0f} us, {ratio}")
        step, share = wait_share(table, rows)
        print(f"a step of the usual network takes {step:.1f} ms for {BATCH} pictures; {share:.2%} of the time it waits for them")


if __name__ == "__main__":
    main()
