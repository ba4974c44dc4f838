"""A network of plain convolutions: the same values however it is laid out in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from vidstyle.nets import folded
from vidstyle.nets.compact import with_border
from vidstyle.nets.folded import FoldedLayer, enlarged, fuses, put_out, strips, taken_in
from vidstyle.nets.shuffle import shuffle
from vidstyle.nets.speckle import speckled
from vidstyle.nets.strokes import padded, strokes_of

DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(params=[1, 2], ids=["strips", "whole"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """One thread works in strips, here of a few rows; two on whole pictures."""
    before = torch.get_num_threads()
    monkeypatch.setattr(folded, "STRIP", 200)
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def scene(count: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    whole = numbers(count, 7, height, width)
    whole[..., : height // 2, : width // 2] = 0.4  # flat: to be speckled
    return whole[:, :3], whole[:, 3:6], whole[:, 6:]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 64, 40), (2, 50, 39), (1, 5, 6)])
def test_what_is_taken_in_is_frame_prior_and_trust_unshuffled(
    size: tuple[int, int, int], dtype: torch.dtype, threads: int
) -> None:
    frame, prior, trust = (padded(value) for value in scene(*size))
    planes = torch.cat([speckled(frame) - 0.5, (prior - 0.5) * trust, trust], 1)
    expected = with_border(torch.pixel_unshuffle(planes, 2))
    taken = taken_in(*scene(*size), dtype)
    assert taken.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(taken, expected.to(dtype), atol=1e-6 if dtype == torch.float32 else 4e-3, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 64, 40), (2, 50, 39), (1, 5, 6)])
def test_what_is_put_out_is_colours_over_what_is_kept(
    size: tuple[int, int, int], dtype: torch.dtype, threads: int
) -> None:
    count, height, width = size
    _, prior, trust = scene(*size)
    low = [(side + 3) // 4 * 2 + 1 for side in (height, width)]
    x = (20 * numbers(count, 16, *low) - 10).to(dtype).contiguous(memory_format=torch.channels_last)
    colors, gate = strokes_of(shuffle(x)[..., 1 : height + 1, 1 : width + 1])
    expected = torch.lerp(colors, prior, gate * trust).clamp(0, 1)
    with torch.no_grad():
        painted = put_out(x, prior, trust)
    assert painted.dtype == torch.float32 and painted.std() > 0
    torch.testing.assert_close(painted, expected, atol=1e-6, rtol=0)  # a strip's end may be rounded otherwise


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_enlarged_has_its_pixels_in_place_and_a_border(dtype: torch.dtype) -> None:
    x = numbers(2, 12, 5, 7, dtype=dtype)
    layer = FoldedLayer(torch.eye(12).view(12, 12, 1, 1).to(dtype), torch.zeros(12, dtype=dtype))
    expected = with_border(with_border(torch.pixel_shuffle(x, 2)[..., 1:-1, 1:-1]))
    large = enlarged(layer.by_phase()(x))
    assert large.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(large, expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rectifying_and_adding_while_writing_is_doing_it_afterwards(
    dtype: torch.dtype, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = FoldedLayer(numbers(8, 4, 3, 3) - 0.5, numbers(8) - 0.5, stride).to(dtype)
    layer = layer.to(memory_format=torch.channels_last)
    x = numbers(1, 4, 19, 23, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        plain = layer(x)
        assert plain.min() < 0
        at_once = layer.rectified(x), layer.added(x, plain)
        monkeypatch.setattr(folded, "fuses", lambda x: False)
        afterwards = layer.rectified(x), layer.added(x, plain)
    for ours, expected in zip(at_once, afterwards, strict=True):
        torch.testing.assert_close(ours, expected, atol=2e-2 if dtype == torch.bfloat16 else 1e-5, rtol=2e-2)


def test_only_what_onednn_knows_is_fused() -> None:
    assert not fuses(torch.empty(1, device="meta"))
    assert not fuses(torch.empty(1, dtype=torch.float64))
    assert fuses(torch.empty(1)) == hasattr(torch.ops.mkldnn, "_convolution_pointwise")


@pytest.mark.parametrize(("height", "width"), [(436, 1024), (4, 100_000), (7, 9)])
def test_strips_are_all_rows_once_and_begin_with_even_ones(height: int, width: int, threads: int) -> None:
    found = list(strips(height, width, torch.device("cpu")))
    assert [row for rows in found for row in range(rows.start, rows.stop)] == list(range(height))
    assert all(rows.start % 2 == 0 for rows in found)
    assert len(found) == 1 or threads == 1
    assert list(strips(height, width, torch.device("cuda"))) == [slice(0, height)]
