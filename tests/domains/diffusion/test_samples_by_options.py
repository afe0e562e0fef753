"""Samples of a diffusion model by flags and keywords: sampler, levels, classes, guidance, what they begin with; each of (seed, number)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.runs.media.samples import SampleForm, read_samples

TRAIN = ["train", "builtin:digits_images", "system=diffusion", "system.steps=6", "trainer.max_steps=4", "trainer.batch_size=32"]
MORE = [
    "trainer.evaluation_batch_size=512",
    "trainer.ema=[0.5, 0.9]",
    "trainer.evaluate_every=4 steps",
    "trainer.sampling={every: 2 steps, n: 4}",
    "evaluation.report=false",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert main([*TRAIN, *MORE, "run.dir=runs/digits"]) == 0
    return made


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tw.Run:
    monkeypatch.chdir(folder)
    return tw.load("runs/digits")


def drawn(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def test_flags_draw_what_keywords_draw_and_are_told(run: tw.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--sampler", "euler", "--steps", "3", "--class", "3", "--guidance", "2.5", "--guidance-interval", "1,5", "--seed", "1"]
    assert main(["sample", "runs/digits", "-n", "5", *flags, "-o", str(tmp_path / "x.npz")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "5 pictures; euler, karras sigmas, 3 steps, 3 calls of the denoiser, guidance 2.5, guided 1 of 3 steps, class 3, seed 1" in said
    found = drawn(tmp_path / "x.npz")
    made = run.sample(5, seed=1, sampler="euler", steps=3, class_=3, guidance=2.5, guidance_interval=[1, 5])
    assert np.array_equal(found["samples"], made.numpy()) and list(found["labels"]) == ["3"] * 5
    assert made.shape == (5, 1, 8, 8) and made.min() >= -1 and made.max() <= 1


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m_sde", "dpm_adaptive"])
def test_a_sample_is_the_same_in_any_batch(run: tw.Run, sampler: str) -> None:
    told: dict[str, Any] = {"sampler": sampler, "steps": 4, "class_": 3, "guidance": 2.0}
    six, two = run.sample(6, **told), run.sample(2, **told)
    by_two = run.sample(6, batch_size=2, **told)
    assert torch.allclose(six, by_two, atol=1e-4) and torch.allclose(six[:2], two, atol=1e-4)
    assert (six[0] - six[1]).abs().max() > 0.1 and not torch.allclose(six, run.sample(6, seed=1, **told), atol=0.1)


@pytest.mark.parametrize("form", ["onnx", "pt2"])
def test_it_is_exported_to_no_format_of_answers_and_what_it_does_is_said(
    run: tw.Run, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "runs/digits", "--to", form, "-o", str(tmp_path / "made")]) == 2
    said = capsys.readouterr().err
    assert "makes new things, and answers no rows" in said and "trainwright sample" in said and "runs/digits" in said
    assert not list(tmp_path.iterdir())


def test_two_processes_draw_to_the_bit_what_one_does(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ["sample", "runs/digits", "-n", "7", "--batch-size", "2", "--sampler", "dpmpp_2m_sde", "--seed", "5"]
    assert main([*words, "-o", str(tmp_path / "one.npz")]) == 0
    assert main([*words, "--devices", "2", "-o", str(tmp_path / "two.npz")]) == 0
    assert np.array_equal(drawn(tmp_path / "one.npz")["samples"], drawn(tmp_path / "two.npz")["samples"])


def test_guidance_is_u_and_so_much_of_the_way_to_c(run: tw.Run) -> None:
    once: dict[str, Any] = {"sampler": "euler", "sigmas": [0.5, 0.1]}  # one step: linear in what the denoiser says
    without = run.sample(3, unconditional=True, **once)
    told, none, more = (run.sample(3, class_=4, guidance=w, **once) for w in (1, 0, 100))
    assert torch.allclose(none, without, atol=1e-5) and (told - without).abs().max() > 1e-4, "few steps tell classes apart by little"
    inside = (more.abs() < 1) & (told.abs() < 1) & (without.abs() < 1)  # pictures end at black and white
    assert inside.sum() > 50 and torch.allclose(more[inside], (without + 100 * (told - without))[inside], atol=1e-3)
    assert not torch.allclose(more[inside], told[inside], atol=1e-2)


def test_guidance_in_its_other_forms(run: tw.Run) -> None:
    told: dict[str, Any] = {"steps": 3, "class_": 4, "seed": 2}
    plain, strong = run.sample(2, **told), run.sample(2, guidance=40, **told)
    apart = (strong - plain).abs().max()
    outside = run.sample(2, guidance=40, guidance_interval=[10, 100], **told)  # between two of the levels
    assert torch.allclose(outside, plain, atol=1e-5), "no level of this sampling is in the interval"
    forms: list[dict[str, Any]] = [
        {"guidance_rule": "apg"},
        {"guidance_rescale": 0.7},
        {"weaker": "runs/digits/checkpoints/last"},
    ]
    for form in forms:
        made = run.sample(2, guidance=40, **told, **form)
        assert torch.isfinite(made).all() and (made - strong).abs().max() > 1e-4 * apart, form
    far = run.sample(2, guidance=1e4, **told)
    assert not torch.allclose(far, run.sample(2, guidance=1e4, threshold=0.6, **told), atol=1e-2)
    weak = run.sample(2, guidance=3.0, unconditional=True, weaker="runs/digits", steps=3)
    assert torch.allclose(weak, run.sample(2, unconditional=True, steps=3), atol=1e-4), "away from itself is nowhere"


def test_classes_go_by_name_or_number_and_in_turn(run: tw.Run, tmp_path: Path) -> None:
    usual = run.sample(12, steps=2)
    assert torch.allclose(usual, run.sample(12, steps=2, labels=[str(k % 10) for k in range(12)]), atol=1e-5)
    assert torch.allclose(usual[3:4], run.sample(4, steps=2, class_="3")[3:], atol=1e-5)
    assert torch.equal(run.sample(2, steps=2, class_=np.int64(7)), run.sample(2, steps=2, class_="7"))
    assert main(["sample", "runs/digits", "-n", "5", "--labels", "1,7", "--steps", "2", "-o", str(tmp_path / "x.npz")]) == 0
    assert list(drawn(tmp_path / "x.npz")["labels"]) == ["1", "7", "1", "7", "1"]


def test_a_name_of_web_uis_is_a_sampler_and_a_schedule(run: tw.Run) -> None:
    assert torch.equal(
        run.sample(2, sampler="DPM++ 2M Exponential", steps=4), run.sample(2, sampler="dpmpp_2m", sigmas="exponential", steps=4)
    )
    assert not torch.equal(run.sample(2, sampler="dpmpp_2m", steps=4), run.sample(2, sampler="DPM++ 2M Exponential", steps=4))


def test_what_it_begins_with_is_kept_as_far_as_the_noise_lets_it(run: tw.Run, tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[2:6, 3:5] = 255
    Image.fromarray(pixels).save(tmp_path / "bar.png")
    bar = torch.from_numpy(pixels / 127.5 - 1).float()
    far = [
        (run.sample(2, init=str(tmp_path / "bar.png"), sigmas=levels, strength=1.0)[:, 0] - bar).abs().mean()
        for levels in ([0.01, 0.0], [0.5, 0.0], [50.0, 0.0])
    ]
    assert far[0] < 0.05 < far[1] < far[2]
    assert torch.allclose(run.sample(2, init=bar[None], steps=4), run.sample(2, init=str(tmp_path / "bar.png"), steps=4), atol=1e-5)
    seen: list[float] = []
    run.sample(1, init=bar[None], steps=10, strength=0.3, callback=lambda told: seen.append(float(told["sigma"])))
    all_levels: list[float] = []
    run.sample(1, steps=10, callback=lambda told: all_levels.append(float(told["sigma"])))
    assert len(seen) == 3 and seen == all_levels[-3:]


def test_what_is_masked_is_made_anew_and_the_rest_is_kept(run: tw.Run, tmp_path: Path) -> None:
    known = torch.linspace(-1, 1, 64).reshape(1, 8, 8)
    half = torch.zeros(8, 8)
    half[:, 4:] = 1
    made = run.sample(2, init=known, mask=half, steps=4, class_=3)
    assert torch.equal(made[..., :4], known.expand(2, 1, 8, 8)[..., :4]) and (made[..., 4:] - known[..., 4:]).abs().mean() > 0.2
    Image.fromarray((half.numpy() * 255).astype(np.uint8)).save(tmp_path / "half.png")
    assert torch.allclose(made, run.sample(2, init=known, mask=str(tmp_path / "half.png"), steps=4, class_=3), atol=1e-6)
    little = run.sample(2, init=known, mask=half, sigmas=[1e-3, 0.0], strength=1.0)
    assert torch.allclose(little, known.expand_as(little), atol=0.01)
    for given, said in ((torch.zeros(8, 8), "a mask of zeros"), (torch.ones(3, 3), "a mask of"), ("none.png", "this mask cannot be read")):
        with pytest.raises(RequestError, match=said):
            run.sample(2, init=known, mask=given)


def test_each_step_is_shown_where_it_is_asked_for(run: tw.Run, tmp_path: Path) -> None:
    words = ["sample", "runs/digits", "-n", "4", "--steps", "5", "--preview", str(tmp_path / "now.png")]
    assert main([*words, "-o", str(tmp_path / "way.gif")]) == 0
    assert main([*words[:6], "-o", str(tmp_path / "grid.png")]) == 0
    grid = np.asarray(Image.open(tmp_path / "grid.png")).astype(int)
    with Image.open(tmp_path / "way.gif") as way:
        assert way.n_frames == 6  # type: ignore[attr-defined]
        way.seek(5)
        assert np.abs(np.asarray(way.convert("L")).astype(int) - grid).max() <= 1
    assert np.asarray(Image.open(tmp_path / "now.png")).shape == grid.shape


def test_weights_are_chosen_among_the_averages(run: tw.Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = {which: run.sample(2, steps=2, weights=which) for which in ("ema=0.5", "ema=0.9", "raw", "averaged", "best")}
    assert torch.equal(made["averaged"], made["ema=0.5"]) and torch.equal(run.sample(2, steps=2), made["best"])
    assert not torch.equal(made["ema=0.9"], made["ema=0.5"]) and not torch.equal(made["ema=0.9"], made["raw"])
    assert main(["sample", "runs/digits", "--weights", "ema=0.99"]) == 2
    assert "why: it kept ema=0.5, ema=0.9" in capsys.readouterr().err


def test_grids_of_training_begin_from_one_noise_that_is_their_own(run: tw.Run) -> None:
    system = run.model
    one, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    before, made = torch.get_rng_state(), system.sample(3, one)
    assert torch.equal(made, system.sample(3, other)) and torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.get_state(), torch.Generator().manual_seed(3).get_state()), "a fixed seed, of which nothing is used up"
    media = run.path / "media" / "samples"
    assert sorted(each.name for each in media.iterdir()) == ["step-00000002.png", "step-00000004.png"]


def test_the_report_shows_one_grid_and_names_its_classes(run: tw.Run) -> None:
    page = run.report().read_text()
    assert "each class in turn: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9. Those made while it trained are in media/samples." in page
    assert 'id="media"' not in page and page.count("data:image/png;base64,") == 2, "made, and held out"


def test_calls_that_cannot_be_meant_are_told(run: tw.Run) -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({"step": 3}, "did you mean 'steps'"),
        ({"batch_size": 1.5}, "batch_size is 1.5"),
        ({"callback": 3}, "callback is 3"),
        ({"class_": [1, 2]}, "class_: a list is not"),
        ({"init": 5}, "is not a table"),
        ({"sigmas": [1.0, float("nan"), 0.0]}, r"is nan(\n.*)+fix: numbers that fall"),
        ({"sigmas": []}, "there is no level of noise"),
        ({"init": torch.full((1, 8, 8), 255.0)}, r"init goes from 255 to 255, and pictures from -1 to 1(\n.*)+fix: init / 127.5 - 1"),
        ({"init": np.full((1, 8, 8), np.nan)}, "init: 64 of 64 values are NaN or infinite"),
    ]
    for given, said in calls:
        with pytest.raises(RequestError, match=said):
            run.sample(2, **given)


REFUSED: list[tuple[list[str], str]] = [
    (["--class", "12"], "class: there is no class 12\n  why: the model was trained with 0, 1, 2"),
    (["--class", "seven"], "there is no class seven"),
    (["--labels", "1,2,12"], "there is no class 12"),
    (["--labels", "1,2,3", "-n", "2"], "3 labels for 2 samples"),
    (["--class", "1", "--labels", "1,2"], "class and labels are both given"),
    (["--unconditional", "--guidance", "2"], "nothing is told that could guide"),
    (["--guidance-interval", "1,5"], "guidance-interval says how it is guided, and guidance is not given"),
    (["--guidance", "2", "--guidance-interval", "5,1"], "guidance for sigma from 5 to 1"),
    (["--guidance", "2", "--guidance-interval", "500,1000"], "guidance for sigma from 500 to 1000 would guide nothing"),
    (["--guidance", "2", "--guidance-interval", "500,1000", "--sigmas", "[0, 0]"], "fix: numbers that fall to a last 0"),
    (["--guidance", "2", "--guidance-interval", "5"], "--guidance-interval: 1 item, but it takes at least 2"),
    (["--guidance", "2", "--guidance-rule", "abg"], "did you mean 'apg'?"),
    (["--guidance", "2", "--weaker", "runs/nowhere"], "nowhere"),
    (["--sampler", "dpmpp2m"], "did you mean 'dpmpp_2m'?"),
    (["--sampler", "{type: euler, s_churn: -1}"], "--sampler.s_churn: -1 is not at least 0"),
    (["--sampler", "{type: euler, churn: 1}"], "there is no option 'churn'"),
    (["--sampler", "lcm"], "'lcm' is for distilled models"),
    (["--sigmas", "karas"], "did you mean 'karras'?"),
    (["--sigmas", "[80, 10, 20, 0]"], "sigmas[2] = 20 is above sigmas[1] = 10"),
    (["--sigmas", "[80, 10, 10, 0]"], "sigmas[2] = 10 repeats"),
    (["--sigmas", "[80, 0, 1, 0]"], "sigmas[1] is 0"),
    (["--sigmas", "[80]"], "one level of noise makes no step"),
    (["--sigmas", "[80, 0]", "--steps", "3"], "sigmas are levels, and steps is given too"),
    (["--sigma-min", "1000"], "sampling goes from the larger to the smaller"),
    (["--sigma-min", "-1"], "--sigma-min: -1 is not above 0"),
    (["--steps", "0"], "--steps: 0 is not at least 1"),
    (["--guidance", "much"], "--guidance: 'much' is not a number"),
    (["--strength", "0.5"], "strength says how much of `init` is made anew, and there is none"),
    (["--mask", "half.png"], "mask says what of `init` is made anew, and there is none"),
    (["--init", "nowhere.png"], "there is no such file"),
    (["--init", "wide.png", "--strength", "1.5"], "--strength: 1.5 is not at most 1"),
    (["--condition", "{age: 40}"], "this model does not follow 'age'\n  why: it follows digit"),
    (["--condition", "{digit: 12}"], "condition: there is no digit 12"),
    (["--condition", "{digit: 3}", "--class", "3"], "the class is said twice: by 'digit' here, and by class"),
    (["--condition", "{digit: 3}", "--unconditional"], "unconditional and condition are both given"),
    (["-n", "0"], "0 samples cannot be made"),
    (["--batch-size", "0"], "0 samples make no batch"),
    (["-o", "runs/digits/x.png"], "a run is not written into"),
    (["-o", "made.jpg"], "fix: -o made.png"),
    (["--preview", "now.JPEG"], "fix: --preview now.png"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_cannot_be_drawn_is_told_and_nothing_written(
    run: tw.Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "runs/digits", "-n", "4", *words]) == 2
    assert said in capsys.readouterr().err and not Path("samples").exists()


def test_vectors_without_a_condition_know_no_guidance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 2)) * [1.0, 20.0] + [5.0, 100.0]
    Path("points.csv").write_text("x,y\n" + "\n".join(f"{a:.4f},{b:.4f}" for a, b in x) + "\n")
    words = ["train", "points.csv", "system=diffusion", "trainer.max_steps=3", "trainer.batch_size=16", "evaluation.report=false"]
    assert main([*words, "run.dir=runs/points"]) == 0
    run = tw.load("runs/points")
    made = run.sample(3, steps=3)
    assert made.shape == (3, 2)
    assert torch.allclose(run.sample(3, init=torch.tensor([[7.0, 50.0]]), sigmas=[1e-4, 0.0]), torch.tensor([[7.0, 50.0]]), atol=0.5)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"guidance": 2.0}, "this model has no condition to be guided by"),
        ({"class_": 1}, "this model has no classes"),
        ({"init": torch.zeros(3, 8, 8)}, "init is 3×8×8, and what is made 2"),
        ({"condition": {"a": 1}}, "this model follows no columns"),
    ]
    for given, said in refused:
        with pytest.raises(RequestError, match=said):
            run.sample(2, **given)
    assert main(["sample", "runs/points", "-o", "grid.png"]) == 2
    assert not Path("grid.png").exists()


def test_numbers_of_four_channels_are_no_pictures_where_no_value_is_white() -> None:
    latents = torch.full((2, 4, 8, 8), 7.0)
    assert read_samples(latents, SampleForm(None), "sample")[0] == "arrays"
    assert read_samples(latents / 7, SampleForm((-1.0, 1.0)), "sample")[0] == "images"


def test_columns_that_are_followed_are_given_as_a_row_or_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    age, kind = draw.uniform(20, 80, 200), draw.integers(0, 3, 200)
    rows = [f"{age[k] / 10 + draw.normal() / 50:.4f},{draw.normal():.4f},{age[k]:.2f},{'abc'[kind[k]]}" for k in range(200)]
    Path("points.csv").write_text("x,y,age,kind\n" + "\n".join(rows) + "\n")
    words = ["train", "points.csv", "system.type=diffusion", "system.of=[x, y]", "system.condition=[kind, age]", "evaluation.report=false"]
    quick = [
        "trainer.max_steps=150",
        "trainer.optimizer={type: adamw, learning_rate: 5e-3}",
        "system.model={type: mlp, width: 48, depth: 2}",
        "trainer.batch_size=200",
        "trainer.ema=0.95",
        "trainer.evaluate_every=150 steps",
        "trainer.sampling=null",
    ]
    assert main([*words, *quick, "run.dir=runs/points"]) == 0
    run = tw.load("runs/points")
    young, old = (run.sample(32, condition={"age": given}, class_="b")[:, 0].mean() for given in (25, 75))
    assert old - young > 1.5, "x is a tenth of the age"
    Path("more.csv").write_text("age\n25\n75\n")
    assert main(["sample", "runs/points", "-n", "4", "--condition", "more.csv", "--class", "b", "-o", "x.npz"]) == 0
    made = drawn(Path("x.npz"))["samples"]
    assert np.allclose(made[0], run.sample(1, condition={"age": 25}, class_="b")[0].numpy(), atol=1e-3)
    assert made[[1, 3], 0].mean() > made[[0, 2], 0].mean() + 0.5
    for given, said in (
        ({"agee": 3}, "did you mean 'age'"),
        ({}, "it lacks 'age'"),
        ("none.csv", "none.csv"),
        ({"age": "old"}, "old"),
    ):
        with pytest.raises(RequestError, match=said):
            run.sample(2, condition=given)
