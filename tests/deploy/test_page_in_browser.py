"""The page of a served model in a real browser: every type of input is filled in, and the answer is that of `predict`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shipped_guests import guests

from browser import FAINT, UNREACHABLE, Browser, find_chromium

chromium = find_chromium()
pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium on this machine (set CHROMIUM to its path)")
READY = "!document.getElementById('row').hidden"
ANSWERED = "document.getElementById('moved').dataset.asked"
REFUSED = "document.querySelector('#told [role=alert]')?.innerText"


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """The address of a server of a model, in a process of its own, which ends well."""
    words = [sys.executable, "-m", "trainwright", "serve", str(model), "--port", "0"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split()[2] + "/"
    finally:
        server.terminate()
        assert server.wait(30) == 0


@pytest.fixture(scope="module")
def address(shipped: Any) -> Iterator[str]:
    with serving(shipped.file) as found:
        yield found


@pytest.fixture(scope="module")
def address_of_files(shipped_files: Any) -> Iterator[str]:
    with serving(shipped_files.file) as found:
        yield found


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


def fill_guest(browser: Browser, row: dict[str, Any]) -> None:
    """Numbers, menus, boxes and a date, each as a person gives it."""
    for name in ("age", "fare"):
        write(browser, name, str(row[name]))
    for name in ("member", "port"):
        choose(browser, name, row[name])
    for word in row["likes"].split("|"):
        browser.evaluate(
            f"[...document.querySelectorAll('[data-name=likes] label')].find(each => each.innerText.trim() === '{word}').click()"
        )
    browser.evaluate(f"{field('since', 'input')}.value = '{row['since']}'")


def fill_files(browser: Browser, row: dict[str, Any]) -> None:
    """Lists, a text and files."""
    write(browser, "note", row["note"])
    write(browser, "bag", "\n".join(row["bag"]))
    for name in ("steps", "size", "heart"):
        write(browser, name, " ".join(map(str, row[name])))
    for name in ("picture", "sound"):
        browser.choose_file(f"[data-name={name}] input", Path(row[name]))


def ask(browser: Browser) -> None:
    browser.evaluate("document.getElementById('predict').click()")
    browser.wait_for(f"{ANSWERED} || {REFUSED}")


def shown(browser: Browser) -> dict[str, Any]:
    """What the page answers, by the columns of `predict`."""
    found = browser.evaluate("[...document.querySelectorAll('#told [data-key]')].map(each => [each.dataset.key, each.dataset.value])")
    return {name: json.loads(value) for name, value in found}


def ask_empty(browser: Browser, address: str, fill: Callable[[Browser, dict[str, Any]], None], row: dict[str, Any]) -> dict[str, Any]:
    """The answer to a row that is typed into empty fields."""
    open_page(browser, address)
    browser.evaluate("document.getElementById('empty').click()")
    fill(browser, row)
    ask(browser)
    assert browser._complaints() == []
    return shown(browser)


def types(browser: Browser) -> set[str]:
    return set(browser.evaluate("[...document.querySelectorAll('.field')].map(each => each.dataset.type)"))


def assert_same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(answer) == set(expected)
    for name, value in expected.items():
        assert answer[name] == (pytest.approx(value, rel=1e-5, abs=1e-5) if isinstance(value, float) else value), name


def test_numbers_menus_boxes_and_dates_are_typed_and_the_answer_is_that_of_predict(browser: Browser, address: str, shipped: Any) -> None:
    row = {name: values[7] for name, values in guests().items()}
    answer = ask_empty(browser, address, fill_guest, row)
    assert types(browser) == {"number", "category", "binary", "date", "set"}
    assert_same(answer, shipped.run.predict([{name: row[name] for name in row if name not in ("stays", "spends")}])[0])


def test_what_is_left_empty_is_missing_and_half_a_date_is_told(browser: Browser, address: str, shipped: Any) -> None:
    row = {name: values[7] for name, values in guests().items() if name not in ("stays", "spends")}
    answer = ask_empty(browser, address, lambda tab, _: [write(tab, name, str(row[name])) for name in ("age", "fare")], row)
    assert_same(answer, shipped.run.predict([dict.fromkeys(row) | {name: row[name] for name in ("age", "fare")}])[0])
    browser.evaluate(f"{field('since', 'input')}.focus()")
    for digit in "05":
        browser.call("Input.dispatchKeyEvent", type="char", text=digit)
    ask(browser)
    assert "filled in by half" in browser.evaluate(f"{field('since', '.wrong')}.innerText")
    assert browser.evaluate("document.activeElement.closest('.field').dataset.name") == "since"


def test_texts_lists_pictures_and_recordings_are_given_and_the_answer_is_that_of_predict(
    browser: Browser, address_of_files: str, shipped_files: Any
) -> None:
    rows = shipped_files.rows.iloc[[3]]
    answer = ask_empty(browser, address_of_files, fill_files, rows.iloc[0].to_dict())
    assert types(browser) == {"text", "bag", "sequence", "vector", "timeseries", "image", "signal"}
    assert_same(answer, shipped_files.run.predict(rows.drop(columns="price")).iloc[0].to_dict())
    maps = "[...document.querySelectorAll('[data-explained=price] [data-map]')].map(each => each.dataset.map)"
    assert browser.evaluate(maps) == ["picture", "sound"]


def test_what_moved_the_answer_is_what_occlusion_of_the_run_finds(browser: Browser, address: str, shipped: Any) -> None:
    row = {name: values[7] for name, values in guests().items()}
    ask_empty(browser, address, fill_guest, row)
    found = browser.evaluate(
        "[...document.querySelectorAll('[data-explained=stays] tr')].map(each =>"
        " [each.dataset.column, Number(each.querySelector('[data-share]').dataset.share)])"
    )
    own = shipped.run.explain(pd.DataFrame([row]), "occlusion", target="stays", baseline="typical")
    shares = dict(zip(own.columns, own.rows.attributions[0].tolist(), strict=True))
    assert found
    assert dict(found) == pytest.approx({name: shares[name] for name, _ in found}, abs=1e-5)


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


def test_a_recording_from_the_microphone_is_a_file_like_another(browser: Browser, address_of_files: str) -> None:
    open_page(browser, address_of_files)
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
