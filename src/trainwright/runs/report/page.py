"""The page: head, sections in reading order, style and script, all in one file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from trainwright.runs.directory import RunDirectory
from trainwright.runs.report.figures import moment
from trainwright.runs.report.markup import Markup, join, note, tag
from trainwright.runs.report.material import Material, gather
from trainwright.runs.report.sections.columns import columns
from trainwright.runs.report.sections.data import data
from trainwright.runs.report.sections.layout import Section
from trainwright.runs.report.sections.media import media
from trainwright.runs.report.sections.metrics import metrics
from trainwright.runs.report.sections.model import model
from trainwright.runs.report.sections.outcome import outcome
from trainwright.runs.report.sections.record import configuration, environment, use
from trainwright.runs.report.sections.request import request
from trainwright.runs.report.sections.training import training
from trainwright.runs.report.sections.tuning import tuning
from trainwright.runs.report.sections.verdict import opening
from trainwright.runs.report.sections.worst import worst

SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    metrics, training, media, model, tuning, outcome, columns, worst, data, request, use, environment, configuration,
)  # fmt: skip
# An icon given inline keeps the browser from asking a server for one.
ICON = "data:image/gif;base64,R0lGODlhAQABAIAAACpvngAAACwAAAAAAQABAAACAkQBADs="

T = TypeVar("T")
log = logging.getLogger("trainwright.runs")


def render(run: RunDirectory, higher_is_better: Mapping[str, bool]) -> str:
    """The report of a run as one HTML page that needs nothing else; what is missing or damaged is said on it.

    `higher_is_better` says of a metric whether more of it is better.
    """
    material = gather(run, higher_is_better)
    top = _guard_section("opening", lambda: opening(material)) or Markup("")
    sections = [_section(make, material) for make in SECTIONS]
    found = [each for each in sections if each]
    links = [tag("li", tag("a", each.heading, href=f"#{each.anchor}")) for each in found]
    nav = tag("nav", tag("ul", links), aria_label="Contents")
    main = tag("main", top, nav, [_guard_section(each.heading, each.render) for each in found], id="report")
    title = f"{', '.join(material.targets[:3]) or 'Run'} · {material.run.get('name', '')} · Trainwright"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href=ICON),
        tag("title", title),
        tag("style", Markup(asset("style.css"))),
        tag("script", Markup(asset("theme.js"))),
    )
    body = tag("body", _bar(), main, _foot(material), tag("script", Markup(asset("page.js"))))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


@cache
def asset(name: str) -> str:
    """The text of a file that lies beside this one."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _section(make: Callable[[Material], Section | None], material: Material) -> Section | None:
    drawn = _guard_section(make.__name__, lambda: make(material))
    return Section(make.__name__, make.__name__.capitalize(), "", drawn) if isinstance(drawn, Markup) else drawn


def _guard_section(name: str, draw: Callable[[], T]) -> T | Markup:
    """A drawn part, or a remark in its place: a file edited by hand must not cost the whole report."""
    try:
        return draw()
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        log.warning("the report's part '%s' could not be drawn: %s: %s", name, type(error).__name__, error)
        log.debug("where it arose", exc_info=error)
        return note(f"This part ({name}) could not be drawn: {type(error).__name__}: {error}.")


def _bar() -> Markup:
    toggle = tag("button", "Theme", type="button", id="theme", aria_label="Switch between the light and the dark theme", hidden=True)
    return join(
        [tag("a", "Skip to the report", href="#report", class_="skip"), tag("div", tag("span", "Trainwright"), toggle, class_="masthead")]
    )


def _foot(material: Material) -> Markup:
    version = material.run.get("version") or ""
    return tag("footer", f"Trainwright {version}, ", tag("bdi", str(material.path)), f", started {moment(material.run.get('created'))}")
