"""`self.log` of a LightningModule: into the rows of the run while training, into the metrics of a split while it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.adapters.lightning.log import OF_LOADER, Asked, is_metric, number, reduction_of
from trainwright.config.errors import TrainwrightError

if TYPE_CHECKING:
    from trainwright.adapters.lightning.system import LightningSystem
    from trainwright.engine.session import Session


class SelfLog:
    """What a module finds as `self.log`."""

    def __init__(self, system: LightningSystem) -> None:
        self.system = system

    def __call__(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: Any = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        metric_attribute: str | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Log a number, a tensor of one element or a torchmetrics metric. Raises TrainwrightError for others, and where nothing can be."""
        system = self.system
        value = value if is_metric(value) else number(name, value)
        reduce, weight = reduction_of(reduce_fx, name), system.now.rows if batch_size is None else batch_size
        if system._logged is not None:
            if add_dataloader_idx and system.split in system.lengths and not system.at_epoch:
                name = f"{name}{OF_LOADER}{system.now.loader}"
            form = Asked(bool(on_step) and on_epoch is not False, prog_bar, logger is not False)
            self._of_split(name, value, weight, reduce, bool(on_step), form)
            return
        if system.session is None or system.trainer.predicting:
            fix = "log in a training, validation or test step, or a hook round one"
            raise TrainwrightError(f"'{name}' cannot be logged now", where="self.log", why="no step is being made or measured", fix=fix)
        at_epoch = system.at_epoch if on_epoch is None else on_epoch
        at_step = (not system.at_epoch if on_step is None else on_step) or not at_epoch
        system.asked[name] = Asked(at_step and at_epoch, prog_bar, logger is not False)
        self._of_training(system.session, name, value, weight or 1, reduce, at_step, at_epoch)

    def _of_split(self, name: str, value: Any, weight: float, reduce: str, on_step: bool, form: Asked) -> None:
        """Kept until the batch went well, and joined over the split."""
        system = self.system
        system.asked[name] = form
        system._pending.append((name, value, weight, reduce))
        now = value._forward_cache if is_metric(value) else value
        if on_step and now is not None:
            system.trainer.tell(name, now, "_step", form)
        if form.both:
            system._pending.append((form.name_for(name, "_epoch"), value, weight, reduce))

    def _of_training(self, session: Session, name: str, value: Any, weight: float, reduce: str, at_step: bool, at_epoch: bool) -> None:
        """Steps: the mean (or sum) since the row before. Epochs: the value of the epoch so far, `<name>_epoch` where both are asked for."""
        system = self.system
        metric, asked = is_metric(value), system.asked[name]
        now = value._forward_cache if metric else value
        if at_step and now is not None:
            session.log(name, now, "sum" if reduce == "sum" else "mean")
            system.trainer.tell(name, now.detach() if isinstance(now, Tensor) else now, "_step", asked)
        if at_epoch:
            entry = system.of_epoch.add(name, value, weight, reduce)
            if not metric:
                session.logs.follow(asked.name_for(name, "_epoch"), entry.value)
