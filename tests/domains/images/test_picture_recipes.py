"""The shipped recipes of pictures make a few steps, on pictures and networks that are small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from commands import trainwright_command

RECIPES = Path(__file__).parents[3] / "configs/images"
SMALL = {
    "rsb-a3": {"depth": 18, "widths": [8, 8, 16, 16]},
    "deit": {"variant": "tiny", "depth": 2, "width": 24, "heads": 2},
}
SHORT = {"max_epochs": None, "max_steps": 3, "batch_size": 8, "checkpoint": {"every": "3 steps"}}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("recipes") / "pictures", np.random.default_rng(0)
    for name, level in (("dark", 0), ("light", 120)):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = (level + random.integers(0, 130, (40, 40, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_makes_a_few_steps(name: str, pictures: Path, tmp_path: Path) -> None:
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    recipe["data"]["path"] = str(pictures)
    recipe["columns"]["image"] |= {"size": 32}
    recipe["columns"]["image"]["encoder"] |= SMALL[name]
    recipe["trainer"] |= SHORT
    recipe["trainer"]["schedule"] |= {"warmup": "1 step", "length": None}
    recipe["evaluation"] = {"baselines": [], "report": False}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = trainwright_command("train", "recipe.yaml", "run.dir=run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(json.loads((tmp_path / "run/results.json").read_text())["metrics"]["validation"]["loss"])


def test_the_recipes_are_those_that_were_published() -> None:
    told = {path.stem: yaml.safe_load(path.read_text()) for path in RECIPES.glob("*.yaml")}
    policies = {
        name: [step["rand_augment"] for step in each["columns"]["image"]["augment"] if "rand_augment" in step]
        for name, each in told.items()
        if isinstance(each.get("columns", {}).get("image", {}).get("augment"), list)
    }
    assert policies["rsb-a1"] == policies["rsb-a2"] == ["rand-m7-mstd0.5-inc1"] and policies["rsb-a3"] == ["rand-m6-mstd0.5-inc1"]
    for name, (epochs, rate, decay) in {"rsb-a1": (600, 5e-3, 0.01), "rsb-a2": (300, 5e-3, 0.02), "rsb-a3": (100, 8e-3, 0.02)}.items():
        trainer = told[name]["trainer"]
        assert (trainer["max_epochs"], trainer["batch_size"]) == (epochs, 2048)
        assert (trainer["optimizer"]["type"], trainer["optimizer"]["learning_rate"], trainer["optimizer"]["weight_decay"]) == (
            "lamb",
            rate,
            decay,
        )
    assert told["convnext-finetune"]["columns"]["label"]["decoder"] == {"type": "linear", "init_scale": 0.001}


def test_a_mistake_in_a_policy_is_told_with_file_and_line(pictures: Path, tmp_path: Path) -> None:
    lines = ["columns:", "  image:", "    augment:", "      - random_horizontal_flip", "      - rand_augment: rand-m9.5-inc1"]
    text = "\n".join([f"data: {{source: {pictures}}}", *lines])
    (tmp_path / "wrong.yaml").write_text(text)
    done = trainwright_command("validate", "wrong.yaml", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "wrong.yaml:6:9: columns.image.augment.1.policy: the section 'm9.5'" in done.stderr
