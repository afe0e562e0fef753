"""Transforms of torchvision, timm and albumentations by their dotted paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainwright.data.transforms import FunctionOptions, NormalizeOptions
from trainwright.domains.images.augmentation import of_column
from trainwright.domains.images.transforms.library_options import LibraryTransformOptions

LIBRARIES = Path(__file__).parents[3] / ".venv" / "timm"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from trainwright.config.vision_libraries import import_torchvision
from trainwright.config.registry import build
from trainwright.config.errors import DataError
from trainwright.domains.images.transforms.library_options import LibraryTransformOptions

picture = (torch.rand(3, 40, 30) * 255).to(torch.uint8)
import_torchvision()
import torchvision.transforms.v2 as v2

def made(call, **arguments):
    return build("transform", LibraryTransformOptions(call=call, arguments=arguments))

for call, arguments, shape in [
    ("torchvision.transforms.v2.RandomRotation", {"degrees": 30}, (3, 40, 30)),
    ("torchvision.transforms.RandomHorizontalFlip", {}, (3, 40, 30)),
    ("torchvision.transforms.v2.RandomResizedCrop", {"size": [16, 16]}, (3, 16, 16)),
    ("torchvision.transforms.v2.RandAugment", {}, (3, 40, 30)),
    ("timm.data.transforms.RandomResizedCropAndInterpolation", {"size": 20}, (3, 20, 20)),
]:
    transform, results = made(call, **arguments), []
    for seed in (1, 1, *range(2, 8)):
        torch.manual_seed(seed)
        import random; random.seed(seed)
        results.append(transform(picture))
    assert results[0].shape == shape and results[0].dtype == torch.uint8, call
    assert torch.equal(results[0], results[1]), call
    assert any(not torch.equal(results[0], each) for each in results[2:]), call
torch.manual_seed(5)
mine = made("torchvision.transforms.v2.RandomRotation", degrees=30)
torch.manual_seed(5)
torch.rand(1)  # the number that every such transform takes
theirs = v2.RandomRotation(30)(picture)
torch.manual_seed(5)
assert torch.equal(mine(picture), theirs)
try:
    made("torchvision.transforms.ToTensor")(picture)
except DataError as error:
    assert "columns.NAME.normalize" in str(error)
else:
    raise SystemExit("floats were taken")
print("all of them")
"""


def libraries() -> str:
    """The folder of timm and torchvision, which lies beside the environment."""
    found = next((each for each in (LIBRARIES, Path(sys.prefix) / "timm") if (each / "torchvision").is_dir()), None)
    if found is None:
        pytest.skip("timm and torchvision are not there: make test installs them")
    return str(found)


def test_transforms_of_torchvision_and_timm_take_a_picture_and_follow_its_seed() -> None:
    command = [sys.executable, "-c", PROGRAM, libraries()]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.stdout.strip() == "all of them", done.stderr[-2000:]


def test_a_path_of_a_library_becomes_its_transform_and_says_whether_sizes_change() -> None:
    chain = [
        FunctionOptions.model_construct(call="torchvision.transforms.v2.RandomResizedCrop", arguments={"size": 8}, applies_in="train"),
        FunctionOptions.model_construct(call="albumentations.HorizontalFlip", arguments={}, applies_in="always"),
        FunctionOptions.model_construct(call="./my.py:jitter", arguments={}, applies_in="always"),
        NormalizeOptions(),
    ]
    crop, flip, own, normal = of_column(chain, [8, 8])
    assert isinstance(crop, LibraryTransformOptions)
    assert (crop.makes_size, crop.arguments, crop.applies_in, crop.for_masks) == (True, {"size": 8}, "train", False)
    assert isinstance(flip, LibraryTransformOptions)
    assert not flip.makes_size
    assert [own, normal] == chain[2:]


def test_transforms_of_albumentations_are_seeded_for_every_sample() -> None:
    torch, albumentations = pytest.importorskip("torch"), pytest.importorskip("albumentations")
    from trainwright.config.registry import build

    assert albumentations
    transform = build("transform", LibraryTransformOptions(call="albumentations.Rotate", arguments={"limit": 40}))
    picture = torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8)
    found = [(torch.manual_seed(seed), transform(picture))[1] for seed in (1, 2, 1)]
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
