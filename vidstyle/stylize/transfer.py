"""Any style in one pass, by statistics of features: AdaIN, WCT and photorealistic transfer, stable over time.

A frame's features at a level are given the statistics of the styles (vidstyle.stylize.moments) and decoded; several
levels follow one another, the coarsest first. What keeps it from flickering is the same for all: the content's own
statistics are approached over some frames instead of measured anew, and the result is fused with the warped frame that
was painted before, where that can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.config import TransferSettings
from vidstyle.flow.warp import Interpolation
from vidstyle.nets.affine import Affine
from vidstyle.nets.autoencoder import Autoencoder, Piece, View
from vidstyle.nets.compact import STRIDES
from vidstyle.stylize.base import Prior, Progress, State, seconds_when_warm
from vidstyle.stylize.colors import FITTED_STYLES, in_colors_of
from vidstyle.stylize.mixing import Shares, has_moved
from vidstyle.stylize.moments import TRANSFORMS, Moments, StyleMoments, moments_of
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.style import LEAST_AREA, resize_style

PACE = 0.2
"""How far held statistics move to those of a new frame: a change of light is followed within some ten frames."""
GRAIN, MOST_GAIN = 2, 1.6
"""Of what fusing evens out: its size in pixels to each side, and how much it is strengthened at most."""
STROKES = 4
"""How many times smaller the picture is in which strokes are what grain is in the full one."""

#: Of each style, by level.
StyleTable = Sequence[dict[str, StyleMoments]]
#: Makes of a frame and its painting, both ``(3, H, W)``, the painting that is shown.
Finish = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Region:
    """A part of the frame with statistics of its own, painted in a blend of styles: (number, share), shares sum to 1.

    ``area`` ``(H, W)`` in [0, 1]; None: the whole frame. ``name`` is what its statistics go by in the state.
    """

    name: str
    blend: tuple[tuple[int, float], ...]
    area: Tensor | None = None

    def shares(self, count: int) -> list[float]:
        """What each of all ``count`` styles has of it."""
        blend = dict(self.blend)
        return [blend.get(number, 0.0) for number in range(count)]

    def shrunk(self, times: int) -> Region:
        """The same in a picture so many times smaller."""
        return self if self.area is None else replace(self, area=shrunk(self.area[None], times)[0])

    def on(self, features: Tensor, piece: Piece) -> Tensor | None:
        """The area on the grid of a piece's features ``(C, h, w)``."""
        if self.area is None:
            return None
        rows, columns = piece.tile
        stride = STRIDES[piece.level]
        tile = self.area[None, None, rows, columns]
        padded = F.pad(tile, (0, -tile.shape[-1] % stride, 0, -tile.shape[-2] % stride), mode="replicate")
        return F.avg_pool2d(padded, stride)[0, 0, : features.shape[1], : features.shape[2]]


def regions_of(shares: Shares) -> list[Region]:
    """The whole frame in one blend, or one region for each style that has an area somewhere."""
    if isinstance(shares[0], Tensor):
        areas = [(number, share) for number, share in enumerate(shares) if isinstance(share, Tensor)]
        return [Region(f"style {n}", ((n, 1.0),), area) for n, area in areas if float(area.mean()) > LEAST_AREA]
    weights = [float(share) for share in shares]
    return [Region("all", tuple((n, w / sum(weights)) for n, w in enumerate(weights) if w > 0))]


class TransferStylizer:
    """Paints with an encoder, a decoder, and an affine map of features between them.

    Args:
        settings: levels, transform, strength and how firmly a frame keeps to the one before.
        autoencoder: on the device that frames are on.
        styles: one image ``(3, h, w)`` in [0, 1] for each of ``settings.styles``.
        size: ``(width, height)`` of the frames, which the strokes' size follows.
        shares_at: what each style has of a frame, by the frame's number.
        finish: what comes last; None: nothing.
    """

    interpolation: Interpolation = "bilinear"

    def __init__(
        self,
        settings: TransferSettings,
        autoencoder: Autoencoder,
        styles: Sequence[Tensor],
        size: tuple[int, int],
        shares_at: Callable[[int], Shares],
        finish: Finish | None = None,
    ) -> None:
        self.settings, self.autoencoder, self.shares_at, self.finish = settings, autoencoder, shares_at, finish
        self.transform = TRANSFORMS[settings.transform]
        scales = [style.scale for style in settings.styles]
        self.images = [resize_style(image, size, scale) for image, scale in zip(styles, scales, strict=True)]
        self.device = styles[0].device

    @cached_property
    def styles(self) -> StyleTable:
        """The statistics of the styles as they are: taken once for a movie."""
        return [self.measure(image) for image in self.images]

    def measure(self, image: Tensor) -> dict[str, StyleMoments]:
        """The statistics of a style ``(1, 3, h, w)``."""
        views = {level: self.view(image[0], level) for level in self.settings.levels}
        return {level: StyleMoments(moments_in(view, Region("all", ()))) for level, view in views.items()}

    def view(self, picture: Tensor, level: str) -> View:
        """``picture`` ``(3, H, W)`` as a level of the settings sees it."""
        name, times = layer_and_times(level)
        return self.autoencoder.view(shrunk(picture, times), name)

    @torch.inference_mode()
    def step(
        self, frame: Tensor, priors: Sequence[Prior], state: State | None, *, turn: Turn, seed: int, progress: Progress
    ) -> tuple[Tensor, State | None]:
        progress(0.0)
        keeps = self.settings.keep_colors
        if keeps == "match":
            styles: StyleTable = [self.measure(FITTED_STYLES[keeps](image, frame[None])) for image in self.images]
        else:
            styles = self.styles
        regions = regions_of(self.shares_at(turn.frame))
        painted, held = self.paint(frame, regions, styles, state or {}, progress)
        painted = fused(painted, priors, self.settings.fusion, self.settings.PAINTS)
        if self.finish is not None:
            painted = self.finish(frame, painted).clamp(0, 1)
        painted = within(regions, frame, painted)
        if keeps != "luminance":
            return painted, held or None
        shown, carried = in_colors_of(frame, painted)
        return shown, {**held, **carried}

    def paint(
        self, frame: Tensor, regions: Sequence[Region], styles: StyleTable, state: State, progress: Progress
    ) -> tuple[Tensor, State]:
        """A frame through all levels, and the statistics that it was painted with."""
        shares = {region.name: region.shares(len(styles)) for region in regions}
        moved = {name for name, own in shares.items() if has_moved(own, state.get(f"shares {name}"))}
        painted, held = frame, {f"shares {name}": torch.tensor(own) for name, own in shares.items()}
        for number, level in enumerate(self.settings.levels):
            progress(number / len(self.settings.levels))
            view, times = self.view(painted, level), layer_and_times(level)[1]
            sized = [region.shrunk(times) for region in regions]
            maps = []
            for region in sized:
                name = f"{number} {region.name}"  # and not the level: it may come twice
                before = None if region.name in moved else state.get(name)
                content = held_moments(moments_in(view, region), before)
                held[name] = packed(content)
                maps.append(self.map(content, [(styles[n][level], share) for n, share in region.blend]))
            changed = changed_by(view, sized, maps)
            if times > 1:
                # What the decoder loses is in both: only what the map changes is added to the picture.
                changed = painted + enlarged(changed - view.changed(lambda piece: piece.features), times, painted)
            painted = changed.clamp(0, 1)
        return painted, held

    def map(self, content: Moments, blend: Sequence[tuple[StyleMoments, float]]) -> Affine:
        """What features with these statistics go through: the maps to each style, by their shares."""
        maps = [(self.transform(content, style), share) for style, share in blend]
        matrix = torch.stack([share * single.matrix for single, share in maps]).sum(0)
        offset = torch.stack([share * single.offset for single, share in maps]).sum(0)
        return Affine(matrix, offset).blended(self.settings.strength)

    def seconds_per_frame(self, size: tuple[int, int]) -> tuple[float, float]:
        """Timed on a noisy frame, in all styles at once."""
        frame = torch.rand((3, size[1], size[0]), generator=torch.Generator().manual_seed(0)).to(self.device)
        blend = [Region("all", tuple((n, 1 / len(self.images)) for n in range(len(self.images))))]

        @torch.inference_mode()
        def paint() -> Tensor:
            painted, _ = self.paint(frame, blend, self.styles, {}, lambda share: None)
            return painted if self.finish is None else self.finish(frame, painted)

        seconds = seconds_when_warm(paint)
        return seconds, seconds


def within(regions: Sequence[Region], frame: Tensor, painted: Tensor) -> Tensor:
    """What is painted, and the frame where that is nobody's: decoded as it is it would be blurred."""
    areas = [region.area for region in regions if region.area is not None]
    if len(areas) < len(regions):
        return painted
    covered = torch.stack(areas).sum(0).clamp(0, 1) if areas else torch.zeros_like(frame[0])
    return torch.lerp(frame, painted, covered)


def layer_and_times(level: str) -> tuple[str, int]:
    """A level of the settings, such as relu4_1/2: the encoder's level, and how many times smaller the picture is."""
    name, _, times = level.partition("/")
    return name, int(times or 1)


def shrunk(picture: Tensor, times: int) -> Tensor:
    """``(C, H, W)`` so many times smaller, rounded up."""
    return F.avg_pool2d(picture[None], times, ceil_mode=True)[0] if times > 1 else picture


def enlarged(small: Tensor, times: int, like: Tensor) -> Tensor:
    """The opposite, for a picture as large as ``like``."""
    large = F.interpolate(small[None], scale_factor=times, mode="bilinear")[0]
    return large[..., : like.shape[-2], : like.shape[-1]]


def changed_by(view: View, regions: Sequence[Region], maps: Sequence[Affine]) -> Tensor:
    """The picture that a level's features have after each region went through its map."""
    if len(regions) == 1 and regions[0].area is None:
        return view.through(maps[0])
    return view.changed(lambda piece: mapped(piece, regions, maps))


def moments_in(view: View, region: Region) -> Moments:
    """The statistics of a region of a picture, of all its pieces together."""
    found: Moments | None = None
    for piece in view.pieces():
        rows, columns = piece.inside(STRIDES[view.level])
        area = region.on(piece.features, piece)
        own = moments_of(piece.features[:, rows, columns], None if area is None else area[rows, columns])
        found = own if found is None else found + own
    assert found is not None
    return found


def mapped(piece: Piece, regions: Sequence[Region], maps: Sequence[Affine]) -> Tensor:
    """A piece's features, each region (all have areas) through its map; what is nobody's stays as it is."""
    result = piece.features.clone()
    for region, affine in zip(regions, maps, strict=True):
        area = region.on(piece.features, piece)
        assert area is not None
        result += area.to(result) * (affine(piece.features) - piece.features)
    return result


def held_moments(measured: Moments, before: Tensor | None) -> Moments:
    """Those to paint with: as measured where a shot, or a region in it, begins; else the last ones moved that way."""
    if before is None:
        return measured
    earlier = before.to(measured.mean)
    return Moments(measured.weight, earlier[:, 0], earlier[:, 1:]).towards(measured, PACE)


def packed(moments: Moments) -> Tensor:
    """As the state carries them: (C, 1 + C), the mean before the covariance, float32."""
    return torch.cat([moments.mean[:, None], moments.covariance], 1).float().cpu()


def fused(painted: Tensor, priors: Sequence[Prior], share: float, strokes: bool = True) -> Tensor:
    """``painted`` ``(3, H, W)`` with ``share`` of the warped prior in it, as far as that can be trusted.

    Grain that does not lie alike in both averages out, and so do ``strokes``, if there are any; the contrast that is
    lost with them, in the frame as a whole, is put back.
    """
    if not priors or share == 0:
        return painted
    mixed = torch.lerp(painted, priors[0].warped, share * priors[0].consistency)
    missing = missing_detail(mixed, painted)
    if strokes:
        coarse = missing_detail(shrunk(mixed, STROKES), shrunk(painted, STROKES))
        missing = missing + enlarged(coarse, STROKES, mixed)
    return (mixed + missing).clamp(0, 1)


def missing_detail(mixed: Tensor, painted: Tensor) -> Tensor:
    """What brings the grain of ``mixed`` ``(3, H, W)`` to the deviation of that of ``painted``."""
    detail, wanted = detail_of(mixed), detail_of(painted)
    gain = (wanted.std() / detail.std().clamp_min(1e-6)).clamp(1, MOST_GAIN)
    return (gain - 1) * detail


def detail_of(picture: Tensor) -> Tensor:
    """``(3, H, W)`` without what is larger than strokes' grain."""
    padded = F.pad(picture[None], (GRAIN,) * 4, mode="replicate")[0]
    # Sums of shifted pictures: torch's average takes three times as long.
    return picture - running_sum(running_sum(padded, -1), -2) / (2 * GRAIN + 1) ** 2


def running_sum(picture: Tensor, dim: int) -> Tensor:
    """The sum over ``2 * GRAIN + 1`` neighbours along ``dim``, where all of them are there."""
    length = picture.shape[dim] - 2 * GRAIN
    total = picture.narrow(dim, 0, length).clone()
    for shift in range(1, 2 * GRAIN + 1):
        total += picture.narrow(dim, shift, length)
    return total
