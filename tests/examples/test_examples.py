"""Each example runs as it is shipped, and learns what it says."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import EXAMPLES, example


def test_the_plain_module_tells_the_spirals_apart(tmp_path: Path) -> None:
    assert example("plain_module").main(str(tmp_path / "run")) > 0.97


def test_the_system_finds_damping_and_frequency_and_the_curve_between_the_measurements(tmp_path: Path) -> None:
    module = example("custom_system")
    found = module.main(str(tmp_path / "run"))
    assert found["frequency"] == pytest.approx(module.FREQUENCY, rel=0.03)
    assert found["damping"] == pytest.approx(module.DAMPING, abs=0.05)
    assert found["error"] < 0.03


def test_the_true_swing_leaves_nothing_of_its_equation() -> None:
    import torch

    module = example("custom_system")
    system = module.Oscillator()
    system.forward = module.swing
    with torch.no_grad():
        system.raw.copy_(torch.expm1(torch.tensor([module.DAMPING, module.FREQUENCY])).log())
    left = system.residual(torch.linspace(0, module.END, 50).unsqueeze(1))
    assert left.abs().max().item() < 1e-5


def test_the_gan_throws_points_on_every_spot_with_mean_and_spread_of_the_data(tmp_path: Path) -> None:
    found = example("gan").main(str(tmp_path / "run"))
    assert found["mean"] < 0.1
    assert found["spread"] < 0.1
    assert found["spots"] == 1.0
    assert found["near"] > 0.6


def test_the_vae_gives_pictures_back_and_its_two_numbers_tell_the_place(tmp_path: Path) -> None:
    found = example("vae").main(str(tmp_path / "run"))
    assert found["error"] < 0.05 * found["without"]
    assert found["place"] > 0.95


def test_the_vae_of_digits_writes_digits_and_shows_them_while_it_learns(tmp_path: Path) -> None:
    found = example("digits_vae").main(str(tmp_path / "run"))
    assert found["made"] < found["mean"] - 0.2 and found["spread"] > 0.5
    names = [each.name for each in sorted((tmp_path / "run" / "media" / "samples").iterdir())]
    assert names == [f"step-{step:08d}.png" for step in range(100, 801, 100)]


def test_the_transformer_is_far_below_the_entropy_of_single_characters(tmp_path: Path) -> None:
    found = example("transformer").main(run_dir=str(tmp_path / "run"))
    assert found["unigram"] > 2.5
    assert found["loss"] < 0.5 * found["unigram"]


def test_the_transformer_reads_a_text_of_ones_own_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("to be or not to be, that is the question. " * 60)
    command = [sys.executable, str(EXAMPLES / "transformer.py"), "own.txt", "--steps", "20", "--width", "16", "--context", "16"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    loss, unigram = map(float, re.findall(r"\d\.\d+", result.stdout.splitlines()[-1]))
    assert loss < unigram
    assert list((tmp_path / "runs/Writer").iterdir())


def test_the_lstm_hears_which_way_whistles_go(tmp_path: Path) -> None:
    assert example("lstm").main(str(tmp_path / "run")) > 0.9


def test_the_ctc_model_reads_words_it_has_not_seen(tmp_path: Path) -> None:
    assert example("ctc").main(str(tmp_path / "run")) < 0.05


def test_edits_are_letters_put_in_taken_out_or_changed() -> None:
    edits = example("ctc").edits
    assert [edits("SOS", "SOS"), edits("", "SOS"), edits("SOS", ""), edits("KITTEN", "SITTING"), edits("DOG", "GOD")] == [0, 3, 3, 3, 2]


def test_nearest_neighbours_of_kinds_not_trained_on_are_right(tmp_path: Path) -> None:
    found = example("triplets").main(str(tmp_path / "run"))
    assert found["before"] < 0.3
    assert found["after"] > 0.9


def test_the_lightning_module_learns_the_curve_under_the_noise(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    assert example("lightning_module").main(str(tmp_path / "run")) < 0.02


def test_the_hugging_face_model_understands_not(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    assert example("hugging_face").main(str(tmp_path / "run")) > 0.95


@pytest.mark.parametrize(
    ("name", "extra", "missing"), [("hugging_face", "huggingface", "transformers"), ("lightning_module", "lightning", "lightning")]
)
def test_an_example_without_its_library_says_how_to_install_it(name: str, extra: str, missing: str, tmp_path: Path) -> None:
    program = f"import runpy, sys; sys.modules[{missing!r}] = None; runpy.run_path({str(EXAMPLES / name)!r} + '.py', run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert result.stderr.strip() == f"this example needs {missing}: pip install 'trainwright[{extra}]'"
    assert not list(tmp_path.iterdir())


def test_the_unigram_entropy_of_equally_frequent_characters_is_the_logarithm_of_their_number() -> None:
    assert example("transformer").unigram_entropy("abcd" * 5) == pytest.approx(math.log(4))


def test_every_example_says_how_to_run_it_and_is_on_the_page() -> None:
    page = (EXAMPLES.parent / "docs/examples.md").read_text()
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.yaml")]:
        assert f"examples/{path.name}" in page, f"docs/examples.md does not name {path.name}"
        alone = 'if __name__ == "__main__":' in path.read_text()
        assert not alone or f"python examples/{path.name}" in path.read_text()
