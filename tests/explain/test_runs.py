"""Explanations of real runs: tables, arrays in files, networks and systems of one's own; from Python and from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import RequestError

QUICK: dict[str, Any] = {"trainer": {"max_epochs": 3, "progress": "none", "trackers": []}, "evaluation": {"baselines": [], "report": False}}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of numbers, classes, pictures and sequences, and its run."""
    folder, random = tmp_path_factory.mktemp("explained"), np.random.default_rng(0)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "signal", "age", "town", "sex", "y"])
        for row in range(90):
            y = row % 2
            picture = random.normal(size=(10, 8)).astype(np.float32)
            picture[:5] += 2 * y
            np.save(folder / f"p{row}.npy", picture)
            np.save(folder / f"s{row}.npy", random.normal(size=(int(random.integers(12, 20)), 2)).astype(np.float32))
            age = round(float(random.normal()) + y, 3) if row % 7 else ""
            writer.writerow([f"p{row}.npy", f"s{row}.npy", age, "abc"[row % 3], "fm"[(row // 2) % 2], "yes" if y else "no"])
    columns = {"picture": "file", "signal": "file"}
    tw.train(str(folder / "table.csv"), target="y", columns=columns, run_dir=folder / "run", **QUICK)
    return folder


def explained(places: Path, *words: str) -> list[str]:
    return ["explain", str(places / "run"), str(places / "table.csv"), *words]


@pytest.mark.parametrize("of", ["answer", "logit"])
@pytest.mark.parametrize("method", ["integrated_gradients", "shapley"])
def test_the_shares_of_a_table_add_up_to_the_difference_from_the_baseline(places: Path, method: str, of: str) -> None:
    run = tw.load(places / "run")
    found = run.explain(places / "table.csv", method, of=of, rows=40)
    rows = found.rows
    assert rows is not None and rows.at_baseline is not None and rows.gap is not None
    assert set(found.columns) == {"picture", "signal", "age", "town", "sex"}
    difference = rows.answer - rows.at_baseline
    np.testing.assert_allclose(rows.attributions.sum(1) - difference, rows.gap, atol=1e-9)
    allowed = 1e-9 if method == "shapley" else 0.05 * np.maximum(np.abs(difference), 0.1 * np.abs(rows.attributions).sum(1)) + 1e-6
    assert (np.abs(rows.gap) <= allowed).all()
    if of == "answer":
        shown = run.predict(places / "table.csv").to_pandas()[["y_probability_no", "y_probability_yes"]].to_numpy()
        np.testing.assert_allclose(rows.answer, shown[rows.indices, rows.output], atol=1e-6)


def test_the_numbers_of_a_table_are_the_same_at_any_batch_size_and_seeded(places: Path) -> None:
    run = tw.load(places / "run")
    for method in ("integrated_gradients", "occlusion", "permutation", "partial_dependence"):
        kinds = {} if method in ("permutation", "partial_dependence") else {"baseline": "mean"}
        one, other = (run.explain(places / "table.csv", method, batch_size=size, rows=30, **kinds) for size in (4, 64))
        assert [each["column"] for each in one.ranked] == [each["column"] for each in other.ranked]
        for a, b in zip(one.ranked, other.ranked, strict=True):
            assert a[one.measure] == pytest.approx(b[one.measure], abs=1e-5)
        assert {name: [each.shape for each in maps] for name, maps in one.maps.items()} == {
            name: [each.shape for each in maps] for name, maps in other.maps.items()
        }
    seeds = [run.explain(places / "table.csv", "permutation", rows=30, seed=seed).ranked for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_maps_have_the_shape_of_the_arrays_also_of_those_that_differ_in_length(places: Path) -> None:
    found = tw.load(places / "run").explain(places / "table.csv", "ig", row=[1, 2, 3])
    lengths = [len(np.load(places / f"s{row}.npy")) for row in range(3)]
    assert [each.shape for each in found.maps["picture"]] == [(10, 8)] * 3
    assert [len(each) for each in found.maps["signal"]] == lengths
    for name in ("picture", "signal"):
        at = found.columns.index(name)
        sums = [each.sum() for each in found.maps[name]]
        np.testing.assert_allclose(sums, found.rows.attributions[:, at], atol=1e-5)  # type: ignore[union-attr]
    # the upper half of the pictures tells the class
    upper, lower = np.abs(found.mean_maps["picture"][:5]).sum(), np.abs(found.mean_maps["picture"][5:]).sum()
    assert upper > lower


def test_grad_cam_of_a_column_is_laid_over_its_array(places: Path) -> None:
    found = tw.load(places / "run").explain(places / "table.csv", "grad_cam", row=[1, 2])
    assert list(found.maps) == ["signal"] and [len(each) for each in found.maps["signal"]] == [
        len(np.load(places / f"s{row}.npy")) for row in (0, 1)
    ]


def test_importance_of_a_finished_run_is_that_of_the_command_with_its_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data = {"a": random.normal(size=300), "b": random.normal(size=300)}
    table = {**data, "y": (data["a"] > 0).astype(int)}
    run = tw.train(table, target="y", run_dir=tmp_path / "run", trainer=QUICK["trainer"], evaluation={"baselines": []})
    kept = json.loads((run.path / "analysis.json").read_text())
    found = run.explain(table, "permutation", rows=10_000)
    assert [each["column"] for each in found.ranked] == ["a", "b"] and found.ranked[0]["drop_mean"] > 0.2 > abs(
        found.ranked[1]["drop_mean"]
    )
    assert found.settings["metric"] == "roc_auc" and found.ranked[0]["standard_error"] == pytest.approx(found.ranked[0]["drop_std"] / 2)
    assert "blocks" in kept


def test_attention_of_the_column_transformer_is_shared_out_over_the_columns(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = {"a": random.normal(size=80), "b": random.choice(["u", "v"], 80), "c": random.choice(["x", "y", "z"], 80)}
    table["y"] = (table["a"] > 0).astype(int)
    run = tw.train(table, target="y", model={"combiner": "transformer"}, run_dir=tmp_path / "run", **QUICK)
    found = run.explain(table, "rollout")
    assert set(found.columns) == {"a", "b", "c"} and found.settings["token"] == "first"
    np.testing.assert_allclose(found.rows.attributions.sum(1), 1.0, atol=1e-9)  # type: ignore[union-attr]


class Words(nn.Module):
    """Embeddings of words and of places, two layers of attention, the mean over words."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(12, 8), nn.Embedding(5, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.head = nn.Linear(8, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.word(ids) + self.place(torch.arange(ids.shape[1]))).mean(1))


def fitted(folder: Path, model: nn.Module, **blocks: Tensor) -> tw.Run:
    tw.fit(model, blocks, loss="cross_entropy", run_dir=folder / "run", max_steps=30, batch_size=16, progress="none", trackers=[])
    return tw.load(folder / "run", model=model)


def test_whole_numbers_are_explained_at_their_embeddings_and_attention_is_rolled_out(tmp_path: Path) -> None:
    ids = torch.randint(0, 12, (64, 5), generator=torch.Generator().manual_seed(0))
    run = fitted(tmp_path, Words(), ids=ids, target=(ids[:, 0] > 5).long())
    found = run.explain({"ids": ids}, "ig")
    assert found.columns == [f"ids[{place}]" for place in range(5)] and "embeddings" in found.notes[0]
    assert found.gap()["share"] < 0.05  # type: ignore[index]
    rolled = run.explain({"ids": ids}, "rollout")
    assert rolled.settings["layers"] == ["encoder.layers.0.self_attn", "encoder.layers.1.self_attn"]
    np.testing.assert_allclose(rolled.rows.attributions.sum(1), 1.0, atol=1e-6)  # type: ignore[union-attr]
    with pytest.raises(RequestError, match=r"attention is in: encoder\.layers\.0\.self_attn"):
        run.explain({"ids": ids}, "rollout", layer="decoder.*")
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in run.model.modules())


def test_rollout_is_the_product_of_half_attention_and_half_the_tokens_themselves(tmp_path: Path) -> None:
    ids = torch.randint(0, 12, (6, 5), generator=torch.Generator().manual_seed(1))
    model = Words().eval()
    run = fitted(tmp_path, model, ids=ids.repeat(4, 1), target=torch.zeros(24, dtype=torch.int64))
    model.eval()
    x, rolled = model.word(ids) + model.place(torch.arange(5)), torch.eye(5)
    for layer in model.encoder.layers:
        _, weights = layer.self_attn(x, x, x, need_weights=True)
        rolled, x = (0.5 * torch.eye(5) + 0.5 * weights) @ rolled, layer(x)
    found = run.explain({"ids": ids}, "rollout")
    np.testing.assert_allclose(found.rows.attributions, rolled.mean(1).detach(), atol=1e-5)  # type: ignore[union-attr]


GRAPH = """
model: {type: graph, nodes: [{Linear: [4, 3]}]}
loss: cross_entropy
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 20}
evaluation: {report: false}
"""


def test_a_graph_of_nodes_is_explained_and_a_linear_one_by_its_weights(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "own.yaml").write_text(GRAPH)
    place = str(tmp_path / "run")
    assert main(["train", str(tmp_path / "own.yaml"), f"run.dir={place}"]) == 0
    run = tw.load(place)
    found = run.explain(method="ig", of="logit", output="2", baseline="zero")
    weight = run.model.get_parameter("linear.weight").detach().numpy()[2]
    inputs = np.array([[float(found.values[name][row]) for name in found.columns] for row in range(12)])
    np.testing.assert_allclose(found.rows.attributions[:12], inputs * weight, rtol=1e-4, atol=1e-6)  # type: ignore[union-attr]
    for method in ("occlusion", "shapley", "permutation", "partial_dependence"):
        assert {each["column"] for each in run.explain(method=method).ranked} == {f"input[{column}]" for column in range(4)}
    capsys.readouterr()
    assert main(["explain", place, "--json", "--method", "ig", "--of", "logit", "--class", "2", "--baseline", "zero"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"][0]["attributions"] == pytest.approx(dict(zip(found.columns, found.rows.attributions[0], strict=True)))  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("trace", [torch.jit.script, lambda model: torch.jit.trace(model, torch.zeros(4, 3))], ids=["scripted", "traced"])
def test_a_traced_module_is_explained_as_the_one_it_was_made_of(tmp_path: Path, trace: Any) -> None:
    x = torch.randn(64, 3)
    blocks = {"input": x, "target": (x[:, 0] > 0).long()}
    run = fitted(tmp_path, nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), **blocks)
    traced = tw.load(tmp_path / "run", model=trace(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))))
    for method in ("ig", "occlusion", "shapley"):
        one, other = run.explain(blocks, method).rows, traced.explain(blocks, method).rows
        np.testing.assert_allclose(other.attributions, one.attributions, atol=1e-6)  # type: ignore[union-attr]
    with pytest.raises(RequestError, match="looks into the layers"):
        traced.explain(blocks, "grad_cam")
    trained = fitted(tmp_path / "itself", trace(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))), **blocks)
    assert trained.explain(blocks, "ig").gap()["share"] < 0.05  # type: ignore[index]


def test_rows_of_whole_batches_that_are_not_held_are_told(tmp_path: Path) -> None:
    x = torch.randn(110_000, 3)
    run = fitted(tmp_path, nn.Linear(3, 2), input=x[:64], target=(x[:64, 0] > 0).long())
    loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=1000)
    found = run.explain(loader, "occlusion", rows=20)
    assert found.total == 100_000 and "the last 10 batches are left out" in found.notes[0]
    with pytest.raises(RequestError, match="there is no row 100001") as told:
        run.explain(loader, "occlusion", row=[100_001])
    assert "10 batches are left out" in told.value.why
    whole = run.explain(x, "occlusion", rows=20)
    assert whole.total == 110_000 and whole.notes == []


class Blind(tw.System):
    """A system whose answers have no gradient."""

    def build(self, spec: Any) -> None:
        self.net = nn.Linear(3, 2)

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch["x"]), batch["target"])

    @torch.no_grad()
    def predict_step(self, batch: Any) -> dict[str, Tensor]:
        return {"best": self.net(batch["x"]).argmax(1), "p": self.net(batch["x"]).softmax(1)}


def test_a_system_without_a_gradient_says_which_methods_work_and_they_do(tmp_path: Path) -> None:
    x = torch.randn(40, 3)
    model = Blind()
    tw.fit(
        model, {"x": x, "target": (x[:, 0] > 0).long()}, run_dir=tmp_path / "run", max_steps=20, batch_size=8, progress="none", trackers=[]
    )
    run = tw.load(tmp_path / "run", model=Blind())
    for method in ("ig", "grad_cam"):
        with pytest.raises(RequestError) as told:
            run.explain({"x": x, "target": x[:, 0].long()}, method)
        assert "occlusion" in told.value.fix or "integrated_gradients" in told.value.fix
    found = run.explain({"x": x, "target": (x[:, 0] > 0).long()}, "shapley")
    assert found.columns == ["x[0]", "x[1]", "x[2]"] and found.gap()["largest"] < 1e-12  # type: ignore[index]


def test_the_command_prints_a_table_of_80_columns_and_writes_page_picture_and_numbers(
    places: Path, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(explained(places, "--rows", "20", "-o", str(tmp_path / "out"))) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80 or str(tmp_path) in shown.splitlines()[-1]
    assert "baseline: what was typical in training" in shown and "sums are off by" in shown
    written = {each.name for each in (tmp_path / "out").iterdir()}
    assert {"explanation.html", "explanation.json", "picture.svg", "attributions.npz", "maps"} <= written
    found = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert found["n"] == 20 and found["seed"] == 0 and found["method"] == "integrated_gradients" and len(found["rows"]) == 20
    assert found["gap"]["largest"] >= found["gap"]["mean"] and found["baseline"].startswith("what was typical")
    page = (tmp_path / "out" / "explanation.html").read_text()
    assert "cannot be drawn" not in page and "data:image/png" in page
    assert (tmp_path / "out" / "picture.svg").read_text().startswith("<svg xmlns")
    capsys.readouterr()
    assert main(explained(places, "--method", "pdp", "--column", "age", "--json", "--rows", "20")) == 0
    assert json.loads(capsys.readouterr().out)["curves"][0]["column"] == "age"


MISTAKES = [
    (["--method", "lime"], "unknown explainer type 'lime'"),
    (["--method", "ig", "--window", "3,3"], "integrated_gradients has no option 'window'"),
    (["--method", "ig", "--steps", "0"], "steps"),
    (["--column", "agee"], "did you mean 'age'?"),
    (["--group", "age,town", "--group", "age,sex"], "is in two groups"),
    (["--group", "age,town", "--method", "pdp"], "looks at columns one by one"),
    *(
        (["--method", method, *words], said)
        for method in ("ig", "occlusion", "shapley", "permutation", "pdp", "grad_cam", "rollout")
        for words, said in (
            (["--columns", "sex,sex"], "'sex' is named twice"),
            (["--column", "sex", "--column", "sex"], "'sex' is named twice"),
            (["--group", "sex,sex"], "'sex' is named twice"),
            (["--group", "sex,age", "--group", "town,sex"], "'sex' is in two groups"),
            (["--column", "sex", "--group", "age,sex"], "'sex' is named alone and in a group"),
            (["--group", ","], "a group has no columns"),
            (["--row", "3", "--row", "3"], "row 3 is named twice"),
        )
    ),
    (["--class", "maybe"], "there is no class 'maybe'"),
    (["--target", "z"], "there is no target 'z'"),
    (["--baseline", "median"], "there is no baseline 'median'"),
    (["--baseline", "row:99"], "names no row"),
    (["--baseline", "mean", "--row", "1"], "the mean of one row is the row itself"),
    (["--rows", "0"], "--rows cannot be 0"),
    (["--row", "91"], "there is no row 91"),
    (["--method", "permutation", "--row", "1"], "one row cannot be shuffled"),
    (["--method", "permutation", "--metric", "rocauc"], "did you mean 'roc_auc'?"),
    (["--method", "grad_cam", "--layer", "encoders.0.nothing"], "there is no layer 'encoders.0.nothing'"),
    (["--method", "grad_cam", "--layer", "encoders.0.layers"], "no map"),
    (["--method", "rollout"], "does not attend to tokens"),
    (["--method", "occlusion", "--window", "2", "--column", "picture"], "the array has 2 dimensions: 10×8"),
    (["--method", "occlusion", "--window", "2,2", "--stride", "3,2", "--column", "picture"], "unseen"),
    (["--method", "occlusion", "--window", "2,x"], "is no list of sizes"),
    (["--method", "occlusion", "--window", "2,2", "--column", "age"], "--window has no effect here"),
    (["--method", "pdp", "--column", "picture"], "has no values that could be tried"),
    (["--split", "test"], "both named"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gets_one_answer_and_nothing_is_written(places: Path, tmp_path: Path, capsys: Any, words: list[str], said: str) -> None:
    assert main(explained(places, *words, "-o", str(tmp_path / "out"))) == 2
    told = capsys.readouterr().err
    assert said in told and "  fix: " in told and not (tmp_path / "out").exists()


def test_too_many_columns_for_exact_shapley_values_are_answered_with_some_and_groups(tmp_path: Path) -> None:
    x = torch.randn(30, 12)
    run = fitted(tmp_path, nn.Linear(12, 2), input=x, target=(x[:, 0] > 0).long())
    with pytest.raises(RequestError, match=r"12 columns are too many") as told:
        run.explain(x, "shapley")
    assert "--columns input[0],input[1]" in told.value.fix and "--group" in told.value.fix
    for columns in (["input", "input[3]"], ["input[3]", "input"], ["input[3]", "input[3]"]):
        with pytest.raises(RequestError, match=r"'input\[3\]' is named twice"):
            run.explain(x, "ig", columns=columns)
    joined = run.explain(x, "shapley", groups=[[f"input[{place}]" for place in range(start, start + 4)] for start in (0, 4, 8)])
    assert len(joined.columns) == 3 and joined.gap()["largest"] < 1e-9  # type: ignore[index]


def test_a_method_of_ones_own_is_named_by_its_path(places: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    (tmp_path / "mine.py").write_text(
        "from trainwright.explain.explanation import begin\n\n\n"
        "class Counted:\n    def __init__(self, times: int = 2):\n        self.times = times\n\n"
        "    def explain(self, study):\n        found = begin(study)\n"
        "        found.ranked = [{'column': each, 'mean_absolute': float(self.times), 'mean': 0.0, 'share': 0.0} for each in study.names]\n"
        "        return found\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(explained(places, "--method", "./mine.py:Counted")) == 0
    assert "picture" in capsys.readouterr().out
