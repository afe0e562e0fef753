"""Which modules of a system are sharded as a group of their own."""

from __future__ import annotations

from torch import nn

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import REGULAR
from trainwright.parallel.strategies.plan import find_named
from trainwright.parallel.strategies.sharded_options import GroupOptions

WHERE = "trainer.strategy.groups"
LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


def find_groups(system: nn.Module, options: GroupOptions) -> dict[str, nn.Module]:
    """Path → module of every group, the inner ones before those that they are in; without those that share a parameter with others,
    which are gathered for the whole step.

    Raises ConfigError for a pattern that names no module which can be called and has parameters.
    """
    found = _find_asked(system, options) if options.match else _items(system, "", options.smallest)
    found = dict(sorted(found.items(), key=lambda each: -each[0].count(".")))
    holders: dict[int, set[str]] = {}
    for module in system.modules():
        owner = next((path for path, group in found.items() if _holds(group, module)), "")
        for each in module.parameters(recurse=False):
            holders.setdefault(id(each), set()).add(owner)
    tied = {owner for owners in holders.values() if len(owners) > 1 for owner in owners}
    return {path: module for path, module in found.items() if path not in tied}


def _find_asked(system: nn.Module, options: GroupOptions) -> dict[str, nn.Module]:
    modules = {path: module for path, module in system.named_modules() if path and _can_be_group(module)}
    found: dict[str, nn.Module] = {}
    for pattern in options.match:
        paths = find_named(pattern, modules)
        if not paths:
            why = "a group is a module that is called and has parameters"
            fix = did_you_mean(pattern.removeprefix(REGULAR).strip("*."), modules)
            raise ConfigError(f"no such module is named '{pattern}'", where=WHERE, why=why, fix=fix)
        found |= {path: modules[path] for path in paths}
    return found


def _can_be_group(module: nn.Module) -> bool:
    return type(module).forward is not nn.Module.forward and next(module.parameters(), None) is not None


def _items(module: nn.Module, path: str, smallest: int) -> dict[str, nn.Module]:
    """The outermost items of lists that are large enough."""
    found: dict[str, nn.Module] = {}
    for name, child in module.named_children():
        here = f"{path}.{name}" if path else name
        large = sum(each.numel() for each in child.parameters()) >= smallest
        if isinstance(module, LISTS) and large and _can_be_group(child) and not isinstance(child, LISTS):
            found[here] = child
        else:
            found |= _items(child, here, smallest)
    return found


def _holds(module: nn.Module, other: nn.Module) -> bool:
    return any(each is other for each in module.modules())
