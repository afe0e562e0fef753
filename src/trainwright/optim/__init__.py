"""Optimizers, learning-rate schedules and clipping."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.optim import options as ours
from trainwright.optim import torch_options as theirs

_NAMED = "trainwright.optim.named_torch:NamedTorch"

PARTS: dict[str, Part] = {
    "adamw": Part("trainwright.optim.adamw:AdamW", ours.AdamWOptions, "Adam with decoupled weight decay"),
    "adam": Part("trainwright.optim.adam:Adam", ours.AdamOptions, "adaptive moments"),
    "sgd": Part("trainwright.optim.sgd:SGD", ours.SGDOptions, "gradient descent, with momentum or Nesterov's"),
    "adamw_8bit": Part("trainwright.optim.adamw_8bit:AdamW8bit", ours.AdamW8bitOptions, "AdamW with a quarter of the state"),
    "lion": Part("trainwright.optim.lion:Lion", ours.LionOptions, "the sign of a momentum; half of AdamW's state"),
    "lamb": Part("trainwright.optim.lamb:Lamb", ours.LambOptions, "Adam's step scaled by the norm of each tensor, for large batches"),
    "muon": Part("trainwright.optim.muon:Muon", ours.MuonOptions, "orthogonal momentum for hidden matrices, AdamW for the rest"),
    "schedule_free_adamw": Part(
        "trainwright.optim.schedule_free:ScheduleFreeAdamW", ours.ScheduleFreeAdamWOptions, "AdamW that averages instead of a schedule"
    ),
    "schedule_free_sgd": Part(
        "trainwright.optim.schedule_free:ScheduleFreeSGD", ours.ScheduleFreeSGDOptions, "SGD that averages instead of a schedule"
    ),
    "lookahead": Part("trainwright.optim.lookahead:Lookahead", ours.LookaheadOptions, "slow weights behind another optimizer's fast ones"),
    "sam": Part("trainwright.optim.sam:SAM", ours.SAMOptions, "sharpness-aware: the gradient at the worst point nearby, two passes a step"),
    "lbfgs": Part("trainwright.optim.lbfgs:LBFGS", ours.LBFGSOptions, "quasi-Newton, many passes a step; for small data in one batch"),
    "adadelta": Part(_NAMED, theirs.AdadeltaOptions, "rates from running means of gradients and updates"),
    "adafactor": Part(_NAMED, theirs.AdafactorOptions, "Adam with the second moment as a row and a column"),
    "adagrad": Part(_NAMED, theirs.AdagradOptions, "rates that shrink with the sum of squared gradients"),
    "adamax": Part(_NAMED, theirs.AdamaxOptions, "Adam over the largest gradient"),
    "asgd": Part(_NAMED, theirs.ASGDOptions, "gradient descent that keeps an average of the weights"),
    "nadam": Part(_NAMED, theirs.NAdamOptions, "Adam with Nesterov's momentum"),
    "radam": Part(_NAMED, theirs.RAdamOptions, "Adam with rectified first steps"),
    "rmsprop": Part(_NAMED, theirs.RMSpropOptions, "gradients over their root mean square"),
    "rprop": Part(_NAMED, theirs.RpropOptions, "steps from signs alone; for whole-data batches"),
    "sparse_adam": Part(_NAMED, theirs.SparseAdamOptions, "Adam for sparse embedding gradients"),
    "timm": Part("trainwright.optim.timm_optimizer:TimmOptimizer", ours.TimmOptimizerOptions, "one of timm's by its name: timm/adamp"),
}

OF_TIMM = (
    *("adabelief", "adafactorbv", "adafactorbvc", "adamc", "adamp", "adamuon", "adan", "adanw", "adopt", "adoptc", "adoptw", "cadafactor"),
    *("cadafactorbv", "cadafactorbvc", "cadamc", "cadamp", "cadamw", "cadan", "cadanw", "cadopt", "cadoptc", "cadoptw", "clamb", "clambw"),
    *("claprop", "clion", "clionc", "cmars", "cnadamc", "cnadamw", "crmsproptf", "csgdc", "csgdp", "csgdw", "kron", "kronc", "kronw"),
    *("lambc", "lambcd", "lambcw", "lambw", "laprop", "lapropc", "larc", "lars", "lionc", "madgrad", "madgradw", "mars", "momentum"),
    *("nadamc", "nadamuon", "nadamw", "nesterov", "nesterovw", "nlarc", "nlars", "nmuon", "novograd", "novogradc", "novogradw"),
    *("radabelief", "radamw", "rmsproptf", "rmsproptfc", "rmsproptfw", "sgdc", "sgdp", "sgdw"),
)
"""Names of timm's for optimizers that Trainwright has none of, or has with other defaults."""
ALIASES = {name: f"timm/{name}" for name in OF_TIMM}
"""What timm calls optimizers → their names here."""
LOOKAHEAD = "lookahead_"


def find_name(name: str) -> str:
    """The name here of an optimizer that timm calls otherwise (`lookahead_adam`: `lookahead/adam`); any other name as it is."""
    folded = name.lower()
    if folded.startswith(LOOKAHEAD):
        return f"lookahead/{find_name(folded.removeprefix(LOOKAHEAD))}"
    return ALIASES.get(folded, name)
