"""The small files that the pages speak of, made up from a seed: same names, same columns, few rows."""

from __future__ import annotations

import csv
import gzip
import json
import random
from pathlib import Path
from typing import Any

ROWS = 240


def passengers(rows: int, seed: int) -> list[dict[str, Any]]:
    """Passengers whose survival follows from sex, class and age with some noise; ages and decks are partly missing."""
    chance = random.Random(seed)
    table = []
    for _ in range(rows):
        sex, grade = chance.choice(["male", "female"]), chance.choice([1, 2, 3, 3])
        age = round(min(80, max(1, chance.gauss(30, 14))), 1)
        odds = 0.08 + 0.62 * (sex == "female") + 0.12 * (grade == 1) + 0.1 * (age < 12)
        survived = int(chance.random() < odds)
        table.append(
            {
                "survived": survived,
                "pclass": grade,
                "sex": sex,
                "age": "" if chance.random() < 0.15 else age,
                "sibsp": chance.choice([0, 0, 0, 1, 1, 2]),
                "parch": chance.choice([0, 0, 0, 1, 2]),
                "fare": round(chance.lognormvariate(4.2 - 0.8 * grade, 0.5) + 4, 4),
                "embarked": chance.choice(["S", "S", "S", "C", "Q"]),
                "class": ["First", "Second", "Third"][grade - 1],
                "who": "child" if age < 16 else ("man" if sex == "male" else "woman"),
                "deck": chance.choice(["", "", "", "B", "C", "E"]),
                "alive": "yes" if survived else "no",
                "alone": chance.choice(["True", "False"]),
            }
        )
    return table


def trips(rows: int, seed: int) -> list[dict[str, Any]]:
    """Rides with a start time, a distance, tags, a comment, a driver and a price in euros."""
    chance = random.Random(seed)
    table = []
    for number in range(rows):
        distance = round(chance.lognormvariate(1.4, 0.6), 2)
        hour = chance.randrange(24)
        price = 2.5 + 1.7 * distance * (1.3 if hour in (7, 8, 17, 18) else 1.0) + chance.gauss(0, 0.4)
        tags = sorted(chance.sample(["rain", "airport", "night", "shared"], chance.randrange(3)))
        table.append(
            {
                "start": f"2025-{1 + number % 12:02d}-{1 + number % 28:02d} {hour:02d}:{chance.randrange(60):02d}:00",
                "distance": distance,
                "tags": ",".join(tags),
                "comment": " ".join(chance.choices(["fast", "slow", "kind", "late", "clean", "long", "way", "thanks"], k=6)),
                "driver": f"driver-{chance.randrange(12)}",
                "fold": number % 5,
                "price": round(price, 2),
            }
        )
    return table


def write_csv(path: Path, table: list[dict[str, Any]], drop: tuple[str, ...] = ()) -> None:
    columns = [name for name in table[0] if name not in drop]
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(table)


def write_tables(folder: Path) -> None:
    """Every file that a page may name, in `folder`."""
    import pyarrow.csv
    import pyarrow.parquet

    titanic, rides = passengers(ROWS, seed=1), trips(ROWS, seed=2)
    write_csv(folder / "titanic.csv", titanic)
    write_csv(folder / "new.csv", passengers(12, seed=3), drop=("survived", "alive"))
    write_csv(folder / "later.csv", passengers(60, seed=4))
    write_csv(folder / "trips.csv", rides)
    write_csv(folder / "trips.csv.gz", rides)
    (folder / "waves.csv").write_text("signal,age,weight,kind\n")  # the page that speaks of it fills it
    (folder / "beats.csv").write_text("signal,label\n")
    (folder / "trips").mkdir()
    for part in range(3):
        write_csv(folder / f"trips/{part}.csv", rides[part * 80 : part * 80 + 80])
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(folder / "trips.csv"), folder / "trips.parquet")
    with open(folder / "trips.jsonl", "w") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rides)
