"""RAFT: the same numbers as torchvision's own, within any amount of memory, from either kind of weight file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import optical_flow
from torchvision.models.optical_flow import raft_large, raft_small

from tests.flow.data import data, read_rgb
from tests.flow.scenes import translation
from vidstyle.config import FlowSettings
from vidstyle.errors import InputError, WeightsError
from vidstyle.flow import flow_method
from vidstyle.flow.correlation import Correlation, OnDemand, Volume
from vidstyle.flow.raft import RAFT, pad, pixel_grid
from vidstyle.nets.raft import RAFT_WEIGHTS, build_raft, torchvision_names
from vidstyle.nets.weights import WeightFile, read_weights

BUILDERS = {"raft-small": raft_small, "raft-large": raft_large}


def untrained(name: str, seed: int = 0) -> optical_flow.RAFT:
    """With norms that are not the identity, and a flow head whose steps stay small."""
    torch.manual_seed(seed)
    network = BUILDERS[name](weights=None).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return network


def as_file(network: optical_flow.RAFT) -> WeightFile:
    return WeightFile(network.state_dict(), {}, "")


def torchvisions_own(network: optical_flow.RAFT, source: Tensor, target: Tensor, updates: int) -> Tensor:
    (one, (top, left)), (two, _) = pad(source * 2 - 1), pad(target * 2 - 1)
    with torch.inference_mode():
        flow = network(one[None], two[None], num_flow_updates=updates)[-1][0]
    return flow[:, top : top + source.shape[1], left : left + source.shape[2]]


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("volume_bytes", [1 << 30, 100_000, 0], ids=["volumes", "both", "on demand"])
def test_the_same_as_torchvisions_own(name: str, volume_bytes: int) -> None:
    previous, current, _ = translation(137, 150, 2, 1)
    network = untrained(name)
    ours = RAFT(build_raft(name, as_file(network)), 3, volume_bytes=volume_bytes).between(current, previous)
    theirs = torchvisions_own(network, current, previous, 3)
    assert theirs.abs().max() > 0.5
    assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()


def test_trained_it_is_torchvisions_own_too() -> None:
    path = data("weights/raft_small_torchvision_names.safetensors")
    a, b = (read_rgb(data(f"flow/middlebury/RubberWhale/frame{n}.png"))[100:260, 100:300] for n in (10, 11))
    source, target = (torch.from_numpy(x.copy()).permute(2, 0, 1).float() / 255 for x in (a, b))
    network = build_raft("raft-small", read_weights(path))
    theirs = torchvisions_own(network, source, target, 12)
    assert (RAFT(network, 12).between(a.copy(), b.copy()) - theirs).abs().max() < 2e-3


# ---- correlation


def brute_force(source: Tensor, target: Tensor, at: Tensor, levels: int, radius: int) -> Tensor:
    """Straight from the paper: the volume of all pairs, pooled, sampled bilinearly with zeros beyond the border."""
    channels, height, width = source.shape
    volume = torch.einsum("cp,cyx->pyx", source.flatten(1), target)[:, None] / channels**0.5
    found = []
    for level in range(levels):
        if level:
            volume = torch.nn.functional.avg_pool2d(volume, 2)
        rows, columns = volume.shape[-2:]
        x0, y0 = (at / 2**level).flatten(1)
        for dx in range(-radius, radius + 1):
            for dy in range(-radius, radius + 1):
                x, y = x0 + dx, y0 + dy
                value = torch.zeros(len(x))
                for i in range(len(x)):
                    for column in (int(x[i].floor()), int(x[i].floor()) + 1):
                        for row in (int(y[i].floor()), int(y[i].floor()) + 1):
                            if 0 <= column < columns and 0 <= row < rows:
                                share = (1 - abs(x[i] - column)) * (1 - abs(y[i] - row))
                                value[i] += share * volume[i, 0, row, column]
                found.append(value)
    return torch.stack(found).view(1, -1, height, width)


@pytest.mark.parametrize("volume_bytes", [1 << 30, 6 * 8 * 6 * 8, 0], ids=["volumes", "both", "on demand"])
def test_correlation_is_what_the_paper_says(volume_bytes: int) -> None:
    torch.manual_seed(1)
    source, target = torch.randn(2, 5, 6, 8)
    at = pixel_grid(source) + 4 * torch.randn(2, 6, 8)
    at[:, 0, 0] = torch.tensor([-70.0, 3.5])
    at[:, 5, 7] = torch.tensor([1e9, 2.0])
    correlation = Correlation(source, target, levels=2, radius=2, volume_bytes=volume_bytes)
    assert [type(level) for level in correlation.levels] == {
        1 << 30: [Volume, Volume], 6 * 8 * 6 * 8: [OnDemand, Volume], 0: [OnDemand, OnDemand]
    }[volume_bytes]  # fmt: skip
    assert torch.allclose(correlation.around(at), brute_force(source, target, at, 2, 2), atol=1e-5)


def test_on_demand_takes_little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    source, target = torch.randn(2, 16, 10, 12)
    at = pixel_grid(source) + torch.randn(2, 10, 12)
    whole = Correlation(source, target, volume_bytes=0).around(at)
    gathered = []
    bmm = torch.bmm
    monkeypatch.setattr("vidstyle.flow.correlation.CHUNK_BYTES", 20_000)
    monkeypatch.setattr(torch, "bmm", lambda a, b: gathered.append(a.nbytes) or bmm(a, b))
    assert torch.allclose(Correlation(source, target, volume_bytes=0).around(at), whole, atol=1e-6)
    assert max(gathered) <= 20_000 and len(gathered) > 100


# ---- weights


def authors_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the authors' program saves them: names by their own modules, some norms twice."""
    renamed = {}
    for key, value in tensors.items():
        first, _, rest = key.partition(".")
        parts = rest.split(".")
        if first in ("feature_encoder", "context_encoder"):
            net = "fnet" if first[0] == "f" else "cnet"
            if parts[0] == "convnormrelu":
                name = f"{net}.{'conv1' if parts[1] == '0' else 'norm1'}.{parts[2]}"
            elif parts[0] == "conv":
                name = f"{net}.conv2.{parts[1]}"
            elif parts[2] == "downsample":
                name = f"{net}.{rest}"
                if parts[3] == "1":
                    renamed[f"module.{net}.{parts[0]}.{parts[1]}.norm3.{parts[4]}"] = value
            else:
                what = "conv" if parts[3] == "0" else "norm"
                name = f"{net}.{parts[0]}.{parts[1]}.{what}{parts[2][-1]}.{parts[4]}"
        elif first == "mask_predictor":
            name = f"update_block.mask.{0 if parts[0] == 'convrelu' else 2}.{parts[-1]}"
        elif parts[0] == "motion_encoder":
            short = parts[1].replace("convcorr", "convc").replace("convflow", "convf")
            name = f"update_block.encoder.{short}.{parts[3]}"
        elif parts[0] == "recurrent_block":
            number = parts[1][-1] if "recurrent_block.convgru2.convz.weight" in str(tensors.keys()) else ""
            name = f"update_block.gru.{parts[2]}{number}.{parts[3]}"
        else:
            name = key
        renamed[f"module.{name}"] = value
    return renamed


@pytest.mark.parametrize("name", BUILDERS)
def test_authors_names_become_torchvisions(name: str) -> None:
    tensors = untrained(name).state_dict()
    theirs = authors_names(tensors)
    assert not set(theirs) & set(tensors)
    back = torchvision_names(theirs)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[key], tensors[key]) for key in tensors)
    assert torchvision_names(tensors) == tensors


def test_the_authors_file_is_torchvisions() -> None:
    authors = read_weights(data("weights/raft-small.pth")).tensors
    torchvisions = read_weights(data("weights/raft_small_torchvision_names.safetensors")).tensors
    renamed = torchvision_names(authors)
    assert renamed.keys() == torchvisions.keys()
    assert all(torch.equal(renamed[key], torchvisions[key]) for key in renamed)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    small = as_file(untrained("raft-small"))
    with pytest.raises(WeightsError, match="not those of raft-large but of raft-small"):
        build_raft("raft-large", small)
    save_file({"a": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="not those of raft-small: "):
        build_raft("raft-small", read_weights(tmp_path / "w.safetensors"))
    cut = WeightFile({key: value[:1] for key, value in small.tensors.items()}, {}, "")
    with pytest.raises(WeightsError, match="not those of raft-small"):
        build_raft("raft-small", cut)


def test_downloads_are_torchvisions_files() -> None:
    for name, download in RAFT_WEIGHTS.items():
        assert download.url.startswith("https://download.pytorch.org/models/raft_" + name.removeprefix("raft-"))
        assert len(download.sha256_prefix) == 8 and download.path.name == download.url.rsplit("/", 1)[1]
        assert 1 <= download.megabytes <= 50


# ---- settings


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"method": "guess"}, "--flow is one of dis, raft-small, raft-large"),
        ({"preset": "slow"}, "--flow-preset is one of"),
        ({"method": "raft-small", "preset": "fast"}, "--flow-preset is for --flow dis"),
        ({"updates": 20}, "--flow-updates is for --flow raft-small or raft-large"),
        ({"precision": "bfloat16"}, "--flow-precision is for"),
        ({"precision": "half", "method": "raft-small"}, "--flow-precision is one of"),
        ({"scale": 0.0}, "--flow-scale"),
        ({"scale": 1.5}, "--flow-scale"),
        ({"method": "raft-small", "updates": 0}, "--flow-updates is at least 1"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FlowSettings(**settings)  # type: ignore[arg-type]


def test_raft_takes_weights() -> None:
    with pytest.raises(ValueError, match="takes weights"):
        flow_method(FlowSettings("raft-small"))


def test_padding_is_in_the_middle_and_repeats_the_edge() -> None:
    image = torch.arange(3 * 20 * 301.0).view(3, 20, 301)
    padded, (top, left) = pad(image)
    assert padded.shape == (3, 128, 304) and (top, left) == (54, 1)
    assert torch.equal(padded[:, top : top + 20, left : left + 301], image)
    assert torch.equal(padded[:, 0, left : left + 301], image[:, 0])
    assert np.array_equal(padded[:, top : top + 20, -1], image[:, :, -1])
