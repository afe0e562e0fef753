"""What is needed to repeat the run: code, environment and configuration."""

from __future__ import annotations

import re

from trainwright.report.blocks.base import Block, Cell, Piece
from trainwright.report.blocks.table import Column, Table
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number, number, size
from trainwright.report.markup import Content, Markup, escape, note, scroll, tag
from trainwright.report.material import Material, mapping
from trainwright.runs.secrets import mask_lines

CONFIG_LINES = 2000


def environment(material: Material) -> ReportSection | None:
    """Machine, versions and the state of the code; None when nothing was recorded."""
    found, state = material.environment, material.code
    if not found and not state:
        return None
    facts = _machine(material) + _code(material)
    packages = [f"{name} {version}" for name, version in mapping(found.get("packages")).items()]
    listed = note("Packages: ", ", ".join(packages), ".") if packages else None
    body = Table(columns=["", Column(limit=160)], rows=facts, look="pairs")
    return ReportSection("environment", "Environment", "", [body, listed])


def _machine(material: Material) -> list[list[Cell]]:
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
    return [[name, value] for name, value in entries if value]


def _code(material: Material) -> list[list[Cell]]:
    state = material.code
    if not state.get("commit"):
        return [["code", str(state["note"])]] if state.get("note") else []
    changes = "with changed or untracked files" if state.get("dirty") else "without uncommitted changes"
    changes = "with uncommitted changes, saved in code/diff.patch" if state.get("diff_sha256") else changes
    branch = f" on {state['branch']}" if state.get("branch") else ""
    return [["code", [Piece(text=str(state["commit"])[:12], style="code"), f"{branch}, {changes}"]]]


def configuration(material: Material) -> ReportSection | None:
    """config.yaml with keys, comments and values set apart, folded away; what looks like a password or token is masked."""
    if not material.config_text:
        return None
    return ReportSection("configuration", "Configuration", "", show_yaml(material.config_text, "config.yaml"))


def show_yaml(content: str, name: str) -> list[Content | Block]:
    """YAML with keys, comments and values set apart, folded away; what looks like a password or token is masked."""
    lines = content.splitlines()
    text = Markup("\n".join(_line(each) for each in mask_lines(lines[:CONFIG_LINES])))
    rest = note(f"{len(lines) - CONFIG_LINES:,} more lines are in ", tag("code", name), ".") if len(lines) > CONFIG_LINES else None
    shown = scroll(tag("pre", tag("code", text), class_="yaml"), "Configuration")
    return [tag("details", tag("summary", f"Show all {number(len(lines))} lines"), shown), rest]


def _line(line: str) -> str:
    """One line of YAML, its key or comment marked."""
    if line.lstrip().startswith("#"):
        return tag("i", line)
    found = re.match(r"(\s*(?:- )*)([^\s:#'\"\[{][^:#]*)(:)(\s.*|)$", line)
    if not found:
        return escape(line)
    start, name, colon, rest = found.groups()
    return f"{escape(start)}{tag('b', name)}{colon}{escape(rest)}"
