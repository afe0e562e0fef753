"""The report in a real browser: no complaint, no request, no overflow, readable in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from example_runs import EXAMPLES

from browser import FAINT, UNREACHABLE, Browser, find_chromium
from trainwright.api.report import write_report

chromium = find_chromium()
pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium on this machine (set CHROMIUM to its path)")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    tab = Browser(chromium or "")
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: write_report(make(folder / name).path) for name, make in EXAMPLES.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_report_renders_without_complaint_request_or_overflow(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    complaints, requests = browser.open(pages[name], width, 844, scheme)
    assert complaints == []
    assert requests == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate(UNREACHABLE) == []


def test_the_button_changes_the_theme(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["classification"], 390, 844, "light")
    before = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.evaluate("document.getElementById('theme').click()")
    after = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    browser.evaluate("document.getElementById('theme').click()")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == before


def test_everything_is_reached_with_the_keyboard_in_reading_order(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["classification"], 1280)
    assert browser.evaluate("[...document.querySelectorAll('[tabindex]')].every(node => node.tabIndex === 0)")
    assert browser.evaluate("[...document.querySelectorAll('button, a')].every(node => (node.textContent || node.ariaLabel).trim())")
    assert browser.evaluate(
        "[...document.querySelectorAll('section')].every(node => document.getElementById(node.getAttribute('aria-labelledby')))"
    )
