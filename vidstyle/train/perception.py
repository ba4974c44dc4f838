"""What a painting is measured with in training: how far its style and its content are off, in comparable units."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from vidstyle.losses import content_loss, gram_matrix
from vidstyle.metrics import JUDGE_CONTENT_LAYER, JUDGE_STYLE_LAYERS
from vidstyle.nets.encoder import Encoder

AT_ONCE = 2
"""Pictures that the encoder sees at a time: more make the CPU's memory slower than its units."""


class Perception:
    """Style and content loss of paintings in any blend of some styles (Johnson et al. 2016).

    As in the judge (``vidstyle.metrics``): a level's style distance is 1 for an unpainted photo, on the average of
    ``photos``, and the content distance is 1 for uniform noise, so that weights mean the same for all styles,
    levels and encoders.
    """

    @torch.no_grad()
    def __init__(self, encoder: Encoder, styles: Sequence[Tensor], photos: Tensor) -> None:
        """``styles``: (3, h, w) in [0, 1], as large as strokes shall be; ``photos``: (N, 3, H, W) in [0, 1]."""
        self.encoder = encoder
        noise = torch.rand(photos[:1].shape, generator=torch.Generator().manual_seed(0)).to(photos.device)
        empty = encoder(noise, [JUDGE_CONTENT_LAYER])[JUDGE_CONTENT_LAYER].float()
        content, seen = 0.0, []
        for photo in photos.split(1):
            features = encoder(photo, (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER))
            seen.append({layer: gram_matrix(features[layer]) for layer in JUDGE_STYLE_LAYERS})
            content += content_loss(features[JUDGE_CONTENT_LAYER].float(), empty).item() / len(photos)
        self.photos = {layer: torch.cat([grams[layer] for grams in seen]) for layer in JUDGE_STYLE_LAYERS}
        self.content_scale = 1 / content
        self.targets, self.style_scale = self.described(styles)

    @torch.no_grad()
    def described(self, styles: Sequence[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """By level: the Gram matrices of styles, (S, C, C), and what makes their distance from a photo 1, (S,)."""
        seen = [self.encoder(style[None], JUDGE_STYLE_LAYERS) for style in styles]
        targets, scales = {}, {}
        for layer in JUDGE_STYLE_LAYERS:
            targets[layer] = torch.cat([gram_matrix(features[layer]) for features in seen])
            distances = [(self.photos[layer] - gram).square().mean() for gram in targets[layer]]
            scales[layer] = 1 / torch.stack(distances).clamp_min(1e-12)
        return targets, scales

    def of(self, style: Tensor) -> Perception:
        """The same with one other style, (3, h, w)."""
        other = copy(self)
        other.targets, other.style_scale = self.described([style])
        return other

    def __call__(self, painted: Tensor, frames: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Style and content distance of each painting, (N,) each; ``shares`` (N, S) say in which styles."""
        parts = zip(*(value.split(AT_ONCE) for value in (painted, frames, shares)), strict=True)
        styles, contents = zip(*(self._measure(*part) for part in parts), strict=True)
        return torch.cat(styles), torch.cat(contents)

    def _measure(self, painted: Tensor, frames: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            wanted = self.encoder(frames, [JUDGE_CONTENT_LAYER])[JUDGE_CONTENT_LAYER].float()
        features = self.encoder(painted, (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER))
        style = torch.stack([self._style(features[layer], layer, shares) for layer in JUDGE_STYLE_LAYERS]).mean(0)
        content = (features[JUDGE_CONTENT_LAYER].float() - wanted).square().mean((1, 2, 3)) * self.content_scale
        return style, content

    def _style(self, features: Tensor, layer: str, shares: Tensor) -> Tensor:
        target = torch.tensordot(shares, self.targets[layer], 1)
        distance = (gram_matrix(features) - target).square().mean((1, 2))
        return distance * (shares @ self.style_scale[layer])
