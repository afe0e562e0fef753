"""What was asked for and what was realised, the learning rate, and where the time went."""

from __future__ import annotations

from typing import Any

from trainwright.report.blocks.bars import Bar, Bars
from trainwright.report.blocks.base import Block, Cell
from trainwright.report.blocks.table import Column, Table
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number, number, score, seconds, setting
from trainwright.report.markup import Content
from trainwright.report.material import Material, mapping


def request(material: Material) -> ReportSection | None:
    """A table of settings, asked and realised."""
    entries = _entries(material)
    if not entries and not material.results:
        return None
    columns: list[str | Column] = ["", Column(name="asked", limit=90), Column(name="realised", limit=90)]
    body: list[Content | Block] = [Table(columns=columns, rows=entries, look="pairs")] if entries else []
    body += _time(material)
    return ReportSection("request", "Asked and realised", "What the configuration said, and what the run made of it.", body)


def _entries(material: Material) -> list[list[Cell]]:
    trainer, run = mapping(material.config.get("trainer")), mapping(material.config.get("run"))
    realised, best = mapping(material.results.get("realised")), mapping(material.results.get("best"))
    kept = f"step {number(best.get('step'))}, {best.get('metric') or 'loss'} {score(best.get('value'))}" if best else ""
    rate = _rate(material)
    entries = [
        ("batch size", _auto(trainer.get("batch_size")), number(realised.get("batch_size"))),
        ("micro-batch size", _auto(trainer.get("micro_batch_size")), number(realised.get("micro_batch_size"))),
        ("length", _length(trainer), _realised_length(realised)),
        ("stopped because", _patience(trainer), material.results.get("stopped_because") or ""),
        ("kept weights", f"the best, monitor {trainer.get('monitor')}" if trainer.get("monitor") else "", kept),
        ("optimizer", _part(trainer.get("optimizer")), ""),
        ("learning rate", _option(trainer.get("optimizer"), ("learning_rate", "lr")), rate),
        ("schedule", _part(trainer.get("schedule")), ""),
        ("combiner", _part(mapping(material.config.get("model")).get("combiner")), ""),
        ("parameters", "", number(realised.get("parameters"))),
        ("seed", _show_value(run.get("seed")), _show_value(material.results.get("seed"))),
        ("device", _show_value(run.get("device")), _show_value(realised.get("device"))),
    ]
    kept_entries = [(name, str(asked), str(done).replace("–", "")) for name, asked, done in entries]
    return [[name, asked or None, done or None] for name, asked, done in kept_entries if asked or done]


def _auto(value: Any) -> str:
    return "auto" if value in (0, None, "auto") else number(value)


def _show_value(value: Any) -> str:
    return "" if value is None or value == "" else str(value)


def _length(trainer: dict[str, Any]) -> str:
    asked = [f"{number(trainer[key])} {key.removeprefix('max_')}" for key in ("max_epochs", "max_steps") if is_number(trainer.get(key))]
    if trainer.get("max_time"):
        asked.append(f"{trainer['max_time']}")
    return "at most " + ", ".join(asked) if asked else "auto" if trainer else ""


def _realised_length(realised: dict[str, Any]) -> str:
    parts = [f"{number(realised[key], 3)} {key}" for key in ("steps", "epochs") if is_number(realised.get(key))]
    return ", ".join(parts)


def _patience(trainer: dict[str, Any]) -> str:
    stopping = trainer.get("early_stopping", {})
    if not trainer:
        return ""
    if not isinstance(stopping, dict):
        return "no early stop"
    return f"early stop after {number(stopping['patience'])} evaluations" if is_number(stopping.get("patience")) else ""


def _part(value: Any) -> str:
    """A part by its type and its options, as far as they are short."""
    if not isinstance(value, dict):
        return _show_value(value)
    options = [
        f"{key} {_show_value(each)}"
        for key, each in value.items()
        if key not in ("type", "learning_rate", "lr") and isinstance(each, (int, float, str))
    ]
    return ", ".join([str(value.get("type", "")), *options[:4]])


def _option(value: Any, names: tuple[str, ...]) -> str:
    found = next((mapping(value)[name] for name in names if name in mapping(value)), None)
    return setting(found)


def _rate(material: Material) -> str:
    rates = [each for each in material.history.get("learning_rate", []) if each == each]
    if not rates:
        return ""
    if max(rates) == min(rates):
        return f"{setting(rates[0])} throughout"
    return f"{setting(rates[0])} to {setting(rates[-1])}, highest {setting(max(rates))}"


def _time(material: Material) -> list[Block]:
    timing = mapping(material.results.get("timing"))
    parts = {name: timing[key] for name, key in TIMES.items() if is_number(timing.get(key))}
    total, speed = timing.get("total_seconds"), timing.get("samples_per_second")
    if is_number(total):
        parts["rest"] = max(total - sum(parts.values()), 0.0)
    if not any(each > 0 for each in parts.values()):
        return []
    said = f", {number(round(speed))} samples per second in training" if is_number(speed) and speed else ""
    bars = [Bar(name=name, value=amount, text=seconds(amount)) for name, amount in parts.items()]
    return [Bars(title="Where the time went", caption=f"{seconds(total)} in all{said}", bars=bars, layout="shares", wide=True)]


TIMES = {"start": "startup_seconds", "steps": "train_seconds", "evaluation": "evaluate_seconds", "checkpoints": "checkpoint_seconds"}
