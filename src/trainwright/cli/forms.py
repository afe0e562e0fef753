"""Forms of a command: what its subject may be, and which flags and settings it uses for each; anything else that is given is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.config.errors import RequestError, nearest

MEASURING = (
    *("system", "model", "loss", "metrics", "target", "extensions", "parametrizations", "data", "imports", "parser", "arguments"),
    *("trainer.loader", "trainer.evaluation_batch_size", "trainer.batch_size", "trainer.limit_batches", "trainer.precision"),
    *("trainer.sample_metrics", "trainer.modes", "trainer.callbacks", "run.device", "run.seed"),
)
"""Settings that count where a system of one's own is measured or predicts; the others are of its training."""
GIVEN = (
    *("model", "loss", "metrics", "target", "system", "imports", "trainer.evaluation_batch_size", "trainer.limit_batches"),
    *("trainer.precision", "trainer.modes", "trainer.callbacks", "run.device"),
)
"""The same for a run of `tw.fit`, whose model is named again, and whose data are not in its files."""
OF_ROWS = ("run.seed", "data.split")
"""Settings that say which rows are held back from training."""
ALL = ("",)
PERMISSIONS = ("trust_code",)
"""Flags that allow something, in every form, whether or not it comes to it."""


@dataclass(frozen=True)
class Form:
    """One way to use a command: the words for its subject, the flags (by the name of their value) and the roots of settings it uses."""

    subject: str
    flags: tuple[str, ...]
    settings: tuple[str, ...] = ()
    instead: str = "leave it out"
    """The fix, where something is given that this form does not use."""
    fixed: tuple[str, ...] = ()
    """Settings below those roots that are what they were when the run was trained."""


def refuse_unused_flags(form: Form, command: str, given: dict[str, str]) -> None:
    """Raise RequestError for the first flag (value name → as written) that the form does not use."""
    for name, written in given.items():
        if name not in (*form.flags, *PERMISSIONS):
            why = f"`{command}` of {form.subject} does not use it"
            raise RequestError(f"{written} has no effect here", where="command line", why=why, fix=form.instead)


def refuse_unused_settings(form: Form, command: str, settings: Sequence[str]) -> None:
    """Raise RequestError (ConfigError for what is no setting) for the first setting that the form does not use, or that is unknown."""
    from trainwright.config.compose import override
    from trainwright.config.places import spell_key

    for text in settings:
        path = spell_key(override(text).path).replace("-", "_")
        if any(_is_below(path, each) for each in form.fixed):
            why = "rows that it was trained on would be measured as if they were new"
            what = f"{path} of a trained run cannot be another"
            raise RequestError(what, where=f"command line: {text}", why=why, fix=form.instead)
        if any(not root or _is_below(path, root) for root in form.settings):
            continue
        uses = ", ".join(form.settings) or "no settings"
        why = f"`{command}` of {form.subject} uses {uses}"
        hint = _nearest_option(path)
        what = f"the setting {path} has no effect here" if hint is None else f"unknown option '{path}'"
        raise RequestError(what, where=f"command line: {text}", why=why, fix=hint or form.instead)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith((f"{root}.", f"{root}:"))


def _nearest_option(path: str) -> str | None:
    """The nearest known option (or nothing) for one that no configuration has; None for known ones."""
    from trainwright.config.located import option_paths
    from trainwright.systems.run_config import Config, EvaluationConfig

    measured = [f"evaluation.{name}" for name in option_paths(EvaluationConfig)]  # which follow from the system
    known = [*option_paths(Config), *measured, *(name for names in Config.short.values() for name in names)]
    section, _, last = path.rpartition(".")
    beside = [each.rpartition(".")[2] for each in known if each.rpartition(".")[0] == section]
    deep = section.count(".") > 0 or section in ("columns", "system", "model", "data", "loss")  # what parts and columns may hold
    if last in beside or (deep and section.partition(".")[0] in known):
        return None
    close = nearest(last, beside)
    return f"did you mean {section + '.' if section else ''}{close}?" if close else ""
