"""Run directories as training leaves them, made from simulated outcomes in milliseconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import environment
from trainwright.runs.results import build_results

CONFIG = """\
# composed by trainwright, every default included
data:
  source: {{type: csv, path: {source}}}
  split: {{type: random, train: 0.7, validation: 0.1, test: 0.2}}
  memory_limit: 4 GiB
targets: [{targets}]
model:
  combiner: {{type: tabm, members: 32, width: 256, depth: 3, dropout: 0.1}}
trainer:
  max_epochs: 200
  max_steps: null
  batch_size: 0
  micro_batch_size: null
  monitor: auto
  early_stopping: {{patience: 20, min_delta: 0.0}}
  optimizer: {{type: adamw, learning_rate: 0.002, weight_decay: 0.01}}
  schedule: {{type: cosine, warmup: 100 steps}}
evaluation:
  baselines: [constant, linear, boosting]
run:
  name: "{name}"
  seed: 0
  device: auto
"""


def start(path: Path, name: str, source: str, targets: list[str]) -> RunDirectory:
    """The directory with configuration, command and environment."""
    run = RunDirectory.create(str(path), name)
    run.update(targets=targets, status="finished", version="0.1.0")
    run.config.write_text(CONFIG.format(source=source, targets=", ".join(targets), name=name), encoding="utf-8")
    run.command.write_text(f"trainwright train {source} --target {','.join(targets)}\n", encoding="utf-8")
    run.write_json("environment.json", {**environment(), "threads": 2})
    state = {"commit": "99c6854d051ce3d09c50d3dfef02bb3a416031ed", "branch": "main", "dirty": True, "diff_sha256": "ab" * 32, "note": ""}
    run.write_json("code.json", state)
    run.close()
    return run


def curves(run: RunDirectory, ends: dict[str, tuple[float, float]], steps: int = 1200, every: int = 12) -> None:
    """metrics.csv: each name falls or rises from its first value to its last; training goes on improving past the middle."""
    noise = np.random.default_rng(3)
    names = [
        *(f"{split}/{name}" for name in ends for split in ("train", "validation")),
        "learning_rate",
        "gradient_norm",
        "samples_per_second",
    ]
    with open(run.metrics, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "seconds", *names])
        for step in range(every, steps + 1, every):
            t = step / steps
            row: list[Any] = []
            for first, last in ends.values():
                fall, size = np.exp(-6 * t), abs(first - last)
                train = last + (first - last) * (fall - 0.12 * t) + noise.normal(0, 0.012) * size
                validation = last + (first - last) * (fall + 0.1 * t**2) + noise.normal(0, 0.02) * size
                row += [f"{train:.5f}", f"{validation:.5f}" if step % (2 * every) == 0 else ""]
            rate = 0.002 * min(step / 100, 0.5 * (1 + np.cos(np.pi * t)))
            row += [f"{rate:.6f}", f"{1.5 * np.exp(-3 * t) + 0.2 + noise.exponential(0.1):.4f}", f"{36000 + noise.normal(0, 900):.0f}"]
            writer.writerow([step, f"{step / 12:.3f}", f"{step * 0.0017:.3f}", *row])


def finish(run: RunDirectory, metrics: dict[str, Any], **fields: Any) -> None:
    """results.json, with the timing and sizes of an ordinary small run."""
    timing = {"startup_seconds": 1.38, "train_seconds": 2.14, "evaluate_seconds": 0.31, "checkpoint_seconds": 0.06}
    timing |= {"total_seconds": 6.4, "steps": 1200, "samples_per_second": 36_214.0}
    realised = {"batch_size": 64, "micro_batch_size": 64, "steps": 1200, "epochs": 107.4, "parameters": 135_201}
    fields = {"seed": 0, "weights_sha256": "9f2c" * 16, "stopped_because": "no improvement in 20 evaluations", **fields}
    run.write_json("results.json", build_results(metrics=metrics, timing=timing, realised=realised, **fields))


def column(
    name: str, type_: str, why: str, missing: int, unique: int, examples: list[str], role: str = "input", **more: Any
) -> dict[str, Any]:
    """One entry of data.json's columns."""
    return {"name": name, "type": type_, "why": why, "role": role, "missing": missing, "unique": unique, "examples": examples} | more


def roc(scores: np.ndarray, truth: np.ndarray, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ROC and precision–recall curves of one class, at most 200 points each."""
    order = np.argsort(-scores)
    hits = truth[order].astype(float)
    tp, fp = np.cumsum(hits), np.cumsum(1 - hits)
    tpr, fpr, precision = tp / max(tp[-1], 1), fp / max(fp[-1], 1), tp / (tp + fp)
    pick = np.unique(np.linspace(0, len(order) - 1, 200).astype(int))
    area = float(np.trapezoid(tpr, fpr))
    ap = float((precision * hits).sum() / max(hits.sum(), 1))
    return (
        {"class": name, "fpr": [0.0, *fpr[pick].tolist()], "tpr": [0.0, *tpr[pick].tolist()], "auc": area},
        {"class": name, "precision": precision[pick].tolist(), "recall": tpr[pick].tolist(), "ap": ap},
    )


def simulated(classes: list[str], rows: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Truth, probabilities, and the analysis of a classifier of the given sharpness."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, len(classes), rows)
    logits = draw.normal(0, 1, (rows, len(classes)))
    logits[np.arange(rows), truth] += sharpness
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    guess = scores.argmax(1)
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, (truth, guess), 1)
    pairs = [roc(scores[:, index], truth == index, name) for index, name in enumerate(classes)]
    if len(classes) == 2:
        pairs = pairs[1:]
    confidence = scores.max(1)
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.any():
            right = float((guess == truth)[inside].mean())
            bins.append({"confidence": float(confidence[inside].mean()), "frequency": right, "count": int(inside.sum())})
    analysis = {
        "kind": "binary" if len(classes) == 2 else "category",
        "classes": classes,
        "confusion": matrix.tolist(),
        "roc": [each[0] for each in pairs],
        "pr": [each[1] for each in pairs],
        "calibration": {"bins": bins, "ece": 0.031},
        "threshold": None,
    }
    return truth, scores, analysis


def classification(path: Path) -> RunDirectory:
    """A binary run on passengers, with a leak, dropped rows and missing values."""
    run = start(path, "titanic-survived", "titanic.csv", ["survived"])
    curves(run, {"loss": (0.69, 0.41), "survived.accuracy": (0.61, 0.835), "survived.roc_auc": (0.52, 0.879)})
    _, _, analysis = simulated(["no", "yes"], 179, 1.9)
    people = [
        ("Allison, Miss. Helen Loraine", "1", "female", "2", "151.55", "S"),
        ("Futrelle, Mr. Jacques Heath", "1", "male", "37", "53.1", "S"),
        ("Osén, Mr. Olaf Elon", "3", "male", "16", "9.2167", "S"),
        ("Sawyer, Mr. Frederick Charles", "3", "male", "24.5", "8.05", "S"),
        ("Zabour, Miss. Hileni", "3", "female", "14.5", "14.4542", "C"),
        ("Gustafsson, Mr. Karl Gideon", "3", "male", "19", "7.775", "S"),
    ]
    names = ("name", "pclass", "sex", "age", "fare", "embarked")
    worst = [
        {
            "row": 297 + 71 * i,
            "loss": 3.41 - 0.24 * i,
            "truth": "yes" if i % 2 else "no",
            "prediction": "no" if i % 2 else "yes",
            "values": dict(zip(names, each, strict=True)),
        }
        for i, each in enumerate(people)
    ]
    drops = [
        ("sex", 0.142, 0.02),
        ("pclass", 0.051, 0.013),
        ("age", 0.038, 0.014),
        ("fare", 0.021, 0.011),
        ("sibsp", 0.012, 0.008),
        ("deck", 0.004, 0.006),
        ("embarked", 0.001, 0.005),
        ("parch", -0.003, 0.004),
    ]
    importance = [{"column": name, "drop_mean": mean, "drop_std": spread} for name, mean, spread in drops]
    run.write_json(
        "analysis.json", {"targets": {"survived": analysis}, "importance": {"survived": importance}, "worst": {"survived": worst}}
    )
    columns = [
        column("survived", "binary", "two values", 0, 2, ["0", "1"], "target"),
        column("pclass", "category", "3 whole numbers", 0, 3, ["3", "1", "2"]),
        column("sex", "binary", "two values", 0, 2, ["male", "female"]),
        column("age", "number", "88 different numbers", 177, 88, ["22.0", "38.0", "26.0"], policy="mean + indicator"),
        column("sibsp", "number", "whole numbers, ordered", 0, 7, ["1", "0", "3"]),
        column("fare", "number", "248 different numbers", 0, 248, ["7.25", "71.2833", "7.925"]),
        column("deck", "category", "7 words", 688, 7, ["C", "E", "G"], policy="own class", warnings=["77 % of the values are missing"]),
        column("embarked", "category", "3 words", 2, 3, ["S", "C", "Q"], policy="own class"),
        column(
            "passenger_id",
            "ignore",
            "every row has its own value",
            0,
            891,
            ["1", "2", "3"],
            "ignored",
            warnings=["looks like an identifier"],
        ),
        column("alive", "ignore", "gives the target away", 0, 2, ["no", "yes"], "ignored"),
    ]
    leak = {
        "column": "alive",
        "target": "survived",
        "strength": 1.0,
        "exact": True,
        "why": "each value goes with one value of survived",
        "excluded": True,
    }
    split = {"method": "stratified by survived", "seed": 0, "train": 622, "validation": 89, "test": 178, "notes": []}
    source = {
        "name": "titanic.csv",
        "rows": 891,
        "fingerprint": {"path": "data/titanic.csv", "bytes": 57018, "sha256": "c617db2c" * 8, "rows": 891},
    }
    dropped = [{"reason": "the target is missing", "count": 2, "rows": [61, 829]}]
    duplicates = {"equal": {"train/test": 12}, "train_rows": 12}
    run.write_json(
        "data.json",
        {"source": source, "columns": columns, "dropped_rows": dropped, "leaks": [leak], "duplicates": duplicates, "split": split},
    )
    values = {"accuracy": 0.826, "roc_auc": 0.871, "f1": 0.762, "precision": 0.781, "recall": 0.744, "log_loss": 0.421}
    finish(
        run,
        {
            split: {"survived": {k: v + d * 0.02 for k, v in values.items()}, "loss": 0.421 - 0.03 * d}
            for split, d in (("train", 2), ("validation", 0.5), ("test", 0))
        },
        intervals={"test": {"survived": {"accuracy": [0.765, 0.877], "roc_auc": [0.809, 0.921], "f1": [0.683, 0.829]}}},
        baselines={
            "constant": {"test": {"survived": {"accuracy": 0.615, "roc_auc": 0.5}}, "seconds": 0.003},
            "linear": {"test": {"survived": {"accuracy": 0.793, "roc_auc": 0.848}}, "seconds": 0.09},
            "boosting": {"test": {"survived": {"accuracy": 0.815, "roc_auc": 0.866}}, "seconds": 0.41},
        },
        verdict={
            "survived": {
                "metric": "accuracy",
                "network": 0.826,
                "best_baseline": 0.815,
                "name": "boosting",
                "beats": True,
                "text": "The network beats the best baseline, boosting (0.815).",
            }
        },
        best={"step": 720, "metric": "survived.accuracy", "value": 0.843},
    )
    return run


def cloud(rows: int, noise: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Truth, prediction and analysis of a regression on prices."""
    draw = np.random.default_rng(seed)
    truth = np.exp(draw.normal(7.8, 0.9, rows)).clip(300, 18800)
    guess = truth * np.exp(draw.normal(0, noise, rows))
    counts, edges = np.histogram(guess - truth, bins=41, range=(-2500, 2500))
    pairs = {"truth": truth[:2000].tolist(), "prediction": guess[:2000].tolist()}
    return truth, guess, {"kind": "number", "predicted_vs_true": pairs, "residuals": {"edges": edges.tolist(), "counts": counts.tolist()}}


def regression(path: Path) -> RunDirectory:
    """A regression on diamonds that a baseline beats."""
    run = start(path, "diamonds-price", "diamonds.parquet", ["price"])
    curves(run, {"loss": (0.91, 0.0021), "price.r2": (0.1, 0.981), "price.mae": (2900.0, 264.0)})
    truth, guess, analysis = cloud(5394, 0.1)
    stones = [("carat", "2.01"), ("cut", "Premium"), ("color", "H"), ("clarity", "SI2"), ("depth", "62.1"), ("table", "58")]
    worst = [
        {"row": int(row), "loss": 9.1 - i, "truth": float(truth[row]), "prediction": float(guess[row]), "values": dict(stones)}
        for i, row in enumerate((40, 812, 77, 1911))
    ]
    importance = [
        {"column": name, "drop_mean": mean, "drop_std": 0.01}
        for name, mean in (
            ("carat", 0.81),
            ("clarity", 0.19),
            ("color", 0.11),
            ("cut", 0.02),
            ("x", 0.4),
            ("y", 0.31),
            ("z", 0.05),
            ("table", 0.001),
            ("depth", 0.003),
        )
    ]
    run.write_json("analysis.json", {"targets": {"price": analysis}, "importance": {"price": importance}, "worst": {"price": worst}})
    columns = [column(name, "number", "numbers", 0, 273, ["0.23", "0.21", "0.29"]) for name in ("carat", "depth", "table", "x", "y", "z")]
    columns += [column(name, "category", "words", 0, 5, ["Ideal", "Premium", "Good"]) for name in ("cut", "color", "clarity")]
    columns += [column("price", "number", "numbers", 0, 11602, ["326", "327", "334"], "target")]
    split = {"method": "random", "seed": 0, "train": 37758, "validation": 5394, "test": 10788, "notes": []}
    run.write_json(
        "data.json", {"source": {"name": "diamonds.parquet", "rows": 53940, "fingerprint": {}}, "columns": columns, "split": split}
    )
    numbers = {"r2": 0.9802, "mae": 268.41, "rmse": 547.2, "mape": 0.0671}
    finish(
        run,
        {name: {"price": numbers, "loss": 0.0211} for name in ("train", "validation", "test")},
        intervals={"test": {"price": {"r2": [0.9785, 0.9817], "mae": [261.2, 275.9]}}},
        baselines={
            "constant": {"test": {"price": {"r2": -0.0001, "mae": 3020.0}}, "seconds": 0.002},
            "boosting": {"test": {"price": {"r2": 0.9824, "mae": 271.0}}, "seconds": 1.7},
        },
        verdict={
            "price": {
                "metric": "r2",
                "network": 0.9802,
                "best_baseline": 0.9824,
                "name": "boosting",
                "beats": False,
                "text": "The network does not reach the best baseline, boosting (0.982).",
            }
        },
        best={"step": 1100, "metric": "price.r2", "value": 0.981},
    )
    return run


def several(path: Path) -> RunDirectory:
    """Three targets of different kinds at once."""
    run = start(path, "penguins", "penguins.csv", ["species", "body_mass_g", "tags"])
    curves(run, {"loss": (2.1, 0.3), "species.accuracy": (0.4, 0.985), "body_mass_g.r2": (0.0, 0.86), "tags.f1": (0.2, 0.7)})
    _, _, kinds = simulated(["Adelie", "Chinstrap", "Gentoo"], 69, 4.5)
    _, _, mass = cloud(69, 0.2)
    _, _, tags = simulated(["island", "ringed", "male", "juvenile", "breeding", "2009"], 69, 2.0)
    tags.pop("confusion")
    importance = {
        "species": [{"column": "flipper_length_mm", "drop_mean": 0.3, "drop_std": 0.02}],
        "body_mass_g": [{"column": "sex", "drop_mean": 0.2, "drop_std": 0.01}],
    }
    run.write_json(
        "analysis.json", {"targets": {"species": kinds, "body_mass_g": mass, "tags": tags}, "importance": importance, "worst": {}}
    )
    columns = [
        column("species", "category", "3 words", 0, 3, ["Adelie", "Gentoo"], "target"),
        column("body_mass_g", "number", "94 numbers", 2, 94, ["3750", "3800"], "target"),
    ]
    columns += [
        column("island", "category", "3 words", 0, 3, ["Torgersen"]),
        column("sex", "binary", "two values", 11, 2, ["MALE", "FEMALE"]),
    ]
    split = {"method": "random", "seed": 0, "train": 240, "validation": 35, "test": 69, "notes": ["several targets: not stratified"]}
    run.write_json("data.json", {"source": {"name": "penguins.csv", "rows": 344, "fingerprint": {}}, "columns": columns, "split": split})
    test = {
        "species": {"accuracy": 0.985, "f1": 0.983},
        "body_mass_g": {"r2": 0.86, "mae": 241.0},
        "tags": {"f1": 0.7, "jaccard": None},
        "loss": 0.31,
    }
    finish(
        run,
        {"train": test, "validation": test, "test": test},
        intervals={"test": {"species": {"accuracy": [0.956, 1.0]}}},
        baselines={"boosting": {"test": {"species": {"accuracy": 0.971}, "body_mass_g": {"r2": 0.86}}, "seconds": 0.4}},
        verdict={
            "species": {
                "metric": "accuracy",
                "network": 0.985,
                "best_baseline": 0.971,
                "name": "boosting",
                "beats": True,
                "text": "The network beats the best baseline, boosting (0.971).",
            },
            "body_mass_g": {
                "metric": "r2",
                "network": 0.86,
                "best_baseline": 0.86,
                "name": "boosting",
                "beats": False,
                "text": "The network does no better than boosting (0.860).",
            },
            "tags": {"metric": "f1", "network": 0.7, "best_baseline": None, "name": None, "beats": None, "text": ""},
        },
        best={"step": 960, "metric": "loss", "value": 0.3},
    )
    return run


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'\u202e\x00\ud800"


def hostile(path: Path) -> RunDirectory:
    """A hundred classes, five hundred columns, long and right-to-left names, markup in every text."""
    long = "عمود_" + "a_very_long_column_name_without_a_single_space_" * 3
    run = start(path, "hostile", "hostile.csv", ["target"])
    run.update(name=f"run {HOSTILE}"[:-1])
    classes = [f"class {index} {HOSTILE[:20] if index % 10 == 0 else long[: index % 60]}" for index in range(100)]
    _, _, analysis = simulated(classes, 4000, 3.0)
    target = f"target {HOSTILE}"
    values = {f"{HOSTILE}{index}": HOSTILE if index % 2 else "日本語のとても長い値" * 20 for index in range(40)}
    worst = [{"row": 5, "loss": None, "truth": HOSTILE, "prediction": classes[3], "values": values}]
    importance = [{"column": f"{long}{index}", "drop_mean": 0.5 / (index + 1), "drop_std": None} for index in range(500)]
    run.write_json("analysis.json", {"targets": {target: analysis}, "importance": {target: importance}, "worst": {target: worst}})
    columns = [
        column(f"{long}{index}", "number", HOSTILE, index, 500, [HOSTILE, "", "x" * 500], warnings=[HOSTILE] if index == 499 else [])
        for index in range(500)
    ]
    source = {"name": HOSTILE, "rows": 100_000, "fingerprint": {"path": HOSTILE, "bytes": 1, "sha256": "0"}}
    leaks = [{"column": HOSTILE, "target": target, "strength": None, "why": HOSTILE, "excluded": False}]
    split = {"method": HOSTILE, "seed": 1, "train": 0, "validation": 0, "test": 4000, "notes": [HOSTILE]}
    run.write_json(
        "data.json",
        {
            "source": source,
            "columns": columns,
            "leaks": leaks,
            "dropped_rows": [{"reason": HOSTILE, "count": 3, "rows": []}],
            "split": split,
        },
    )
    run.config.write_text(
        "a: " + HOSTILE.encode("utf-8", "ignore").decode().replace("\x00", "") + "\n# <b>\n" + "k: 1\n" * 5000, encoding="utf-8"
    )
    run.command.write_text(f"trainwright train {HOSTILE}".encode("utf-8", "replace").decode(), encoding="utf-8")
    with open(run.metrics, "w", encoding="utf-8") as file:
        file.write(f'step,train/loss,validation/{target[:20]},"train/x"\n')
        file.writelines(f"{step},nan,{1e9 if step == 500 else 0.1},\n" for step in range(1, 1000))
        file.write("1000,0.")
    finish(
        run,
        {"test": {target: {HOSTILE: 0.5, "accuracy": None}}},
        verdict={target: {"metric": HOSTILE, "text": HOSTILE}},
        stopped_because=HOSTILE,
    )
    return run


EXAMPLES = {"classification": classification, "regression": regression, "several": several, "hostile": hostile}
