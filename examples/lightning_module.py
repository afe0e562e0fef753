"""A LightningModule, unchanged, trained by this engine.

Nothing in `Curve` or `Points` knows of Trainwright: with `L.Trainer(max_epochs=15).fit(Curve(), Points())` they train as well. It needs
`pip install 'trainwright[lightning]'`. Run it with `python examples/lightning_module.py`. It takes a few seconds, most of them for imports.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw

try:
    import lightning as L
except ImportError:
    raise SystemExit("this example needs lightning: pip install 'trainwright[lightning]'") from None


class Curve(L.LightningModule):
    """Learns sin(3x) from points, with a warm-up, and logs as Lightning users do."""

    def __init__(self, width: int = 64, lr: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = mse_loss(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", mse_loss(self(x), y), prog_bar=True)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.hparams["lr"], total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Points(L.LightningDataModule):
    """Points of the curve, with noise in training."""

    def setup(self, stage: str) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(1000, 1, generator=generator) * 4 - 2
        self.train = TensorDataset(x, torch.sin(3 * x) + 0.1 * torch.randn(x.shape, generator=generator))
        grid = torch.linspace(-2, 2, 200).unsqueeze(1)
        self.held_out = TensorDataset(grid, torch.sin(3 * grid))

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, batch_size=50, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.held_out, batch_size=200)


def main(run_dir: str | None = None, epochs: int = 15) -> float:
    """Trains, and gives the mean squared error against the curve without noise."""
    torch.manual_seed(0)
    result = tw.fit(Curve(), Points(), max_epochs=epochs, monitor="val_loss", run_dir=run_dir)
    # Checkpoints, resuming bit for bit, the best weights and results.json are those of any other run.
    loss = result.metrics["validation"]["val_loss"]
    print(f"mean squared error {loss:.5f}; the noise in the data alone has 0.01")
    return loss


if __name__ == "__main__":
    main()
