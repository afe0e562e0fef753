"""The page of a served model in a real browser: every type of input is filled in, and the answer is that of `predict`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from browser import FAINT, UNREACHABLE, Browser, find_chromium

chromium = find_chromium()
pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium on this machine (set CHROMIUM to its path)")
READY = "!document.getElementById('row').hidden"
ANSWERED = "document.getElementById('moved').dataset.asked"
REFUSED = "document.querySelector('#told [role=alert]')?.innerText"


@pytest.fixture(scope="module")
def address(every_model: Path) -> Iterator[str]:
    words = [sys.executable, "-m", "trainwright", "serve", str(every_model), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().split()[2] + "/"
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    tab = Browser(chromium or "")
    yield tab
    tab.close()


def open_page(browser: Browser, address: str, width: int = 1280, scheme: str = "light") -> None:
    complaints, requests = browser.open(address, width, 844, scheme)
    assert complaints == []
    assert [each for each in requests if not each.startswith(address)] == []
    browser.wait_for(READY)


def field(name: str, control: str) -> str:
    return f"document.querySelector('[data-name={json.dumps(name)}] {control}')"


def write(browser: Browser, name: str, text: str, control: str = "input, textarea") -> None:
    """Type a text in place of what is there, key by key as far as the page can tell."""
    where = ", ".join(f"[data-name={json.dumps(name)}] {each.strip()}" for each in control.split(","))
    browser.evaluate(f"(node => {{ node.focus(); node.select(); }})(document.querySelector('{where}'))")
    browser.call("Input.insertText", text=text)


def choose(browser: Browser, name: str, word: str) -> None:
    node = field(name, "select")
    browser.evaluate(
        f"(node => {{ node.value = [...node.options].find(each => each.text === {json.dumps(word)}).value;"
        f" node.dispatchEvent(new Event('change')); }})({node})"
    )


def fill(browser: Browser, row: dict[str, Any]) -> None:
    """Give every input of the page a value, each as a person would."""
    write(browser, "age", str(row["age"]))
    choose(browser, "job", row["job"])
    choose(browser, "member", row["member"])
    browser.evaluate(f"{field('day', 'input')}.value = '{row['day']}T00:00:00'")
    write(browser, "note", row["note"])
    for word in row["tags"]:
        browser.evaluate(
            f"[...document.querySelectorAll('[data-name=tags] label')].find(each => each.innerText.trim() === '{word}').click()"
        )
    write(browser, "bag", "\n".join(row["bag"]))
    write(browser, "steps", " ".join(row["steps"]))
    write(browser, "size", " ".join(map(str, row["size"])))
    write(browser, "heart", " ".join(map(str, row["heart"])))
    for name in ("picture", "sound"):
        browser.choose_file(f"[data-name={name}] input", Path(row[name]))


def ask(browser: Browser) -> None:
    browser.evaluate("document.getElementById('predict').click()")
    browser.wait_for(f"{ANSWERED} || {REFUSED}")


def shown(browser: Browser) -> dict[str, Any]:
    """What the page answers, by the columns of `predict`."""
    found = browser.evaluate("[...document.querySelectorAll('#told [data-key]')].map(each => [each.dataset.key, each.dataset.value])")
    return {name: json.loads(value) for name, value in found}


def test_every_type_of_input_is_filled_in_and_the_answer_is_that_of_predict(
    browser: Browser, address: str, every_run: Any, every_row: pd.DataFrame
) -> None:
    row = every_row.iloc[3].to_dict()
    open_page(browser, address)
    types = browser.evaluate("[...document.querySelectorAll('.field')].map(each => each.dataset.type)")
    assert set(types) == {
        "number", "category", "binary", "date", "text", "set", "bag", "sequence", "vector", "timeseries", "image", "signal",
    }  # fmt: skip
    browser.evaluate("document.getElementById('empty').click()")
    fill(browser, row)
    ask(browser)
    expected = every_run.predict(every_row.iloc[[3]].drop(columns=["grade", "price"])).iloc[0].to_dict()
    answer = shown(browser)
    assert set(answer) == set(expected)
    assert answer["grade_prediction"] == expected["grade_prediction"]
    for name, value in expected.items():
        if isinstance(value, float):
            assert math.isclose(answer[name], value, rel_tol=1e-4, abs_tol=1e-5), name
    assert browser._complaints() == []


def test_what_moved_the_answer_is_what_occlusion_of_the_run_finds(
    browser: Browser, address: str, every_run: Any, every_row: pd.DataFrame
) -> None:
    open_page(browser, address)
    browser.evaluate("document.getElementById('empty').click()")
    fill(browser, every_row.iloc[3].to_dict())
    ask(browser)
    found = browser.evaluate(
        "[...document.querySelectorAll('[data-explained=grade] tr')].map(each =>"
        " [each.dataset.column, Number(each.querySelector('[data-share]').dataset.share)])"
    )
    own = every_run.explain(every_row.iloc[[3]], "occlusion", target="grade", baseline="typical")
    shares = dict(zip(own.columns, own.rows.attributions[0].tolist(), strict=True))
    assert found
    for name, share in found:
        assert share == pytest.approx(shares[name], abs=2e-5), name
    assert browser.evaluate("[...document.querySelectorAll('[data-explained=grade] [data-map]')].map(each => each.dataset.map)") == [
        "picture", "sound",
    ]  # fmt: skip


def test_a_value_that_is_refused_is_told_at_its_field_in_the_servers_words(browser: Browser, address: str) -> None:
    open_page(browser, address)
    write(browser, "age", "a few")
    ask(browser)
    assert "a few" in browser.evaluate(REFUSED)
    assert browser.evaluate(f"{field('age', 'input')}.getAttribute('aria-invalid')") == "true"
    assert "a few" in browser.evaluate(f"{field('age', '.wrong')}.innerText")
    assert browser.evaluate("document.activeElement.closest('.field').dataset.name") == "age"
    write(browser, "age", "40")
    ask(browser)
    assert browser.evaluate(f"{field('age', 'input')}.getAttribute('aria-invalid')") == "false"


def test_a_recording_from_the_microphone_is_a_file_like_another(browser: Browser, address: str) -> None:
    open_page(browser, address)
    browser.evaluate("document.querySelector('[data-name=sound] .record').click()")
    browser.wait_for("document.querySelector('.record').innerText === 'Stop'")
    browser.evaluate("new Promise(done => setTimeout(done, 300))")
    browser.evaluate("document.querySelector('[data-name=sound] .record').click()")
    assert browser.wait_for(f"{field('sound', 'input')}.files.length && {field('sound', 'input')}.files[0].name") == "sound.wav"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_is_readable_and_reachable_on_a_phone_and_a_desk_in_both_themes(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    open_page(browser, address, width, scheme)
    ask(browser)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(FAINT) == []
    assert browser.evaluate(UNREACHABLE) == []
    unnamed = "[...document.querySelectorAll('.field input, .field select, .field textarea')].filter(each => !each.labels.length).length"
    assert browser.evaluate(unnamed) == 0
