"""Decoders: sizes, unpooling, and what the shipped weights give back of a picture."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.stylize.scene import autoencoder, encoder, picture
from vidstyle.errors import WeightsError
from vidstyle.nets.affine import Affine
from vidstyle.nets.autoencoder import DECODERS, DECODERS_FILE, HALO, build_decoder
from vidstyle.nets.compact import STRIDES, TRUNK, CompactEncoder
from vidstyle.nets.decoders import LEVELS, POOLED, Decoder, Enlarge, UnpoolingDecoder, unpool
from vidstyle.nets.tiled import ALIGNMENT
from vidstyle.nets.weights import WeightFile, embedded


def test_the_trunk_is_what_the_heads_widen() -> None:
    compact = encoder()
    assert isinstance(compact, CompactEncoder)
    frame, pooled = picture(1, 40, 57)[None], []
    trunk = dict(compact.walk(frame, pooled))
    wide = compact(frame, LEVELS)
    assert {name: value.shape[1] for name, value in trunk.items()} == TRUNK
    assert [value.shape[1] for value in pooled[:3]] == list(POOLED)
    assert torch.equal(wide["relu1_1"], trunk["relu1_1"])
    for level in LEVELS[1:]:
        assert torch.equal(wide[level], compact.heads[level](trunk[level]).relu())


def test_enlarging_is_the_convolution_of_the_enlarged_picture() -> None:
    torch.manual_seed(0)
    layer, x = Enlarge(3, 2), torch.rand(1, 3, 6, 7)
    large = F.interpolate(x, scale_factor=2, mode="nearest")
    plain = F.conv2d(F.pad(large, (1, 1, 1, 1), mode="replicate"), layer.weight, layer.bias)
    assert torch.allclose(layer(x), plain, atol=1e-5)


def test_unpooling_puts_values_where_the_largest_were() -> None:
    taken = torch.tensor([[[[1.0, 2.0, 5.0], [0.0, 0.0, 5.0]]]])
    found = unpool(torch.tensor([[[[7.0, 9.0]]]]), taken)
    assert found.tolist() == [[[[0.0, 7.0, 9.0], [0.0, 0.0, 9.0]]]]


LEVELS_OF = {"wct": LEVELS, "photo": LEVELS[1:4], "adain": LEVELS[3:4]}


@pytest.mark.parametrize("name", DECODERS)
def test_pictures_come_back_at_every_level(name: str) -> None:
    """As PSNR of a drawing whose hard edges are unlike any photo's; the figures of photos are in docs/models.md."""
    least = {"relu1_1": 28, "relu2_1": 22, "relu3_1": 19, "relu4_1": 14, "relu5_1": 12}
    both, frame = autoencoder(name), picture(12, 96, 133)
    for level in LEVELS_OF[name]:
        back = both.view(frame, level).changed(lambda piece: piece.features).clamp(0, 1)
        assert back.shape == frame.shape
        assert -10 * (back - frame).square().mean().log10() > least[level]


@pytest.mark.parametrize("name", DECODERS)
def test_a_map_before_a_decoder_is_taken_into_its_first_convolution(name: str) -> None:
    both, frame = autoencoder(name), picture(12, 40, 53)
    torch.manual_seed(0)
    for level in LEVELS_OF[name]:
        view = both.view(frame, level)
        channels = len(next(view.pieces()).features)
        affine = Affine(
            torch.eye(channels) + 0.1 * torch.randn(channels, channels) / channels**0.5, torch.rand(channels)
        )
        plain = view.changed(lambda piece, affine=affine: affine(piece.features))  # type: ignore[misc]
        assert torch.allclose(view.through(affine), plain, atol=1e-4)


def test_where_strokes_are_made_up_wct_has_the_decoder_that_learned_to() -> None:
    frame, found = picture(12, 48, 48), {}
    for name in ("wct", "adain"):
        both = autoencoder(name)
        found[name] = both.view(frame, "relu4_1").changed(lambda piece: piece.features)
    assert torch.equal(found["wct"], found["adain"])


def test_decoders_take_up_little_room() -> None:
    assert embedded(DECODERS_FILE).stat().st_size < 6_000_000


def test_other_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match="does not hold the wct decoder"):
        build_decoder("wct", WeightFile({"wct.x": torch.zeros(1)}, {}, ""))


def test_halos_are_as_wide_as_encoder_and_decoder_see() -> None:
    """The gradient of a pixel in the middle reaches no further than the halo, which tiles are aligned with."""
    for name in DECODERS:
        both = autoencoder(name)
        for level in LEVELS_OF[name]:
            if level == "relu1_1":
                continue
            torch.manual_seed(0)
            assert HALO[level] % ALIGNMENT == 0
            side = 2 * HALO[level] + 64
            frame = torch.rand(1, 3, side, side, requires_grad=True)
            pooled: list[torch.Tensor] = []
            features = next(value for key, value in both.encoder.walk(frame, pooled) if key == level)
            decoder = both.decoder
            extra = (pooled,) if isinstance(decoder, UnpoolingDecoder) else ()
            middle = side // 2
            decoder(features, level, *extra)[0, :, middle, middle].sum().backward()
            assert frame.grad is not None
            reached = frame.grad[0].abs().sum(0).nonzero()
            assert (reached - middle).abs().max() <= HALO[level]


def test_levels_and_strides() -> None:
    assert Decoder("relu4_1", picture_level=False).levels == LEVELS[:4]
    assert [STRIDES[level] for level in LEVELS] == [1, 2, 4, 8, 16]
