"""What a report tells of samples: how near they are to training rows, and that a failure costs no run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from tests.commands import trainwright_command

from trainwright.domains.diffusion.told import _copies, nearest
from trainwright.files.text import read_json


def test_copies_are_told_from_new_samples() -> None:
    draw = torch.Generator().manual_seed(0)
    train, held_out = torch.randn(200, 4, generator=draw), torch.randn(100, 4, generator=draw)
    copied = torch.cat([train[:3] + 1e-3, torch.randn(5, 4, generator=draw)])
    assert torch.allclose(nearest(copied[:3], train), torch.full((3,), 2e-3, dtype=torch.float64), atol=1e-6)
    assert "nearer than half of that: nearly copies" in _copies(copied, train, held_out)[0]["text"]
    assert _copies(copied, train[:1], held_out) == []


@pytest.mark.slow
def test_a_report_shows_samples_beside_held_out_rows(tmp_path: Path) -> None:
    """Digits as pictures, after three steps."""
    config = {
        "system": {"type": "diffusion", "model": {"type": "mlp", "width": 16}, "steps": 3},
        "data": {"source": "builtin:digits_images"},
        "trainer": {"max_steps": 3, "batch_size": 32, "evaluation_batch_size": 512, "sampling": None},
        "run": {"dir": "run"},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    done = trainwright_command("train", "c.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = read_json(tmp_path / "run/analysis.json")
    blocks = [each for each in found["blocks"] if each.get("section") == "Samples"]
    assert [each["type"] for each in blocks] == ["wall", "text", "lines"]
    assert all((tmp_path / "run" / each["file"]).is_file() for each in blocks[0]["tiles"])
    assert len(blocks[2]["lines"][0]["x"]) == 12 and all(each > 0 for each in blocks[2]["lines"][0]["y"])
