"""The page: head, sections in reading order, style and script, all in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from trainwright._version import __version__
from trainwright.report.blocks.base import Sheet
from trainwright.report.every_run.layout import ReportSection, guard, with_blocks
from trainwright.report.every_run.media import media
from trainwright.report.every_run.metrics import metrics
from trainwright.report.every_run.model import model
from trainwright.report.every_run.opening import opening, title
from trainwright.report.every_run.pruning import pruning
from trainwright.report.every_run.record import configuration, environment
from trainwright.report.every_run.request import request
from trainwright.report.every_run.starts import starts
from trainwright.report.every_run.training import training
from trainwright.report.every_run.tuning import tuning
from trainwright.report.figures import moment
from trainwright.report.markup import Content, Markup, join, note, quote, tag
from trainwright.report.material import Material, gather
from trainwright.runs.directory import RunDirectory

COMMON: tuple[Callable[[Material], ReportSection | None], ...] = (
    metrics, training, media, pruning, model, tuning, starts, request, environment, configuration,
)  # fmt: skip
"""What the files that every run has tell; the blocks of analysis.json stand before `model`, or else `request`."""
MOST_BLOCKS = 400
# An icon given inline keeps the browser from asking a server for one.
ICON = "data:image/gif;base64,R0lGODlhAQABAIAAACpvngAAACwAAAAAAQABAAACAkQBADs="


def render(run: RunDirectory, higher_is_better: Mapping[str, bool], convert: Callable[[Material], None] | None = None) -> str:
    """The report of a run as one HTML page that needs nothing else; what is missing or damaged is said on it.

    `higher_is_better` says of a metric whether more of it is better; `convert` writes blocks into the material of a run without any.
    """
    material = gather(run, higher_is_better)
    if convert is not None and material.analysis.get("format") != 2:
        guard("analysis.json", lambda: convert(material))
    sheet = Sheet(run.path)
    top = guard("opening", lambda: opening(material)) or Markup("")
    given = material.analysis.get("blocks")
    blocks = given if isinstance(given, list) else []
    common = [each for make in COMMON if (each := _section(make, material)) is not None]
    found = with_blocks(common, blocks[:MOST_BLOCKS], before=("model", "request"))
    drawn = [each.render(sheet) for each in found]
    rest = (
        note(f"{len(blocks) - MOST_BLOCKS} more blocks are in ", tag("code", "analysis.json"), ".") if len(blocks) > MOST_BLOCKS else None
    )
    about = f"{title(material)} · {material.run.get('name', '')} · Trainwright"
    return make_page(about, top, found, drawn, rest, _foot(material))


def render_blocks(heading: str, facts: Sequence[str], blocks: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Blocks as a page of their own in the look of a report, under a heading and a line of facts; files are named from `folder`."""
    sheet = Sheet(folder)
    line = [tag("span", quote(each, 200)) for each in facts if each]
    top = tag("header", tag("h1", heading), tag("p", line, class_="facts"), class_="opening")
    sections = with_blocks([], blocks[:MOST_BLOCKS], before=())
    drawn = [each.render(sheet) for each in sections]
    return make_page(f"{heading} · Trainwright", top, sections, drawn, None, tag("footer", f"Trainwright {__version__}"))


def make_page(about: str, top: Content, sections: Sequence[ReportSection], drawn: Content, rest: Content, foot: Content) -> str:
    """A whole page that needs nothing else: head, opening, contents, sections as they are drawn, foot."""
    links = [tag("li", tag("a", each.heading, href=f"#{each.anchor}")) for each in sections]
    nav = tag("nav", tag("ul", links), aria_label="Contents")
    main = tag("main", top, nav, drawn, rest, id="report")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href=ICON),
        tag("title", about),
        tag("style", Markup(asset("style.css"))),
        tag("script", Markup(asset("theme.js"))),
    )
    body = tag("body", _bar(), main, foot, tag("script", Markup(asset("page.js"))))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


@cache
def asset(name: str) -> str:
    """The text of a file that lies beside this one."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _section(make: Callable[[Material], ReportSection | None], material: Material) -> ReportSection | None:
    drawn = guard(make.__name__, lambda: make(material))
    return ReportSection(make.__name__, make.__name__.capitalize(), "", [drawn]) if isinstance(drawn, Markup) else drawn


def _bar() -> Markup:
    toggle = tag("button", "Theme", type="button", id="theme", aria_label="Switch between the light and the dark theme", hidden=True)
    return join(
        [tag("a", "Skip to the report", href="#report", class_="skip"), tag("div", tag("span", "Trainwright"), toggle, class_="masthead")]
    )


def _foot(material: Material) -> Markup:
    version = material.run.get("version") or ""
    return tag("footer", f"Trainwright {version}, ", tag("bdi", str(material.path)), f", started {moment(material.run.get('created'))}")
