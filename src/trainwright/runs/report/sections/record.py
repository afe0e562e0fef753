"""What is needed to use the model and to repeat the run: commands, code, environment and configuration."""

from __future__ import annotations

import re
import shlex

from trainwright.runs.report.figures import is_number, number, size
from trainwright.runs.report.markup import Content, Markup, escape, note, quote, scroll, table, tag
from trainwright.runs.report.material import Material, mapping
from trainwright.runs.report.sections.layout import Section
from trainwright.runs.secrets import mask_lines

CONFIG_LINES = 2000


def use(material: Material) -> Section | None:
    """How to predict with the model, from a shell and from Python, and how to repeat the run."""
    path = shlex.quote(str(material.path))
    if material.own:
        return Section("use", "Use it, repeat it", "", _own_use(material, path))
    targets = ", ".join(f"{target}_prediction" for target in material.targets[:3])
    python = f"import trainwright as tw\n\nrun = tw.load({str(material.path)!r})\nrun.predict(dataframe)" + (
        f"  # adds {targets}" if targets else ""
    )
    body = [
        tag("h3", "Predict new rows"),
        snippet(f"trainwright predict {path} new.csv -o predictions.csv", "predict command"),
        tag("h3", "From Python"),
        snippet(python, "Python code"),
        tag("h3", "Measure it on other data"),
        snippet(f"trainwright evaluate {path} data.csv", "evaluate command"),
        tag("h3", "Repeat this run"),
        snippet(material.command, "command of this run") if material.command else None,
        snippet(f"trainwright train {shlex.quote(str(material.path / 'config.yaml'))}", "command that repeats it"),
        note("The configuration holds every default, so running it again on the same data, code and machine repeats the run."),
    ]
    return Section("use", "Use it, repeat it", "", body)


def _own_use(material: Material, path: str) -> list[Content]:
    """The same for a system of one's own, whose data its configuration names; `tw.fit` was called from Python."""
    weights = f"import trainwright as tw\n\ntw.load_weights(model, {str(material.path)!r})"
    python: list[Content] = [tag("h3", "From Python"), snippet(weights, "Python code")]
    if "system" not in material.config:
        return python
    again = f"trainwright train {shlex.quote(str(material.path / 'config.yaml'))}"
    return [
        tag("h3", "Measure it, predict"),
        snippet(f"trainwright test {path}", "test command"),
        snippet(f"trainwright predict {path} --split test -o predictions.npz", "predict command"),
        tag("h3", "Take the model out"),
        snippet(f"trainwright export {path} -o model", "export command"),
        *python,
        tag("h3", "Repeat this run"),
        snippet(material.command, "command of this run") if material.command else None,
        snippet(again, "command that repeats it"),
        note("The configuration holds every default, so running it again on the same data, code and machine repeats the run."),
    ]


def snippet(text: str, label: str) -> Markup:
    """Code in a box of its own, with a button that copies it."""
    button = tag("button", "copy", type="button", class_="copy", aria_label=f"Copy the {label}", hidden=True)
    return tag("div", tag("pre", tag("code", text), tabindex="0", aria_label=label.capitalize(), role="region"), button, class_="snippet")


def environment(material: Material) -> Section | None:
    """Machine, versions and the state of the code; None when nothing was recorded."""
    found, state = material.environment, material.code
    if not found and not state:
        return None
    facts = _machine(material) + _code(material)
    packages = [f"{name} {version}" for name, version in mapping(found.get("packages")).items()]
    listed = note("Packages: ", ", ".join(packages), ".") if packages else None
    return Section("environment", "Environment", "", [table(["", ""], facts, label="Environment", class_="pairs bare"), listed])


def _machine(material: Material) -> list[list[Content]]:
    found = material.environment
    cores = f"{number(found['cores_usable'])} of {number(found.get('cores'))} cores" if is_number(found.get("cores_usable")) else ""
    gpus = found.get("gpus")
    entries = [
        ("trainwright", str(material.run.get("version") or "")),
        ("Python", str(found.get("python") or "")),
        ("system", str(found.get("system") or "")),
        ("CPU", ", ".join(filter(None, [str(found.get("cpu") or ""), cores]))),
        ("threads", number(found["threads"]) if is_number(found.get("threads")) else ""),
        ("memory", size(found["memory_bytes"]) if is_number(found.get("memory_bytes")) else ""),
        ("GPU", ", ".join(map(str, gpus)) if gpus else "none" if isinstance(gpus, list) else ""),
    ]
    return [[name, quote(value, 160)] for name, value in entries if value]


def _code(material: Material) -> list[list[Content]]:
    state = material.code
    if not state.get("commit"):
        return [["code", quote(state["note"], 160)]] if state.get("note") else []
    changes = "with changed or untracked files" if state.get("dirty") else "without uncommitted changes"
    changes = "with uncommitted changes, saved in code/diff.patch" if state.get("diff_sha256") else changes
    branch = f" on {state['branch']}" if state.get("branch") else ""
    return [["code", [tag("code", str(state["commit"])[:12]), f"{branch}, {changes}"]]]


def configuration(material: Material) -> Section | None:
    """config.yaml with keys, comments and values set apart, folded away; what looks like a password or token is masked."""
    if not material.config_text:
        return None
    lines = material.config_text.splitlines()
    text = Markup("\n".join(_line(each) for each in mask_lines(lines[:CONFIG_LINES])))
    rest = note(f"{len(lines) - CONFIG_LINES:,} more lines are in ", tag("code", "config.yaml"), ".") if len(lines) > CONFIG_LINES else None
    shown = scroll(tag("pre", tag("code", text), class_="yaml"), "Configuration")
    summary = tag("summary", f"Show all {number(len(lines))} lines")
    return Section("configuration", "Configuration", "", [tag("details", summary, shown), rest])


def _line(line: str) -> str:
    """One line of YAML, its key or comment marked."""
    if line.lstrip().startswith("#"):
        return tag("i", line)
    found = re.match(r"(\s*(?:- )*)([^\s:#'\"\[{][^:#]*)(:)(\s.*|)$", line)
    if not found:
        return escape(line)
    start, name, colon, rest = found.groups()
    return f"{escape(start)}{tag('b', name)}{colon}{escape(rest)}"
