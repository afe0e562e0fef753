"""The report in a real browser: no complaint, no request, no overflow, readable in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_chromium
from example_runs import EXAMPLES

from trainwright.api.report import write_report

chromium = find_chromium()
pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium on this machine (set CHROMIUM to its path)")

# Contrast by WCAG 2.1: every text against the nearest background that is painted. 4.5 for text, 3 for large text.
FAINT = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const c = rgb(getComputedStyle(node).backgroundColor);
      if (c[3] > 250) return c;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(each => each.nodeType === 3 && each.textContent.trim());
    if (!own || !node.checkVisibility() || ['SCRIPT', 'STYLE', 'title'].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const a = light(rgb(node instanceof SVGElement ? style.fill : style.color)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio >= (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) continue;
    found.push(`${node.tagName}.${node.getAttribute('class')} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
  }
  return found.slice(0, 10);
})()
"""
UNREACHABLE = """
[...document.querySelectorAll('body *')].filter(node => {
  const overflow = getComputedStyle(node).overflowX;
  return (overflow === 'auto' || overflow === 'scroll') && node.scrollWidth > node.clientWidth && node.tabIndex < 0;
}).map(node => node.outerHTML.slice(0, 100))
"""


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
