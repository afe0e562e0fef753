"""Bad requests over all commands, drawn from a seed: each is to be refused with exit code 2, in words, with nothing written."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from trainwright.cli.main import COMMANDS
from trainwright.config.located import option_paths
from trainwright.systems.run_config import Config

SEED = 20
CONFIGURED = ("validate", "train", "lr", "tune")
ON_RUNS = ("predict", "evaluate", "test", "validate", "resume", "report", "export", "compare", "inspect")
BROKEN = ("[!foo x]", "{a: *b}", "[1, 2", '"abc', "[1e400]", "{a: 1, a: 2}", f"[{'9' * 400}]", "{<<: 3}", "[" * 120 + "]" * 120)
"""Values that are none for any option."""
NUMBERS = ("x", "", "1.5x", "--", "[1]", "9" * 5000, "½", "1e", "0x")
"""What no flag takes as a number."""
GOOD = """\
data:
  source: t.csv
  split: random
targets: [y]
columns:
  a: {type: number, missing: median}
model:
  combiner: {type: mlp, depth: 2}
trainer:
  max_epochs: 3
  optimizer: {type: adamw, learning_rate: 0.001}
run:
  seed: 3
"""
OWN = """
model: {type: graph, nodes: [{Linear: [4, 3]}]}
loss: cross_entropy
metrics: [accuracy]
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 2}
"""
TABLE = "trainer.max_steps=2 evaluation.baselines=[] evaluation.report=false evaluation.importance=false evaluation.intervals=false"
Request = list[str]


def prepare_folder(place: Path) -> None:
    """Good and bad files to name; the two runs `table` and `own` are to be trained by the caller."""
    rows = "\n".join(f"{i}.5,{i % 7}.2,{i % 2}" for i in range(40))
    (place / "t.csv").write_text(f"a,b,y\n{rows}\n")
    (place / "good.yaml").write_text(GOOD)
    (place / "own.yaml").write_text(OWN)
    (place / "empty.csv").write_text("")
    (place / "header.csv").write_text("a,b,y\n")
    (place / "ragged.csv").write_text("a,b,y\n1,2,3\n4,5\n")
    (place / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    (place / "notes.txt").write_text("not a run, no options\n")
    (place / "weights.pt").write_bytes(b"no weights")
    (place / "folder.yaml").mkdir()
    (place / "empty").mkdir()
    os.mkfifo(place / "pipe.yaml")
    os.mkfifo(place / "pipe.csv")
    (place / "zero.yaml").symlink_to("/dev/zero")
    (place / "gone.yaml").symlink_to("nowhere.yaml")
    (place / "net.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self, width=3):\n        super().__init__()\n"
    )
    (place / "leaves.py").write_text("import sys\nsys.exit(0)\n")


def requests(place: Path) -> Iterator[Request]:
    """All of them, in an order that the seed gives; bad files that they name are written to `place` first."""
    draw = random.Random(SEED)
    found = [*commands(draw), *flags(draw), *settings(draw), *files(draw, place), *subjects(draw), *outputs(), *texts()]
    draw.shuffle(found)
    yield from found


def slipped(draw: random.Random, word: str) -> str:
    """A word with a letter too many, too few or another one."""
    at = draw.randrange(len(word))
    return draw.choice([word[:at] + "q" + word[at:], word[:at] + "q" + word[at + 1 :], word + "qq"])


def commands(draw: random.Random) -> Iterator[Request]:
    """No such command, and words that are too many or too few."""
    for name in COMMANDS:
        yield [slipped(draw, name), "t.csv"]
        yield [name.upper()]
        yield [name, *("t.csv" for _ in range(9))]
        if name not in ("runs", "schema", "list", "doctor", "synth"):
            yield [name]
    yield from (["--version", "x"], ["help", "train", "x"], [""], ["-"], ["--"], ["--nothing"], ["help", "nothing"], ["./t.csv"], ["t.csv"])


def flags(draw: random.Random) -> Iterator[Request]:
    """Flags that are not there, lack their value or have a wrong one."""
    first = {"validate": ["good.yaml"], "train": ["good.yaml"], "lr": ["good.yaml"], "tune": ["good.yaml"], "inspect": ["good.yaml"]}
    first |= {name: ["table"] for name in ("test", "resume", "report", "export")} | {"compare": ["table", "own"]}
    first |= {name: ["table", "t.csv"] for name in ("predict", "evaluate")} | {"convert": ["weights.pt", "new.safetensors"]}
    first |= {"gradcheck": ["torch.nn.ReLU", "--inputs", "3"]}
    for name in COMMANDS:
        known = [each for each in import_module(f"trainwright.cli.{name}").parser()._actions if each.option_strings]
        yield from ([name, *first.get(name, []), f"--{slipped(draw, each.option_strings[-1].lstrip('-'))}"] for each in known)
        yield from ([name, *first.get(name, []), flag] for flag in ("--zzz", "-z", "--zzz=1", "--trainer.max_epochs=3", "---"))
        for each in known:
            if each.nargs != 0:
                yield [name, *first.get(name, []), each.option_strings[-1]]
            if each.type in (int, float):
                yield from ([name, *first.get(name, []), each.option_strings[-1], value] for value in NUMBERS)
            if each.dest == "gpu":
                yield from ([name, *first.get(name, []), "--gpu", value] for value in ("x", "-1", "0,0", "1.5", "0;1", "cuda"))
    yield from (["train", "good.yaml", "--limit-batches", each] for each in ("0", "-1"))
    yield from (["inspect", "good.yaml", "--batch-size", each] for each in ("0", "-3"))
    yield from (["inspect", "torch.nn.ReLU", "--input", each] for each in ("x", "3x", "-3", "3:float99", "a=3,4"))
    yield from (["gradcheck", "torch.nn.ReLU", "--inputs", each] for each in ("x", "3x", "", ",", "3:float99"))


def settings(draw: random.Random) -> Iterator[Request]:
    """Options that are not there, and values that are none."""
    for path in option_paths(Config):
        yield [draw.choice(CONFIGURED), "good.yaml", f"{path.rpartition('.')[0]}.{slipped(draw, path.rpartition('.')[2])}=1".lstrip(".")]
        yield from (["validate", "good.yaml", f"{path}={value}"] for value in draw.sample(BROKEN, 4))
    numbers = ("run.seed", "trainer.max_epochs", "trainer.limit_batches", "trainer.loader.workers", "model.combiner.depth")
    for path in numbers:
        for value in (".nan", ".inf", "-.inf", "1e400", "1.5", "-7", str(2**64), "9" * 400, "x", "'7'", "null7", "true", "[3]", "{}"):
            yield [draw.choice(CONFIGURED), "good.yaml", f"{path}={value}"]
    for path in ("trainer.optimizer.learning_rate", "trainer.early_stopping.min_delta", "trainer.clip.norm"):
        yield from ([draw.choice(CONFIGURED), "good.yaml", f"{path}={value}"] for value in (".nan", ".inf", "-1", "x", "[1]", "1e400"))
    for key in ("=", "=3", ".a=3", "a.=3", "a..b=3", '"a=3', '"\\q"=3', "targets.7=x", "targets.x=y", "model.combiner.depth.deeper=3"):
        yield from ([command, "good.yaml", key] for command in CONFIGURED)
    yield from (["test", "table", f"{path}=1"] for path in ("trainer.zzz", "zzz", "run.device", "trainer.max_epochs", "data.source"))
    yield from (["test", "own", f"{path}=1"] for path in ("trainer.zzz", "zzz", "run.dir", "trainer.max_epochs", "evaluation.report"))
    yield from (["resume", run, f"{path}=1"] for run in ("table", "own") for path in ("trainer.zzz", "zzz.zzz", "run.seed", "data.zzz"))
    yield from (
        ["train", "t.csv", "--target", "y", word] for word in ("more.csv", "nonsense", "run.name=" + "x" * 300, "run.dir=" + "a/" * 2000)
    )


def files(draw: random.Random, place: Path) -> Iterator[Request]:
    """Configurations that are broken in one place each, as YAML, JSON and `key = value`, and as `base`."""
    lines = GOOD.splitlines()
    values = [number for number, line in enumerate(lines) if not line.endswith(":")]
    texts: list[tuple[str, bytes]] = []
    for number in values:
        line = lines[number]
        key, _, value = line.partition(": ")
        changed = [f"{key}: !mine {value}", f"{key}: [{value}", f"\t{line}", f"{line}\n{line}", f"{key}: {{type: {{zzz: {value}}}}}"]
        changed += [f"{slipped(draw, key.strip())}: {value}", f"{key}: *nowhere", f"{key}: {'[' * 150}", f"{key}: 'open", f"!mine {line}"]
        for text in changed:
            texts.append(("yaml", "\n".join([*lines[:number], text, *lines[number + 1 :], ""]).encode()))
    for _ in range(20):
        at = draw.randrange(len(GOOD))
        bad = draw.choice([b"\xff", b"\0", b"\x07", b"\xc3", b"\xed\xa0\x80"])
        texts.append((draw.choice(["yaml", "json", "ini"]), GOOD[:at].encode() + bad + GOOD[at:].encode()))
    whole = json.dumps({"data": {"source": "t.csv"}, "targets": ["y"], "run": {"seed": 3}})
    texts += [("json", whole[:at].encode()) for at in sorted(draw.sample(range(1, len(whole)), 30))]
    texts += [("json", whole.replace("3", each).encode()) for each in ("NaN", "-1", "[3]", "9" * 5000, '"3"', "1e999", str(2**64))]
    texts += [
        ("ini", f"data.source = t.csv\n{each}\n".encode())
        for each in ("zzz = 3", "run.seed = x", "run.seed = -1", "[", "= 3", "a b: c = d")
    ]
    texts += [
        ("yaml", each)
        for each in (GOOD.encode("utf-16"), b"[]", b"3", b"text", b"a: &a [*a]\n", b"- a\n- b\n", b"%YAML 9\n", b"? [a]\n: b\n")
    ]
    texts.append(
        (
            "yaml",
            b"a: &a [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (n, n, b", ".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 105)),
        )
    )
    for number, (ending, content) in enumerate(texts):
        name = f"bad-{number:03}.{ending}"
        (place / name).write_bytes(content)
        yield [draw.choice(CONFIGURED), name]
    (place / "over.yaml").write_text("base: bad-000.yaml\n")
    (place / "circle.yaml").write_text("base: circle.yaml\n")
    (place / "astray.yaml").write_text("base: nowhere.yaml\n")
    for name in ("over", "circle", "astray", "nowhere", "folder", "pipe", "zero", "gone", "x" * 300):
        yield from ([command, f"{name}.yaml"] for command in (*CONFIGURED, "inspect"))


def subjects(draw: random.Random) -> Iterator[Request]:
    """Runs, data and classes that are not there, or are something else."""
    places = (
        "nowhere",
        "empty",
        "notes.txt",
        "t.csv",
        "",
        "x" * 300,
        "pipe.csv",
        "/dev/null",
        "~nobody/run",
        "a\nb",
        "*.zzz",
        "folder.yaml",
    )
    for name in ON_RUNS:
        for each in places:
            if (name, each) in {("inspect", "t.csv")}:
                continue
            yield [name, each, *(["t.csv"] if name in ("predict", "evaluate") else ["table"] if name == "compare" else [])]
    for each in (
        "nowhere.csv",
        "empty",
        "empty.csv",
        "header.csv",
        "ragged.csv",
        "picture.csv",
        "pipe.csv",
        "*.zzz",
        "builtin:zzz",
        "",
        "x" * 300,
    ):
        yield from ([name, each, "--target", "y"] for name in ("train", "lr", "tune"))
        yield from ([name, "table", each] for name in ("predict", "evaluate"))
    yield from (["train", "t.csv", "--target", each] for each in ("zzz", "", ",", "y,zzz", "Y"))
    yield from (
        ["predict", "own", "t.csv"],
        ["evaluate", "own", "t.csv"],
        ["predict", "own"],
        ["predict", "table"],
        ["predict", "own.yaml"],
        ["test", "own.yaml"],
    )
    yield from (["test", "own.yaml", "--weights", each] for each in ("nowhere", "weights.pt", "empty", "t.csv", "table"))
    yield from (["predict", "table", "t.csv", "--weights", each] for each in ("/nonexistent", "own", "table"))
    yield from (["list", each] for each in ("zzz", "encoder.zzz", "zzz.dense", "optimizer.torch.optim.Zzz", "system.leaves:Net", "."))
    classes = (
        "./nowhere.py:Net",
        "./net.py:Zzz",
        "./net.py",
        "./leaves.py:Net",
        "torch.nn.Zzz",
        "zzz.zzz.Zzz",
        "a b.c",
        "./net.py:",
        ":Net",
        "os:path",
    )
    for each in classes:
        yield ["inspect", each, "--input", "3"]
        yield ["gradcheck", each, "--inputs", "3"]
        yield ["validate", "own.yaml", f"system.model.type={each}"]
        yield ["train", "good.yaml", f"model.combiner={each}"]
    yield from (["inspect", "./net.py:Net", each] for each in ("width", "zzz=3", "=3", "width=[1", "9=9"))
    yield from (["convert", each, "new.safetensors"] for each in ("nowhere.pt", "weights.pt", "empty", "t.csv", "", "x" * 300))
    yield from (["runs", each] for each in ("nowhere", "t.csv", "x" * 300))
    del draw


def outputs() -> Iterator[Request]:
    """Places that cannot be written, are taken or name no format."""
    for each in ("p.zzz", "p", "", "nowhere/p.csv", "empty", "t.csv/p.csv", "x" * 300 + ".csv", "/proc/p.csv"):
        yield ["predict", "table", "t.csv", "-o", each]
        yield ["predict", "own", "--split", "test", "-o", each.replace(".csv", ".tsv") or ""]
        yield ["lr", "good.yaml", "--csv", f"nowhere/{each}x"]
        yield ["lr", "good.yaml", "--svg", f"nowhere/{each}x"]
    yield from (["export", "table", "-o", each] for each in ("own", "table", "t.csv", "t.csv/out", "."))
    yield from (["tune", "good.yaml", "--write", each] for each in ("t.csv", "nowhere/t.yaml", "good.yaml", "empty"))
    yield from (
        ["train", "good.yaml", f"run.dir={each}"] for each in ("table", "own", ".", "t.csv", "t.csv/run", "table/inside", "/proc/run")
    )
    yield from (["inspect", "good.yaml", "-o", each] for each in ("x.png", "nowhere/x.svg", "empty"))


def texts() -> Iterator[Request]:
    """Arguments that are no text."""
    for name in COMMANDS:
        yield from ([name, each] for each in ("caf\udce9.csv", "run.name=a\0b", "\ud800"))
