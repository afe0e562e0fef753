"""Domains of installed packages: what they bring is known by name, and what is wrong with one of them costs the others nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import trainwright as tw
from trainwright.cli.list import all_domains, all_kinds, as_data, one_domain, one_kind
from trainwright.cli.main import main
from trainwright.config import domains
from trainwright.config.domain import ColumnKind, Domain
from trainwright.config.errors import ConfigError, DataError, ManyErrors, RequestError
from trainwright.config.part import KINDS, Part
from trainwright.config.registry import build, load, options_class, parts
from trainwright.data.sources.opening import open_source, options_of
from trainwright.report.blocks import CannotDraw, read
from trainwright.runs.doctor import domain_findings
from trainwright.systems.run_config import read_config

DECLARATION = """
from trainwright.domains import ColumnKind, Domain, Part, PartConfig

class HalvedOptions(PartConfig):
    type: str = "{encoder}"
    width: int = 3

PARTS = {{
    "encoder": {{"{encoder}": Part("{package}.nets:Halved", HalvedOptions, "halves")}},
    "feature": {{"{package}_thing": Part("{package}.nets:Thing", "{package}.nets:ThingOptions", "a thing")}},
}}
DOMAIN = Domain("{domain}", "Things of {domain}.", PARTS, {{"{package}_thing": ColumnKind(encoder="{encoder}")}})
"""
NETS = """
class Halved:
    def __init__(self, options, group):
        self.width = options.width
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a package with the entry point as an installer leaves it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(package: str, *, domain: str = "", encoder: str = "halved", code: str = "", nets: str = NETS) -> None:
        domain = domain or package
        (tmp_path / package).mkdir()
        text = code or DECLARATION.format(domain=domain, encoder=encoder, package=package)
        (tmp_path / package / "__init__.py").write_text(text)
        (tmp_path / package / "nets.py").write_text(nets)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[trainwright.domains]\n{domain} = {package}:DOMAIN\n")
        domains.forget()

    domains.forget()
    yield make
    domains.forget()


def test_what_a_package_brings_is_listed_suggested_and_built(install: Install) -> None:
    install("birds", encoder="song-bands")
    assert parts("encoder")["song-bands"].summary == "halves" and "dense" in parts("encoder")
    assert "song-bands" in all_kinds() and "halves (domain birds)" in one_kind("encoder")
    assert "Things of birds. (birds 1.0)" in all_domains()
    assert "song-bands" in one_domain("birds") and "Package: birds 1.0" in one_domain("birds")
    assert as_data("encoder", "song_bands")["domain"] == "birds"  # type: ignore[call-overload, index]
    assert "birds.nets" not in sys.modules, "a class is imported when it is used"
    made = build("encoder", options_class("encoder", "song_bands").model_validate({"type": "song_bands", "width": 5}), group=None)
    assert made.width == 5
    with pytest.raises(ConfigError) as caught:
        load("encoder", "song-band")
    assert caught.value.fix.startswith("did you mean 'song-bands'?")
    assert domains.column_kind("birds_thing").encoder == "song-bands"


def test_trainwright_alone_has_its_own_domains(install: Install) -> None:
    assert list(domains.register().domains) == ["tables", "signals", "images", "diffusion"]
    assert domains.column_kind("number").metrics == ("r2", "rmse", "mae")
    assert domains.column_kind("nowhere") == ColumnKind()
    assert domains.owner("source", "csv") == "tables" and domains.owner("optimizer", "adamw") == ""
    assert main(["list", "domain.tables"]) == 0
    with pytest.raises(RequestError, match="unknown domain 'table'") as caught:
        one_domain("table")
    assert caught.value.fix.startswith("did you mean 'tables'?")


def test_packages_are_not_looked_for_while_names_are_trainwrights_own() -> None:
    program = (
        "import sys; from trainwright.config.registry import load, options_class; from trainwright.config import domains\n"
        "options_class('feature', 'number'), options_class('system', 'supervised')\n"
        "load('metric', 'accuracy'), domains.column_kind('set')\n"
        "print(domains.register.cache_info().currsize)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "0"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_package_at_all", "ModuleNotFoundError: No module named 'no_such_package_at_all'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("x = 1", "AttributeError"),
        ("DOMAIN = {'name': 'birds'}", "birds:DOMAIN is a dict, not a trainwright.domains.Domain"),
        ("from trainwright.domains import Domain\nDOMAIN = Domain('birds', 'Birds.', parts={'encodr': {}})", "there is no kind 'encodr'"),
    ],
)
def test_a_package_that_fails_is_named_and_the_others_work(
    install: Install, code: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install("birds", code=code)
    install("trees")
    assert main(["list", "encoder"]) == 0
    said = capsys.readouterr()
    assert "(domain trees)" in said.out
    assert said.err.count("warning: the domain 'birds' of the package birds 1.0 cannot be had: ") == 1 and why in said.err
    assert load("encoder", "halved").__module__ == "trees.nets"
    with pytest.raises(ConfigError, match="unknown encoder type 'song_bands'") as caught:
        load("encoder", "song_bands")
    assert "package birds 1.0" in caught.value.why and why in caught.value.why and "update that package" in caught.value.fix
    with pytest.raises(RequestError) as failed:
        one_domain("birds")
    assert why in failed.value.why


def test_doctor_names_the_domains_that_are_there_and_those_that_are_not(install: Install) -> None:
    install("birds", code="1 / 0")
    install("trees")
    there, broken = domain_findings()
    assert (there.name, there.value, there.state) == ("domain trees", "trees 1.0", "ok")
    assert "ZeroDivisionError" in broken.value and broken.state == "note" and broken.fix


def test_a_part_that_cannot_be_imported_names_its_package(install: Install) -> None:
    install("birds", nets="import no_such_package_at_all")
    with pytest.raises(ConfigError, match="encoder 'halved' cannot be imported") as caught:
        load("encoder", "halved")
    assert "no_such_package_at_all" in caught.value.why and "domain 'birds', package birds 1.0" in caught.value.fix


def test_a_name_that_two_packages_register_is_refused_naming_both(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("birds", encoder="song-bands")
    install("trees", encoder="song_bands")
    install("waves", encoder="halved")
    with pytest.raises(ConfigError, match="two packages register the encoder 'song_bands'") as caught:
        load("encoder", "song_bands")
    assert caught.value.why == "it is in birds 1.0 and in trees 1.0"
    assert "song_bands" not in parts("encoder") and "halved" in parts("encoder")
    main(["list"])
    assert "the encoder 'song_bands' is registered by birds 1.0 and by trees 1.0: neither is taken" in capsys.readouterr().err


def test_a_name_of_trainwright_stays_its_own(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("birds", encoder="dense")
    assert load("encoder", "dense").__module__ == "trainwright.nn.encoders.dense"
    main(["list"])
    assert "the encoder 'dense' is registered by trainwright and by birds 1.0: that of Trainwright is taken" in capsys.readouterr().err


def test_two_domains_of_one_name_are_refused_naming_both(install: Install) -> None:
    install("birds", domain="fauna", encoder="a")
    install("trees", domain="fauna", encoder="b")
    assert domains.register().warnings() == [
        "the domain 'fauna' of the package trees 1.0 cannot be had: birds 1.0 has a domain of this name too; uninstall one of them"
    ]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"name": "two words"}, "cannot be the name of a domain"),
        ({"about": ""}, "it does not say what it is"),
        ({"parts": {"part": {}}}, "there is no kind 'part' of parts"),
        ({"parts": {"encoder": ["a"]}}, "parts['encoder'] is no mapping"),
        ({"parts": {"encoder": {"a": "birds.nets:A"}}}, "encoder 'a' is a str, not a Part"),
        ({"parts": {"encoder": {"a": Part("birds.nets.A", "x:Y")}}}, "which names no class"),
        ({"parts": {"encoder": {"./a": Part("birds:A", "x:Y")}}}, "'./a' cannot be the name of a encoder"),
        ({"columns": {"a": "spectrum"}}, "columns['a'] is a str"),
        ({"columns": {"song": ColumnKind()}}, "columns['song'] is no type of column that it brings"),
        ({"columns": 3}, "`columns` is no mapping"),
        ({"synth": {"songs": "birds"}}, "synth['songs'] is 'birds', which names nothing in a module"),
        ({"claims": "birds"}, "claims is 'birds', which names nothing in a module"),
    ],
)
def test_a_declaration_that_cannot_be_one_says_what_is_wrong(given: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Domain(**{"name": "birds", "about": "Birds.", **given})  # type: ignore[arg-type]
    assert what in caught.value.what and caught.value.fix


def test_every_part_of_trainwrights_domains_is_found_by_its_name() -> None:
    for each in domains.house().values():
        for kind, table in each.parts.items():
            assert kind in KINDS and all(parts(kind)[name] is part for name, part in table.items())
            assert all(domains.owner(kind, name) == each.name for name in table)


MORE = """
import numpy as np
from trainwright.domains import Domain
from trainwright.report.blocks.text import Text

class Song(Text):
    pass

def nests(name):
    return {"eggs": np.arange(6), "kind": ["a", "b"] * 3}

def nothing(name):
    return 5

def broken(folder, seed):
    (folder / "half.csv").write_text("x")
    raise OSError("no room")

DOMAIN = Domain("birds", "Birds.", builtin={"nests": "birds:nests", "nothing": "birds:nothing", "iris": "birds:nests"},
    synth={"songs": "birds:broken"}, block_types={"song": "birds:Song", "cage": "birds:nests"})
"""


def test_built_in_sets_of_a_package_are_rows_like_others(install: Install) -> None:
    install("birds", code=MORE)
    source = open_source(options_of("builtin:nests"), 1 << 30)
    assert source.name == "builtin:nests" and len(source) == 6 and source.schema.names == ["eggs", "kind"]
    assert len(open_source(options_of("builtin:iris"), 1 << 30)) == 150, "Trainwright's own stay its own"
    with pytest.raises(DataError):
        open_source(options_of("builtin:nothing"), 1 << 30)
    with pytest.raises(DataError, match="no built-in set 'nest'") as caught:
        options_of("builtin:nest")
    assert caught.value.fix.startswith("did you mean 'nests'?")


def test_made_data_that_fail_leave_nothing(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install("birds", code=MORE)
    assert main(["synth", "songs", "-o", str(tmp_path / "songs")]) == 1
    assert "'songs' of the domain 'birds' could not be made" in capsys.readouterr().err and not (tmp_path / "songs").exists()
    assert main(["synth", "rings", "-o", str(tmp_path / "rings")]) == 0
    rows = (tmp_path / "rings" / "rings.csv").read_text().splitlines()
    assert rows[0] == "x,y,ring" and len(rows) == 601
    found = [(float(x) ** 2 + float(y) ** 2) ** 0.5 > 1.5 for x, y, _ in (row.split(",") for row in rows[1:])]
    assert sum(far == row.endswith("outer") for far, row in zip(found, rows[1:], strict=True)) > 590, "the rule holds"


def test_a_type_of_block_of_a_package_is_drawn(install: Install) -> None:
    install("birds", code=MORE)
    assert type(read({"type": "song", "text": "la"})).__name__ == "Song"
    assert type(read({"type": "text", "text": "la"})).__name__ == "Text"
    with pytest.raises(CannotDraw, match=r"block_types\['cage'\] of the domain 'birds' is no subclass of Block"):
        read({"type": "cage"})


RATED = """
from trainwright.domains import ColumnKind, Domain, Part
from trainwright.features import NumberOptions

class RatingOptions(NumberOptions):
    type: str = "rating"

DOMAIN = Domain("birds", "Birds.", {"feature": {"rating": Part("birds.nets:Rating", RatingOptions, "one to five stars")}},
    {"rating": ColumnKind(target="number", loss="huber", metrics=("mae", "spearman"))})
"""
RATING = """
from trainwright.features.number import NumberFeature

class Rating(NumberFeature):
    kind = "rating"
"""


def test_a_type_of_column_of_a_package_is_predicted_by_what_its_domain_says(install: Install, tmp_path: Path) -> None:
    install("birds", code=RATED, nets=RATING)
    rng = np.random.default_rng(0)
    height = rng.normal(size=200)
    data = {"height": height, "stars": np.clip(np.round(3 + height), 1, 5)}
    short = {"trainer": {"max_epochs": 3}, "evaluation": {"importance": False, "baselines": ["constant"]}}
    run = tw.train(data, target="stars", columns={"stars": "rating"}, run_dir=tmp_path / "run", **short)
    assert list(run.results["metrics"]["test"]["stars"]) == ["mae", "spearman"]
    assert len(run.predict({"height": [0.0, 1.0]})["stars_prediction"]) == 2
    with pytest.raises(ConfigError, match="'accuracy' is not defined for the number target") as caught:
        tw.train(data, target="stars", columns={"stars": {"type": "rating", "metrics": ["accuracy"]}}, run_dir=tmp_path / "other", **short)
    assert "mae" in caught.value.fix and not (tmp_path / "other").exists()


NESTING = """
from trainwright.domains import Domain, Part, PartConfig

class NestingOptions(PartConfig):
    type: str = "nesting"

class NestOptions(PartConfig):
    type: str = "nests"
    source: str

def claims(path):
    return (70, "it has feathers") if path.suffix == ".nest" else None

DOMAIN = Domain("birds", "Birds.", {"system": {"nesting": Part("birds.nets:Nesting", NestingOptions, "nests")},
    "dataset": {"nests": Part("birds.nets:Nests", NestOptions, "nests in files")}}, claims="birds:claims")
"""


def test_with_a_system_of_a_domain_only_that_domain_is_asked(install: Install, tmp_path: Path) -> None:
    install("birds", code=NESTING)
    install("trees", code="def claims(path):\n    1 / 0\n" + DECLARATION.format(domain="trees", encoder="e", package="trees"))
    (tmp_path / "a.nest").write_text("")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    nest = str(tmp_path / "a.nest")
    for given in ({"source": nest}, {"source": {"path": nest}}, {"source": nest, "type": "nests"}):
        config = read_config({"system": "nesting", "data": given})
        assert config.data.type == "nests" and config.data.source == nest
    with pytest.raises(ManyErrors) as caught:
        read_config({"system": "nesting", "data": {"source": str(tmp_path / "a.csv")}})
    first = caught.value.errors[0]
    assert "is not claimed by the domain birds, which the system 'nesting' is of" in first.what and "data.type=nests" in first.fix
