"""Which weights are pruned: methods that make masks; naming them imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.nn.pruning import options as of

__all__ = ["ALIASES", "PARTS", "find_name"]

_HERE = "trainwright.nn.pruning"

PARTS: dict[str, Part] = {
    "identity": Part(f"{_HERE}.entries:Identity", of.IdentityOptions, "nothing: masks of ones"),
    "random": Part(f"{_HERE}.entries:Random", of.RandomOptions, "weights at random, in each parameter"),
    "l1": Part(f"{_HERE}.entries:L1", of.L1Options, "the smallest weights of each parameter"),
    "global_random": Part(f"{_HERE}.entries:GlobalRandom", of.GlobalRandomOptions, "weights at random, of all parameters together"),
    "global_l1": Part(f"{_HERE}.entries:GlobalL1", of.GlobalL1Options, "the smallest weights of all parameters together"),
    "random_structured": Part(f"{_HERE}.slices:RandomStructured", of.RandomStructuredOptions, "rows, columns or channels at random"),
    "ln_structured": Part(f"{_HERE}.slices:LnStructured", of.LnStructuredOptions, "rows, columns or channels of the least norm"),
    "semi_structured": Part(f"{_HERE}.groups:SemiStructured", of.SemiStructuredOptions, "two of each four inputs are kept (2:4)"),
    "mask": Part(f"{_HERE}.mask_file:FromMask", of.MaskOptions, "masks from a file"),
}

ALIASES = {
    "random_unstructured": "random",
    "l1_unstructured": "l1",
    "global_unstructured": "global_l1",
    "custom_from_mask": "mask",
    "RandomUnstructured": "random",
    "L1Unstructured": "l1",
    "RandomStructured": "random_structured",
    "LnStructured": "ln_structured",
    "CustomFromMask": "mask",
    "Identity": "identity",
    "magnitude": "global_l1",
    "2:4": "semi_structured",
}
"""What torch and others call methods → their names here."""


def find_name(name: str) -> str:
    """The name here of a method that is called something else elsewhere; any other name as it is."""
    return ALIASES.get(name, name)
