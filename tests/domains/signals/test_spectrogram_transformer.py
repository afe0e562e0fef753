"""The Audio Spectrogram Transformer beside Hugging Face's, and weights by the names of three projects, with positions of other grids."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from recording_groups import drawn, encoder, spectrograms, waveforms
from safetensors.torch import save_file
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.trust import reading
from trainwright.domains.signals.models.ast import AST
from trainwright.domains.signals.models.ast_weights import fit_positions
from trainwright.weights.begun import reports_in
from trainwright.weights.transformer_names import name_tensors

transformers = pytest.importorskip("transformers")
MELS, FRAMES, DEPTH = 36, 56, 2
GRID = (3, 5)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A small AST of Hugging Face, at random: width 192 with 3 heads, which is our `tiny` with two blocks."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_attention_heads": 3, "num_hidden_layers": DEPTH, "intermediate_size": 768}
    config = transformers.ASTConfig(**sizes, num_mel_bins=MELS, max_length=FRAMES, layer_norm_eps=1e-6, num_labels=4)
    model = transformers.ASTForAudioClassification(config).eval()
    for each in model.parameters():
        torch.nn.init.normal_(each, std=0.05)
    return model


def saved(tensors: dict[str, Tensor], folder: Path) -> str:
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "model.safetensors")
    return str(folder / "model.safetensors")


def made(weights: str, frames: int = FRAMES, **options: Any) -> Any:
    return encoder("ast", spectrograms(MELS, frames), depth=DEPTH, weights=weights, **options).eval()


def test_with_its_weights_it_gives_what_hugging_faces_gives(theirs: Any, tmp_path: Path) -> None:
    ours = made(saved(theirs.state_dict(), tmp_path)).double()
    value = drawn(spectrograms(MELS, FRAMES))["value"].double()
    reference = copy.deepcopy(theirs).double()
    reference.classifier.layernorm.eps = 1e-5  # as in the AST repository
    with torch.no_grad():
        wanted = reference.audio_spectrogram_transformer(value[:, 0, 0].transpose(1, 2)).pooler_output
        torch.testing.assert_close(ours({"value": value})[:, 0], reference.classifier.layernorm(wanted), rtol=1e-8, atol=1e-8)


def test_every_tensor_but_those_of_the_classes_is_loaded(theirs: Any, tmp_path: Path) -> None:
    report = reports_in(made(saved(theirs.state_dict(), tmp_path)))[0][1]
    assert not report.missing and not report.dropped
    assert set(report.unexpected) == {"classifier.dense.weight", "classifier.dense.bias"}


TIMM = {
    "stack.blocks": "blocks",
    "norm_attention": "norm1",
    "norm_feed_forward": "norm2",
    "attention.into": "attn.qkv",
    "attention.out": "attn.proj",
    "feed_forward.into": "mlp.fc1",
    "feed_forward.out": "mlp.fc2",
}


def as_timm(state: dict[str, Tensor], prefix: str = "", head: str = "") -> dict[str, Tensor]:
    """The same weights by the names of timm, or of the AST repository with its head."""
    found: dict[str, Tensor] = {}
    for name, value in name_tensors(state).items():
        for ours, theirs in TIMM.items():
            name = name.replace(ours, theirs)
        layer, _, kind = name.rpartition(".")
        if layer == "stack.norm":
            found[f"{prefix}norm.{kind}"] = value
        elif layer == "norm":
            found |= {f"{head}.{kind}": value} if head else {}
        elif not layer.startswith("classifier"):
            found[f"{prefix}{name}"] = value
    return found


@pytest.mark.parametrize(("prefix", "head"), [("module.v.", "module.mlp_head.0"), ("v.", "mlp_head.0")])
def test_names_of_the_ast_repository_are_known(theirs: Any, tmp_path: Path, prefix: str, head: str) -> None:
    ours = made(saved(theirs.state_dict(), tmp_path))
    again = made(saved(as_timm(theirs.state_dict(), prefix, head), tmp_path))
    for (name, first), second in zip(ours.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(first, second, msg=name)


def test_names_of_timm_are_known_and_three_input_channels_are_summed(theirs: Any, tmp_path: Path) -> None:
    state = as_timm(theirs.state_dict())
    colours = state["patch_embed.proj.weight"].repeat(1, 3, 1, 1) / 3
    again = made(saved(state | {"patch_embed.proj.weight": colours}, tmp_path))
    torch.testing.assert_close(again.network.patch_embed.proj.weight, state["patch_embed.proj.weight"])
    torch.testing.assert_close(again.network.stack.blocks[1].attention.into.weight, state["blocks.1.attn.qkv.weight"])
    assert "1 here: summed" in " ".join(reports_in(again)[0][1].adapted)


def test_a_vision_transformer_without_distillation_begins_that_token_as_its_class_token(theirs: Any, tmp_path: Path) -> None:
    state = as_timm(theirs.state_dict())
    state["pos_embed"] = torch.cat([state["pos_embed"][:, :1], torch.randn(1, 16, 192)], dim=1)
    del state["dist_token"]
    again = made(saved(state, tmp_path), frames=116)
    torch.testing.assert_close(again.network.dist_token, again.network.cls_token)
    notes = " ".join(reports_in(again)[0][1].notes)
    assert "begins as the class token" in notes and "4×4 positions there, 3×11 here: the middle 3 of 4 rows, then interpolated" in notes


def test_a_shorter_grid_is_the_middle_of_the_one_that_was_learned_or_all_of_it_interpolated(theirs: Any, tmp_path: Path) -> None:
    file = saved(theirs.state_dict(), tmp_path)
    learned = theirs.audio_spectrogram_transformer.embeddings.position_embeddings[:, 2:].view(3, 5, 192)
    middle = made(file, frames=36).network.pos_embed[:, 2:].view(3, 3, 192)
    torch.testing.assert_close(middle, learned[:, 1:4])
    smooth = made(file, frames=36, positions="interpolate").network.pos_embed[:, 2:].view(3, 3, 192)
    torch.testing.assert_close(smooth[:, 1], learned[:, 2])  # the middle of five at the middle of three
    longer = made(file, frames=106).network.pos_embed[:, 2:].view(3, 10, 192)
    torch.testing.assert_close(longer[:, 0], learned[:, 0])
    torch.testing.assert_close(longer[:, 1], 0.75 * learned[:, 0] + 0.25 * learned[:, 1], rtol=1e-4, atol=1e-5)


def test_the_middle_of_audiosets_grid_is_where_the_ast_repository_cuts_it() -> None:
    grid = torch.arange(12.0 * 101).view(1, -1, 1).expand(1, -1, 4)
    value = torch.cat([torch.zeros(1, 2, 4), grid], dim=1)
    cut, said = fit_positions(value, (12, 101), (12, 12), "middle")
    t = 12  # pos[:, :, :, 50 - int(t / 2) : 50 - int(t / 2) + t] there
    torch.testing.assert_close(cut[:, 2:, 0].view(12, t), torch.arange(12.0 * 101).view(12, 101)[:, 50 - t // 2 : 50 - t // 2 + t])
    assert said.startswith("pos_embed: 12×101 positions there, 12×12 here: the middle 12 of 101 columns")


def test_a_grid_that_cannot_be_known_is_asked_for(theirs: Any, tmp_path: Path) -> None:
    state = theirs.state_dict()
    key = "audio_spectrogram_transformer.embeddings.position_embeddings"
    file = saved(state | {key: torch.randn(1, 2 + 14, 192)}, tmp_path)
    with pytest.raises(ConfigError, match="grid of the positions is not known") as refused:
        made(file)
    assert "grid_there" in refused.value.fix
    told = made({"source": file, "adapt": {"grid_there": [2, 7]}})  # type: ignore[arg-type]
    assert "2×7 positions there" in " ".join(reports_in(told)[0][1].notes)


def test_weights_of_another_architecture_and_absent_files_are_refused(theirs: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent|no file|no weights"):
        made(str(tmp_path / "absent.safetensors"))
    with pytest.raises(ConfigError):
        made(saved({"conv1.weight": torch.randn(8, 3, 3, 3), "fc.weight": torch.randn(3, 8)}, tmp_path))


def test_a_model_that_is_read_back_needs_no_file_of_weights(tmp_path: Path) -> None:
    with reading(tmp_path):
        assert made("no/such/file.safetensors").width == 192


def test_frames_beyond_the_end_of_a_recording_change_nothing() -> None:
    group = spectrograms(MELS, FRAMES, differ=True)
    ours = encoder("ast", group, depth=DEPTH).eval()
    value, length = drawn(group)["value"], torch.tensor([[47], [36], [5]])
    noisy = torch.where(torch.arange(FRAMES) >= length.view(3, 1, 1, 1, 1), torch.randn_like(value), value)
    found = ours({"value": value, "length": length})
    torch.testing.assert_close(found[:2], ours({"value": noisy, "length": length})[:2])
    whole = ours({"value": value[1:2, ..., :36], "length": length[1:2]})
    torch.testing.assert_close(found[1:2], whole, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(found).all()


def test_more_frames_than_it_was_made_for_have_interpolated_positions() -> None:
    network = AST(1, MELS, FRAMES, depth=1).eval()
    assert network(torch.randn(2, 1, MELS, FRAMES + 60)).shape == (2, 192)
    torch.testing.assert_close(network._positions(10)[:, 2:].view(3, 10, 192)[:, 0], network.pos_embed[0, 2:].view(3, 5, 192)[:, 0])


def test_wav2vec_is_made_of_a_configuration_or_read_from_a_folder_and_leaves_padding_out(tmp_path: Path) -> None:
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [8, 8],
        "conv_kernel": [10, 3],
    }
    sizes |= {"conv_stride": [5, 2], "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    sizes |= {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "mask_time_prob": 0.0}
    group = waveforms(1, 800, differ=True, rate=16_000)
    ours = encoder("wav2vec2", group, config=sizes).eval()
    ours.network.model.save_pretrained(tmp_path)
    again = encoder("wav2vec2", group, weights=str(tmp_path)).eval()
    length = torch.tensor([[800], [500], [400]])
    value = drawn(group)["value"]
    parts = {"value": value, "length": length}
    noisy = {"value": torch.where(torch.arange(800) >= length.view(3, 1, 1, 1), 9.0, value), "length": length}
    torch.testing.assert_close(ours(parts), again(parts))
    torch.testing.assert_close(ours(parts), ours(noisy))
    assert not any(each.requires_grad for each in again.network.model.feature_extractor.parameters())
    with pytest.raises(ConfigError, match="is no folder of a model"):
        encoder("wav2vec2", group, weights=str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="16000 Hz, and these have 8000"):
        encoder("wav2vec2", waveforms(1, 800, rate=8000), weights=str(tmp_path))
