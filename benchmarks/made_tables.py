"""Tables that are made: scikit-learn's generators, and one like a census, in which most people have no capital gain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

GAINS = np.array(
    [114, 594, 1055, 2174, 2407, 2829, 3103, 3325, 3464, 4064, 4386, 4508, 5013, 5178, 5455, 6497, 7298, 7688, 8614, 10520, 15024]
)
LOSSES = np.array([653, 880, 1340, 1408, 1485, 1590, 1602, 1672, 1719, 1740, 1848, 1876, 1887, 1902, 1977, 2001, 2179, 2258, 2415, 2559])


def census(rows: int = 8_000, seed: int = 1) -> dict[str, np.ndarray]:
    """Ages, hours and capital gains of people, and whether their income is high; which amounts mean so has no order, as in tax tables."""
    random = np.random.default_rng(seed)
    age, education = random.integers(17, 90, rows), np.clip(random.normal(10, 2.5, rows), 1, 16).round()
    hours = np.where(random.random(rows) < 0.47, 40, np.clip(random.normal(41, 13, rows), 1, 99).round())
    married = random.random(rows) < np.clip((age - 18) / 45, 0.03, 0.65)
    work = random.integers(0, 14, rows)
    score = -3.3 + 0.03 * (age - 38) - 0.0011 * (age - 45) ** 2 + 0.33 * (education - 9) + 0.025 * (hours - 40) + 2.0 * married
    score += random.normal(0, 0.7, 14)[work]
    rich = 1 / (1 + np.exp(-score))
    gain, effect = _amounts(random, GAINS, random.random(rows) < 0.04 + 0.15 * rich)
    loss, other = _amounts(random, LOSSES, (gain == 0) & (random.random(rows) < 0.03 + 0.06 * rich))
    income = random.random(rows) < 1 / (1 + np.exp(-(score + effect + other)))
    columns = {"age": age, "education": education, "married": married, "work": np.char.add("w", work.astype(str)), "hours": hours}
    return columns | {"gain": gain, "loss": loss, "weight": random.lognormal(12, 0.55, rows).round(), "y": np.where(income, "high", "low")}


def _amounts(random: np.random.Generator, amounts: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One of the amounts for some rows and 0 for the others, and what it adds to the score of an income."""
    means, which = np.where(random.random(len(amounts)) < 0.5, 5.0, -4.0), random.integers(0, len(amounts), len(there))
    return np.where(there, amounts[which], 0), np.where(there, means[which], 0.0)


def make_table(name: str, seed: int = 1) -> dict[str, np.ndarray]:
    """A made table by name; the target is `y`."""
    from sklearn import datasets

    makers = {
        "friedman1": lambda: datasets.make_friedman1(2_000, noise=1.0, random_state=seed),
        "friedman2": lambda: datasets.make_friedman2(1_000, noise=100.0, random_state=seed),
        "friedman3": lambda: datasets.make_friedman3(1_000, noise=0.1, random_state=seed),
        "sparse": lambda: datasets.make_sparse_uncorrelated(1_000, 10, random_state=seed),
        "hastie": lambda: datasets.make_hastie_10_2(3_000, random_state=seed),
        "quantiles": lambda: datasets.make_gaussian_quantiles(n_samples=2_000, n_features=6, n_classes=3, random_state=seed),
        "clusters": lambda: datasets.make_classification(
            3_000, 20, n_informative=8, n_redundant=4, n_classes=4, flip_y=0.05, random_state=seed
        ),
    }
    if name == "census":
        return census(seed=seed)
    x, y = makers[name]()
    y = y.astype(int) if len(np.unique(y)) <= 4 else y
    return {**{f"x{place}": column for place, column in enumerate(x.T)}, "y": y}


MADE = ("friedman1", "friedman2", "friedman3", "sparse", "hastie", "quantiles", "clusters", "census")


def write_made(name: str, folder: Path) -> Path:
    """A made table as a CSV file in `folder`."""
    path = folder / f"{name}.csv"
    pa.csv.write_csv(pa.table(make_table(name)), path)
    return path
