"""Code as tutorials have it, with another import and `tw.fit` in the place of a trainer: it runs, and the weights are those of there."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, random_split

import trainwright as tw

SHORT = {"console": False, "evaluation": {"report": False}}


class Digits(Dataset):
    """Pictures (1, 8, 8) and which of four quarters is the brightest."""

    def __init__(self, rows: int = 96) -> None:
        generator = torch.Generator().manual_seed(0)
        self.targets = torch.randint(0, 4, (rows,), generator=generator)
        self.data = torch.rand(rows, 1, 8, 8, generator=generator)
        for row, quarter in enumerate(self.targets.tolist()):
            top, left = 4 * (quarter // 2), 4 * (quarter % 2)
            self.data[row, :, top : top + 4, left : left + 4] += 1.0

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        return self.data[index], self.targets[index]


@functools.cache
def classes() -> tuple[Any, Any]:
    """A module and a data module as the tutorials of Lightning write them."""
    pl = pytest.importorskip("lightning.pytorch")
    torchmetrics = pytest.importorskip("torchmetrics")

    class LitDigits(pl.LightningModule):
        def __init__(self, hidden_size: int = 16, learning_rate: float = 1e-2) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.example_input_array = torch.zeros(1, 1, 8, 8)
            self.model = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden_size), nn.ReLU(), nn.Linear(hidden_size, 4))
            self.train_acc = torchmetrics.Accuracy(task="multiclass", num_classes=4)
            self.val_acc = torchmetrics.Accuracy(task="multiclass", num_classes=4)

        def forward(self, x: Tensor) -> Tensor:
            return functional.log_softmax(self.model(x), dim=1)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y = batch
            logits = self(x)
            loss = functional.nll_loss(logits, y)
            self.train_acc(logits, y)
            self.log("train_loss", loss, on_step=True, on_epoch=True, prog_bar=True)
            self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
            if batch_idx == 0 and self.logger is not None:
                self.logger.experiment.add_histogram("hidden", self.model[1].weight, self.global_step)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            x, y = batch
            logits = self(x)
            self.val_acc(logits, y)
            self.log_dict({"val_loss": functional.nll_loss(logits, y), "val_acc": self.val_acc}, prog_bar=True)

        def test_step(self, batch: Any, batch_idx: int) -> None:
            x, y = batch
            self.log("test_loss", functional.nll_loss(self(x), y), sync_dist=True)

        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
            x, _ = batch
            return self(x).argmax(dim=1)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
            scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=self.hparams.learning_rate, total_steps=int(self.trainer.estimated_stepping_batches)
            )
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    class DigitsData(pl.LightningDataModule):
        def __init__(self, batch_size: int = 16) -> None:
            super().__init__()
            self.save_hyperparameters()

        def prepare_data(self) -> None:
            Digits(4)

        def setup(self, stage: str) -> None:
            if stage == "fit":
                self.train, self.val = random_split(Digits(), [64, 32], generator=torch.Generator().manual_seed(42))
            if stage == "test":
                self.test = Digits(24)

        def train_dataloader(self) -> Any:
            return DataLoader(self.train, batch_size=self.hparams.batch_size)

        def val_dataloader(self) -> Any:
            return DataLoader(self.val, batch_size=self.hparams.batch_size)

        def test_dataloader(self) -> Any:
            return DataLoader(self.test, batch_size=self.hparams.batch_size)

    return LitDigits, DigitsData


def test_a_lightning_tutorial_runs_with_its_callbacks_and_ends_with_lightnings_weights(tmp_path: Path) -> None:
    pl = pytest.importorskip("lightning.pytorch")
    module, data = classes()
    torch.manual_seed(0)
    model = module()
    other = copy.deepcopy(model)
    callbacks = [
        pl.callbacks.ModelCheckpoint(monitor="val_loss", mode="min", save_top_k=2),
        pl.callbacks.EarlyStopping(monitor="val_loss", patience=3),
        pl.callbacks.LearningRateMonitor(logging_interval="step"),
        pl.callbacks.RichProgressBar(),
    ]
    result = tw.fit(model, data(), max_epochs=3, clip={"norm": 1.0}, callbacks=callbacks, run_dir=tmp_path / "run", **SHORT)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    pl.Trainer(max_epochs=3, gradient_clip_val=1.0, accelerator="cpu", **quiet).fit(other, data())
    for name, each in other.state_dict().items():
        assert torch.allclose(model.state_dict()[name], each, atol=1e-6), name
    assert result.metrics["validation"]["val_acc"] > 0.9 and "test_loss" in result.metrics["test"]
    again = tw.load(tmp_path / "run", model=module)
    assert (again.predict(Digits(24))["output"] == Digits(24).targets.numpy()).mean() > 0.9
    assert again.model.hparams.hidden_size == 16


class Block(nn.Module):
    def __init__(self, n_embd: int, block_size: int) -> None:
        super().__init__()
        self.ln, self.attn, self.proj = nn.LayerNorm(n_embd), nn.Linear(n_embd, 3 * n_embd), nn.Linear(n_embd, n_embd)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.attn(self.ln(x)).split(x.size(2), dim=2)
        return x + self.proj(functional.scaled_dot_product_attention(q, k, v, is_causal=True))


class GPT(nn.Module):
    """Loss and logits as small GPT codes return them, with an optimizer of its own making that nobody calls."""

    def __init__(self, vocab_size: int = 10, block_size: int = 8, n_embd: int = 16) -> None:
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab_size, n_embd),
                "wpe": nn.Embedding(block_size, n_embd),
                "h": nn.ModuleList([Block(n_embd, block_size)]),
            }
        )
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer["wte"].weight = self.lm_head.weight

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        place = torch.arange(idx.size(1), device=idx.device)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](place)
        for block in self.transformer["h"]:  # type: ignore[union-attr]
            x = block(x)
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        return logits, functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)


class Counting(Dataset):
    """Numbers that count on, modulo ten: what follows is certain."""

    def __init__(self, rows: int = 80) -> None:
        self.starts = torch.arange(rows) % 10

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        chunk = (self.starts[index] + torch.arange(9)) % 10
        return chunk[:-1], chunk[1:]


def test_a_small_gpt_with_its_dataset_learns_by_the_loss_it_returns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GPT()
    options = {"max_epochs": 30, "batch_size": 16, "learning_rate": 3e-2, "clip": {"norm": 1.0}, "run_dir": tmp_path / "run"}
    result = tw.fit(model, Counting(), Counting(20), **options, **SHORT)
    assert result.metrics["validation"]["loss"] < 0.05
    logits, _ = model.eval()(torch.tensor([[3, 4, 5]]))
    assert int(logits[0, -1].argmax()) == 6


def test_a_hugging_face_fine_tuning_runs_with_its_datasetdict_and_collator(tmp_path: Path) -> None:
    transformers, datasets = pytest.importorskip("transformers"), pytest.importorskip("datasets")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 16}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = transformers.BertConfig(vocab_size=20, num_labels=2, **sizes, **still)
    model = transformers.BertForSequenceClassification(config)
    words = torch.randint(2, 20, (64, 6), generator=torch.Generator().manual_seed(0))
    words[::2, 2] = 1  # the word that makes the label
    rows = {"input_ids": words.tolist(), "attention_mask": torch.ones_like(words).tolist(), "label": [1, 0] * 32, "text": ["…"] * 64}
    data = datasets.Dataset.from_dict(rows).train_test_split(test_size=0.25, seed=0)
    data = data.rename_column("label", "labels").remove_columns("text")
    data.set_format("torch")
    result = tw.fit(model, data, max_epochs=20, batch_size=16, learning_rate=1e-2, run_dir=tmp_path / "run", **SHORT)
    assert result.metrics["test"]["accuracy"] > 0.9
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run/model")
    assert torch.allclose(again.eval()(words[:4]).logits, model.eval()(words[:4]).logits)
