"""`best.yaml`: the configuration that a group of runs has chosen, or that all of its runs share."""

from __future__ import annotations

from trainwright.api.group_summary import Summary
from trainwright.config.dump import dump_asked
from trainwright.config.signature import FILE as SIGNATURE
from trainwright.config.signature import sign_files, unsigned_because
from trainwright.files.text import write_json, write_text
from trainwright.runs.group import BASE, BEST, FOLD, SEED, GroupDirectory, Member
from trainwright.systems.run_config import read_config


def write_choice(group: GroupDirectory) -> str:
    """Write `best.yaml`, or remove it where nothing can be said yet; what it is, in one sentence, empty without one.

    It has the grid's best values, and the seed and the split that were asked for before seeds and folds replaced them.
    """
    place = group.folder / BEST
    summary = Summary.of(group)
    point = summary.best or (summary.points[0] if not group.grid and summary.numbers else None)
    if point is None:
        place.unlink(missing_ok=True)
        return ""
    said = describe_choice(summary)
    ours = (group.folder / SIGNATURE).exists() and not unsigned_because(group.folder)
    write_text(place, f"# {said}\n{_asked_for(group, point.members[0])}")
    if ours:  # it was made of files that are signed, and is signed with them
        write_json(group.folder / SIGNATURE, sign_files(group.folder))
    return said


def describe_choice(summary: Summary) -> str:
    """What `best.yaml` is: the best point with its numbers, or what all runs have in common."""
    group = summary.group
    if not group.grid:
        differ = " and ".join(name for name, axis in (("fold", FOLD), ("seed", SEED)) if axis in group.axes)
        return f"the configuration that all runs share, as it was before they got a {differ} each; there is no grid to choose from"
    if summary.best is None:
        return ""
    spread = summary.best.spread(summary.selection)
    number = f"{summary.selection} {spread} (n = {len(spread.values)})" if spread else summary.selection
    ties = f"; equal on them: {', '.join(each.name for each in summary.ties[:4])}; the first of these is taken" if summary.ties else ""
    left = sum(not each.complete for each in summary.points)
    rest = f"; {left} of {len(summary.points)} points are not finished and were not looked at" if left else ""
    return f"{summary.best.name}: {number}, the best on validation rows{ties}{rest}"


def _asked_for(group: GroupDirectory, member: Member) -> str:
    """The configuration of a member with what seeds and folds have replaced, as YAML."""
    config, base = read_config(member.config), group.folder / BASE
    if base.is_file():
        asked = read_config(base)
        if FOLD in group.axes:
            config = config.model_copy(update={"data": config.data.model_copy(update={"split": asked.data.split})})
        if SEED in group.axes:
            config = config.model_copy(update={"run": config.run.model_copy(update={"seed": asked.run.seed})})
    return dump_asked(config)
