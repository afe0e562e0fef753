"""Whose data a path is: the strongest claim, said; a tie is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainwright.config import domains
from trainwright.config.domain import Claim, Domain
from trainwright.config.domains import OURS, Broken, Installed
from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.config.part import Part
from trainwright.data import claims as claiming
from trainwright.data.claims import find_claim, reasons
from trainwright.data.sources import from_text
from trainwright.domains.tables.claims import claims as of_tables


class Options(PartConfig):
    type: str = "x"
    path: str


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds a domain with one source, which says this of every path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(claiming, "_told", set())
    domains.forget()

    def make(name: str, says: str, sources: tuple[str, ...] = ()) -> None:
        (tmp_path / f"{name}_claims.py").write_text(f"def claims(path):\n    return {says}\n")
        parts = {"source": {each: Part("a:B", Options, "a source") for each in sources or (f"{name}_rows",)}}
        domain = Domain(name, f"{name}.", parts, claims=f"{name}_claims:claims")
        domains.register().domains[name] = Installed(domain, f"{name} 1.0")
        domains.brought.cache_clear()

    yield make
    domains.forget()
    reasons.clear()


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    return str(tmp_path / "t.csv")


def test_tables_alone_read_what_they_read(table: str) -> None:
    assert find_claim(table) == "" and table not in reasons
    assert from_text(table) == {"type": "csv", "path": table}


def test_the_strongest_claim_wins_and_why_is_kept(claim: Callable[..., None], table: str) -> None:
    claim("birds", "(40, 'it sings')")
    assert from_text(table)["type"] == "csv" and "of the domain tables: its name ends in .csv" in reasons[table]
    claim("trees", "(70, 'it has leaves')")
    assert from_text(table) == {"type": "trees_rows", "path": table}
    assert reasons[table] == f"'{table}' is read as trees_rows, of the domain trees (trees 1.0): it has leaves"
    claim("waves", "None")
    assert from_text(table)["type"] == "trees_rows"


def test_equal_claims_are_refused_naming_both_types(claim: Callable[..., None], table: str) -> None:
    claim("birds", "(50, 'it sings', 'song')", ("song", "nest"))
    with pytest.raises(DataError, match="claimed by birds and tables alike") as caught:
        from_text(table)
    assert caught.value.why == "birds (birds 1.0): it sings; tables: its name ends in .csv"
    assert caught.value.fix == "say which: data.type=song or data.type=csv"


def test_equal_claims_of_sources_of_one_name_are_for_the_installer_to_decide(claim: Callable[..., None], table: str) -> None:
    claim("birds", "(90, 'it sings')", ("song",))
    claim("trees", "(90, 'it has leaves')", ("song",))
    with pytest.raises(DataError, match="claimed by birds and trees alike") as caught:
        from_text(table)
    assert caught.value.fix == "uninstall one of the packages"


def test_a_package_that_failed_is_named_where_nobody_claims_a_folder(
    claim: Callable[..., None], table: str, caplog: pytest.LogCaptureFixture
) -> None:
    domains.register().broken.append(Broken("birds", "birds 1.0", "ImportError: no feathers"))
    with caplog.at_level(logging.WARNING):
        assert find_claim(table) == "" and not caplog.messages, "a table is claimed: nobody cares for birds"
        folder = str(Path(table).parent)
        assert find_claim(folder) == "" and find_claim(folder) == ""
    assert caplog.messages == [
        f"the domain 'birds' of the package birds 1.0 cannot be had: ImportError: no feathers; whether '{folder}' is its own is not known"
    ]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("(0, 'never')", "not (a strength of 1 to 100"),
        ("('much', 'never')", "not (a strength of 1 to 100"),
        ("(50, 'x', 'csv')", "one of its sources: birds_rows"),
        ("'yes'", "not (a strength"),
        ("5", "TypeError"),
    ],
)
def test_a_claim_that_fails_is_told_once_and_claims_nothing(
    claim: Callable[..., None], table: str, caplog: pytest.LogCaptureFixture, says: str, why: str
) -> None:
    claim("birds", says)
    with caplog.at_level(logging.WARNING):
        assert find_claim(table) == "" and find_claim(table) == ""
    assert caplog.text.count("the domain 'birds' (birds 1.0) cannot say whether") == 1 and why in caplog.text


def test_a_pattern_is_claimed_by_its_first_file_and_an_address_by_none(claim: Callable[..., None], table: str) -> None:
    claim("birds", "(70, path.name)")
    pattern = str(Path(table).with_name("*.csv"))
    assert find_claim(pattern) == "birds_rows" and reasons[pattern].endswith("t.csv")
    assert find_claim("https://example.org/t.csv") == "" and find_claim(str(Path(table).with_name("none.csv"))) == ""


def test_tables_say_how_sure_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "b.xyz").write_text("a,b\n")
    (tmp_path / "c" / "year=2020").mkdir(parents=True)
    (tmp_path / "c" / "year=2020" / "d.parquet").write_bytes(b"PAR1")
    assert of_tables(tmp_path / "a.csv.gz") == Claim(50, "its name ends in .csv", "csv")
    assert of_tables(tmp_path / "b.xyz") == Claim(10, "any file may be text in columns", "csv")
    assert of_tables(tmp_path / "c") == Claim(60, "a folder of name=value folders", "parquet")
    assert of_tables(tmp_path) is None
    assert domains.package_of("tables") == OURS
