"""What a report says of columns of recordings: how long they are and how they were read, and examples with what was predicted of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.domains.facts import RunFacts
from trainwright.domains.signals.viewing.pictures import draw_example
from trainwright.metrics.examples import choose_rows, say_answer

SECTION = "Recordings"
TARGETS, COLUMNS = 2, 2
"""Targets and columns of recordings that examples are shown of."""
BARS = 30


def describe_recordings(facts: RunFacts) -> list[dict[str, Any]]:
    """Of each column of recordings how long they are, at which rate and with which leads they are read, and what was mended or left out."""
    return [block for column in facts.of_type("signal", "audio") if column in facts.features for block in _describe(facts, column)]


def _describe(facts: RunFacts, column: str) -> list[dict[str, Any]]:
    feature = facts.features[column]
    lengths = facts.lengths.get(column, np.zeros(0, np.int64))
    seconds = lengths[lengths > 0] / (feature.rate or 1.0)
    place = {"section": SECTION, "group": column, "why": "How they were read, and examples with what was predicted of them."}
    return [
        {**place, "type": "table", "title": "How they were read", "look": "pairs", **_table(_read(feature, lengths, seconds))},
        *([{**place, "type": "bars", "title": "How long they are", **_histogram(seconds)}] if len(set(seconds.tolist())) > 1 else []),
    ]


def _table(rows: list[list[Any]]) -> dict[str, Any]:
    return {"columns": ["", {"name": "", "limit": 200}], "rows": rows}


def _histogram(seconds: np.ndarray) -> dict[str, Any]:
    low, high = float(seconds.min()), float(seconds.max())
    count = int(np.clip(np.sqrt(len(seconds)) * 1.5, 5, BARS))
    counts, edges = np.histogram(seconds, bins=count, range=(low, high))
    return {"edges": edges.tolist(), "counts": counts.tolist(), "x_label": "seconds"}


def _read(feature: Any, lengths: np.ndarray, seconds: np.ndarray) -> list[list[Any]]:
    names = ", ".join(feature.channels[:16]) + (" …" if len(feature.channels) > 16 else "")
    rows: list[list[Any]] = [
        ["recordings", int((lengths > 0).sum())],
        ["samples a second", float(feature.rate)],
        ["channels" if feature.kind == "audio" else "leads", {"text": f"{len(feature.channels)}: {names}", "limit": 200}],
    ]
    if len(seconds):
        low, high, middle = float(seconds.min()), float(seconds.max()), float(np.median(seconds))
        said = f"{low:.4g} each" if low == high else f"{low:.4g} to {high:.4g}, the middle one {middle:.4g}"
        rows.append(["seconds", said])
    rows += [[{"text": what, "limit": 160}, count] for what, count in feature.told.most_common(12)]
    missing = int((lengths <= 0).sum())
    rows += [["taken as missing", missing]] if missing else []
    done = "left out" if feature.config.unreadable == "skip" else "repaired or missing"
    rows += [[f"{done}: row {row + 1}", {"text": said, "limit": 200}] for row, said in sorted(feature.unusable.items())]
    return rows


def show_examples(facts: RunFacts) -> list[dict[str, Any]]:
    """Recordings that it is most wrong about, typical ones and the surest, with labels, answers, R peaks and shading."""
    columns = [each for each in facts.of_type("signal", "audio") if each in facts.features][:COLUMNS]
    blocks: list[dict[str, Any]] = []
    for number, (target, outcome) in enumerate(list(facts.outcomes.items())[:TARGETS]):
        for kind, place in choose_rows(outcome):
            for column in columns:
                answer = say_answer(outcome, place)
                name = f"examples/{number}-{kind}-{place}-{columns.index(column)}.wav"
                drawn = draw_example(facts, column, place, target, answer.output, name)
                if drawn is not None:
                    title = f"{kind.capitalize()}: {drawn.pop('title')}"
                    blocks.append(
                        {"type": "traces", "section": "Examples", "group": target, "title": title, "caption": answer.words, **drawn}
                    )
    why = f"Recordings of the {facts.split} rows: those it is most wrong about, typical ones, and those it is surest and right about."
    return [{**each, "why": why} for each in blocks]
