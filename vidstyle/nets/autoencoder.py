"""The compact encoder and a decoder as one: pictures to features of a level and back, a tile at a time where needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vidstyle.errors import WeightsError
from vidstyle.nets.affine import Affine
from vidstyle.nets.compact import CompactEncoder
from vidstyle.nets.decoders import Decoder, DecoderByLevel, UnpoolingDecoder
from vidstyle.nets.tiled import TILE_PIXELS, Span, crop, tiles
from vidstyle.nets.weights import WeightFile

DECODERS_FILE = "decoders.safetensors"
AnyDecoder = Decoder | DecoderByLevel | UnpoolingDecoder

#: What is in the file of decoders, and how each is built.
DECODERS: dict[str, Callable[[], Decoder | UnpoolingDecoder]] = {
    "wct": lambda: Decoder("relu5_1"),
    "photo": UnpoolingDecoder,
    "adain": lambda: Decoder("relu4_1", residuals=1, picture_level=False),
}

HALO = {"relu1_1": 16, "relu2_1": 16, "relu3_1": 32, "relu4_1": 80, "relu5_1": 144}
"""Pixels around a tile that are computed with it: as far as encoder and decoder together see from a level."""


def build_decoder(method: str, weights: WeightFile) -> AnyDecoder:
    """What a method decodes with, in float32. WeightsError where the file does not hold it."""
    decoder = decoder_of(method, weights)
    return DecoderByLevel(decoder, {"relu4_1": decoder_of("adain", weights)}) if method == "wct" else decoder


def decoder_of(name: str, weights: WeightFile) -> Decoder | UnpoolingDecoder:
    """One of ``DECODERS``. WeightsError where the file does not hold it."""
    decoder = DECODERS[name]()
    prefix = f"{name}."
    tensors = {
        key.removeprefix(prefix): value.float() for key, value in weights.tensors.items() if key.startswith(prefix)
    }
    try:
        decoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"the file of decoders does not hold the {name} decoder of this version") from error
    return decoder


@dataclass(frozen=True)
class Piece:
    """What a level says of a tile: features ``(C, h, w)``, its halo with it."""

    level: str
    features: Tensor
    pooled: Sequence[Tensor]  # what the poolings took on the way
    place: tuple[Span, Span]  # rows and columns of the tile

    @property
    def tile(self) -> tuple[slice, slice]:
        """Where it lies in the picture, the halo with it."""
        rows, columns = self.place
        return slice(rows.outer_begin, rows.outer_end), slice(columns.outer_begin, columns.outer_end)

    @property
    def own(self) -> tuple[slice, slice]:
        """Its own part of the picture, without the halo."""
        rows, columns = self.place
        return slice(rows.begin, rows.end), slice(columns.begin, columns.end)

    def inside(self, stride: int) -> tuple[slice, slice]:
        """Its own part of what was computed, ``stride`` times coarser than the picture."""
        return tuple(inner(span, stride) for span in self.place)  # type: ignore[return-value]


def inner(span: Span, stride: int) -> slice:
    begin = (span.begin - span.outer_begin) // stride
    return slice(begin, None if span.end == span.outer_end else begin + (span.end - span.begin) // stride)


@dataclass
class View:
    """A picture ``(3, H, W)`` as a level of the encoder sees it, in pieces; one piece is kept, of many none."""

    autoencoder: Autoencoder
    picture: Tensor
    level: str
    kept: Piece | None = field(default=None, init=False)

    def pieces(self) -> Iterator[Piece]:
        height, width = self.picture.shape[-2:]
        places = tiles(height, width, self.autoencoder.pixels, HALO[self.level])
        for place in places:
            piece = self.kept or self.autoencoder.encode(self.picture, self.level, place)
            if len(places) == 1:
                self.kept = piece
            yield piece

    def changed(self, change: Callable[[Piece], Tensor]) -> Tensor:
        """The picture ``(3, H, W)`` that features have after ``change``, which takes a piece to new features of it."""
        return self.decoded(lambda piece: self.autoencoder.decode(change(piece), piece))

    def through(self, first: Affine) -> Tensor:
        """The same after a map that all features go through, which takes no time of its own."""
        return self.decoded(lambda piece: self.autoencoder.decode(piece.features, piece, first))

    def decoded(self, decode: Callable[[Piece], Tensor]) -> Tensor:
        found = torch.empty_like(self.picture)
        for piece in self.pieces():
            decoded = decode(piece)
            target = found[..., piece.own[0], piece.own[1]]
            rows, columns = (span.begin - span.outer_begin for span in piece.place)
            # At its right and lower border a picture may be decoded a little too large.
            target.copy_(decoded[..., rows : rows + target.shape[-2], columns : columns + target.shape[-1]])
        return found


class Autoencoder:
    """Encoder and decoder, computed in ``dtype``; pictures are float32, features are as computed.

    Args:
        pixels: about as many are computed at once; larger pictures go through in tiles, with the same values.
    """

    def __init__(
        self,
        encoder: CompactEncoder,
        decoder: AnyDecoder,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        pixels: int = TILE_PIXELS,
    ) -> None:
        def ready(network: nn.Module) -> nn.Module:
            # channels_last: the CPU's convolutions are several times faster in it.
            network = network.to(device, dtype).to(memory_format=torch.channels_last)
            return network.eval().requires_grad_(False)

        ready(encoder), ready(decoder)
        self.encoder, self.decoder, self.dtype, self.pixels = encoder, decoder, dtype, pixels

    def view(self, picture: Tensor, level: str) -> View:
        """``picture`` ``(3, H, W)`` in [0, 1] as ``level`` sees it."""
        return View(self, picture, level)

    @torch.inference_mode()
    def encode(self, picture: Tensor, level: str, place: tuple[Span, Span]) -> Piece:
        pooled: list[Tensor] | None = [] if isinstance(self.decoder, UnpoolingDecoder) else None
        batch = crop(picture[None], place).to(self.dtype).contiguous(memory_format=torch.channels_last)
        features = next(value for name, value in self.encoder.walk(batch, pooled) if name == level)
        return Piece(level, features[0], pooled or (), place)

    @torch.inference_mode()
    def decode(self, features: Tensor, piece: Piece, first: Affine | None = None) -> Tensor:
        """Pixels ``(3, h, w)`` of features in the place of a piece's, which go through ``first``; not clamped, maybe a
        little too many."""
        batch = features[None].contiguous(memory_format=torch.channels_last)
        if isinstance(self.decoder, UnpoolingDecoder):
            decoded = self.decoder(batch, piece.level, piece.pooled, first)
        else:
            decoded = self.decoder(batch, piece.level, first)
        return decoded[0].float()
