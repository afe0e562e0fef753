"""Models of timm and torchvision: each case of `with_timm.py` in a process that can import them, and what is said without them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from drawn_pictures import draw_classes

from commands import trainwright_command
from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.config.vision_libraries import is_installed

HERE = Path(__file__).parent
BESIDE = Path(sys.prefix) / "timm"
"""Where `make test` puts timm, and a torchvision whose compiled part may be for another torch."""
CASES = [each.name for each in ast.parse((HERE / "with_timm.py").read_text()).body if getattr(each, "name", "").startswith("test_")]
needs_timm = pytest.mark.skipif(not (BESIDE / "timm").is_dir(), reason="`make test` installs timm beside the environment")


def beside() -> dict[str, str]:
    """The environment of a process that finds timm."""
    paths = [str(BESIDE), str(HERE.parents[1] / "optim"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Case → what went wrong in it, empty where nothing did."""
    told = tmp_path_factory.mktemp("cases") / "cases.xml"
    words = [sys.executable, "-m", "pytest", str(HERE / "with_timm.py"), "-q", "-p", "no:cacheprovider", f"--junitxml={told}"]
    done = subprocess.run(words, env=beside(), capture_output=True, text=True, timeout=600, cwd=HERE.parents[2])
    if not told.exists():
        pytest.fail(done.stdout + done.stderr)
    found: dict[str, str] = {}
    for case in ElementTree.parse(told).iter("testcase"):
        name = str(case.get("name")).partition("[")[0]
        found[name] = found.get(name, "") + "".join(
            f"{each.get('message')}\n{each.text}" for each in case if each.tag in ("failure", "error")
        )
    return found


@needs_timm
@pytest.mark.parametrize("case", CASES)
def test_with_timm(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes.get(case) == "", outcomes.get(case, "it did not run")


def test_without_timm_its_models_are_refused_in_one_line_that_says_what_to_install(tmp_path: Path) -> None:
    if is_installed("timm"):
        pytest.skip("timm is installed here")
    draw_classes(tmp_path / "pictures", count=6)
    done = trainwright_command("train", "pictures", "model=timm/resnet18", "run.dir=run", folder=tmp_path)
    assert done.returncode == 2 and "timm is not installed" in done.stderr and "pip install 'trainwright[timm]'" in done.stderr
    assert not (tmp_path / "run").exists() and "Traceback" not in done.stderr


@needs_timm
def test_a_run_on_pictures_imports_neither_timm_nor_torchvision(tmp_path: Path) -> None:
    draw_classes(tmp_path / "pictures", count=12, side=16)
    code = (
        "import sys; from trainwright.cli.main import main;"
        "assert main(['train', 'pictures', 'trainer.max_epochs=1', 'run.dir=run']) == 0;"
        "print([each for each in ('timm', 'torchvision') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=beside(), capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("[]"), done.stdout + done.stderr


def test_a_part_may_be_a_member_of_a_family() -> None:
    made = choose("encoder", {"type": "timm/resnet18.a1_in1k", "drop_rate": 0.1})
    assert (made.type, made.name, made.drop_rate) == ("timm", "resnet18.a1_in1k", 0.1)
    with pytest.raises(Exception, match="unknown encoder type 'tim/resnet18'"):
        choose("encoder", "tim/resnet18")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model=timm/resnet18", "model.encoders.image.num_classes=3"], "how many classes there are is seen in the column"),
        (["model=timm/resnet18", "model.encoders.image.in_chans=1"], "it follows from the pictures"),
        (["model={type: timm/resnet18, out_indices: [0]}"], "features_only: true"),
        (["columns.image.encoder={type: timm, name: resnet18, features_only: true, global_pool: max}"], "global_pool means nothing"),
    ],
)
def test_options_that_mean_nothing_are_refused_with_what_to_do(words: list[str], told: str, tmp_path: Path) -> None:
    draw_classes(tmp_path / "pictures", count=2)
    done = trainwright_command("train", "pictures", *words, folder=tmp_path)
    assert done.returncode == 2 and told in done.stderr, done.stderr


def test_an_overlay_that_names_a_file_is_the_option_weights() -> None:
    made = choose("encoder", {"type": "timm", "name": "resnet18", "pretrained_cfg_overlay": {"file": "w.pth", "crop_pct": 0.9}})
    assert made.weights.source == "w.pth" and made.pretrained_cfg_overlay == {"crop_pct": 0.9}
    assert choose("encoder", {"type": "timm", "name": "resnet18", "checkpoint_path": "w.pth"}).weights.source == "w.pth"


def test_the_model_at_the_top_is_the_encoder_of_pictures_with_its_weights() -> None:
    from trainwright.config.compose import compose
    from trainwright.systems.run_config import Config

    found = compose(Config, {"model": {"combiner": "concat"}, "data": "x.csv"}, ["model=timm/resnet18", "weights=w.pth"], {})
    assert found.values["system"]["model"] == {
        "combiner": "concat",
        "encoders": {"image": {"type": "timm", "name": "resnet18", "weights": "w.pth"}},
    }
    assert not found.problems


def test_pictures_are_refused_where_a_column_has_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reads pictures, and 'age' is of type number"):
        from trainwright.domains.images.models.libraries.encoder import _pictures
        from trainwright.features.spec import InputGroup

        _pictures(choose("encoder", "timm/resnet18"), InputGroup("age", "number", ["age"], None, {"value": (1,)}))
