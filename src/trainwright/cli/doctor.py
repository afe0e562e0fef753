"""`trainwright doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import bold, dim, heading, red

if TYPE_CHECKING:
    from trainwright.runs.doctor import Finding

TITLES = {
    "software": "software",
    "gpu": "GPU",
    "compilers": "compilers",
    "machine": "machine",
    "extras": "extras",
    "cluster": "cluster",
    "configuration": "configuration",
}
MARKS = {"ok": " ", "note": "·", "missing": "✗"}


def run(words: Sequence[str]) -> int:
    """Examine the machine, and with a configuration what it needs; 1 when something needed is missing."""
    arguments = parser().parse(words)
    from trainwright.runs.doctor import examine

    composed = None
    if arguments.config:
        from trainwright.cli.settings import composed_from

        composed = composed_from([arguments.config, *arguments.settings])
    findings = examine()
    if composed is not None:
        from trainwright.runs.doctor_config import config_findings

        broken = any(each.name == "torch" and each.state == "missing" for each in findings)
        findings += config_findings(composed, torch_works=not broken)
    if arguments.cluster:
        from trainwright.parallel.launchers.on_ray.doctor import ray_findings
        from trainwright.parallel.slurm.doctor import environment_findings, slurm_findings

        findings += [*slurm_findings(), *ray_findings(), *environment_findings()]
    missing = [each for each in findings if each.state == "missing"]
    if arguments.json:
        told = {"ok": not missing, "findings": [each.as_dict() for each in findings], "install": install(findings)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(describe_findings(findings))
    return 1 if missing else 0


def describe_findings(findings: Sequence[Finding]) -> str:
    """The findings by section, aligned; what is missing last once more with the line that installs it."""
    width = max(len(each.name) for each in findings if len(each.name) <= 24)
    lines: list[str] = []
    for section, title in TITLES.items():
        rows = [each for each in findings if each.section == section]
        if not rows:
            continue
        lines += [heading(title), *(line for each in rows for line in _lines(each, width)), ""]
    missing = [each for each in findings if each.state == "missing"]
    if not missing:
        return "\n".join([*lines, "nothing that is needed is missing"])
    lines.append(red(f"{len(missing)} {'thing is' if len(missing) == 1 else 'things are'} missing"))
    line = install(findings)
    return "\n".join([*lines, f"  {dim('fix')}: {line}"] if line else lines)


def _lines(finding: Finding, width: int) -> list[str]:
    mark = red(MARKS["missing"]) if finding.state == "missing" else MARKS[finding.state]
    value = dim(finding.value) if finding.state == "note" else finding.value
    first = f"{mark} {bold(finding.name.ljust(width))}  {value}".rstrip()
    return [first, f"  {' ' * width}  {dim('fix')}: {finding.fix}"] if finding.fix and finding.state != "ok" else [first]


def install(findings: Sequence[Finding]) -> str:
    """One command that installs everything that is missing; empty when nothing can be installed."""
    lines = [each.fix.partition(", or ")[0] for each in findings if each.state == "missing" and each.fix.startswith("pip install ")]
    words = dict.fromkeys(word for line in lines for word in line.removeprefix("pip install ").split())
    return f"pip install {' '.join(words)}" if words else ""


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "doctor",
        "Show what this machine has for training (Python, torch, GPUs, compilers, memory, packages), and with a configuration "
        "what it needs and is not there, with the line that installs it. Exits with 1 when something needed is missing.",
        "[CONFIG] [key=value …] [--cluster] [--json]",
        ["trainwright doctor", "trainwright doctor config.yaml", "trainwright doctor --cluster", "trainwright doctor --json"],
    )
    made.add_argument("config", metavar="CONFIG", nargs="?", help="a configuration (or data) that is to be run here")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `train`")
    made.add_argument(
        "--cluster",
        action="store_true",
        help="show the clusters too: Slurm's partitions, and how a job comes back; what Ray has",
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    return made
