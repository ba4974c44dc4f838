"""Clips painted as the program does: no ghosts behind what moves, no drift of what rests, no smear at the border.

Each test also paints its scene with the fault that it looks for, to show that it would be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.stylize.scene import encoder, ignore, picture, predicted, style, transfer
from vidstyle.config import METHOD_DEFAULTS, OptimizeSettings
from vidstyle.flow import DIS, backward_warp, consistency_map
from vidstyle.store import frame_to_float, quantize_frame
from vidstyle.stylize.base import Prior, State, Stylizer
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.schedule import Turn

WIDTH, HEIGHT = SIZE = (96, 64)
#: The weights of the defaults: the faults would come from them.
SETTINGS = OptimizeSettings(first_iterations=30, iterations=15)

Trust = Callable[[Tensor], Tensor]


def measured(consistency: Tensor) -> Tensor:
    return consistency


def blind(consistency: Tensor) -> Tensor:
    """The fault: everything is trusted."""
    return torch.ones_like(consistency)


def stored(frame: Tensor) -> Tensor:
    return torch.from_numpy(frame_to_float(quantize_frame(frame.numpy())))


def paint_clip(
    frames: Sequence[Tensor],
    trust: Trust = measured,
    keep: Callable[[Tensor], Tensor] = stored,
    settings: OptimizeSettings = SETTINGS,
    moves: bool = True,
    one_pass: str | None = None,
) -> list[Tensor]:
    """Paint the frames of a shot, each from the one before as it was kept, along flow that is estimated.

    Without ``moves`` nothing is taken to move: a fault. ``one_pass``: by this method instead of optimisation.
    """
    stylizer: Stylizer = OptimizeStylizer(settings, encoder(), (style(),), SIZE)
    masks = METHOD_DEFAULTS[one_pass or "optimize"].get("consistency", {})
    if one_pass == "predict":
        stylizer = predicted()
    elif one_pass:
        stylizer = transfer(one_pass, size=SIZE, fusion=0.5)
    method = DIS()
    painted: list[Tensor] = []
    state: State | None = None
    for number, frame in enumerate(frames):
        priors = []
        if number:
            now, before = method.prepare(frame), method.prepare(frames[number - 1])
            back, there = method.estimate(now, before), method.estimate(before, now)
            warped = backward_warp(painted[-1], back) if moves else painted[-1]
            priors = [Prior(painted[-1], warped, trust(consistency_map(back, there, **masks)))]
        turn = Turn(0, number)
        result, state = stylizer.step(frame, priors, state, turn=turn, seed=number, progress=ignore)
        painted.append(keep(result))
    return painted


def paint_alone(frame: Tensor, iterations: int = SETTINGS.iterations) -> Tensor:
    return paint_clip([frame], settings=replace(SETTINGS, first_iterations=iterations))[0]


# ---- behind what moves


def square_at(left: int, light: float) -> tuple[Tensor, Tensor]:
    """A textured square on a dark textured background, and where it is, (H, W)."""
    there = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    there[20:44, left : left + 24] = True
    frame = 0.35 * picture(2, HEIGHT, WIDTH)
    frame[:, 20:44, left : left + 24] = light + 0.25 * picture(5, 24, 24)
    return frame, there


def ghost(trust: Trust, moves: bool = True, one_pass: str | None = None) -> float:
    """How much of what a square looked like stays where it was: 0 nothing, 1 all.

    The same scene with a bright square and with a grey one: what has come into view is the same in both.
    """
    clips = [[square_at(left, light) for left in (20, 28, 36)] for light in (0.75, 0.4)]
    uncovered = clips[0][0][1] & ~clips[0][2][1]
    one, other = (paint_clip([frame for frame, _ in clip], trust, moves=moves, one_pass=one_pass) for clip in clips)
    before, after = ((one[n] - other[n])[:, uncovered] for n in (0, 2))
    return ((after * before).sum() / before.square().sum()).item()


def test_what_is_uncovered_keeps_nothing_of_what_covered_it() -> None:
    assert abs(ghost(measured)) < 0.1
    assert ghost(blind, moves=False) > 0.5


@pytest.mark.parametrize("method", ["adain", "photo"])
def test_one_pass_leaves_no_ghosts_either(method: str) -> None:
    """Beside a frame that is painted from nothing: what the square looks like changes the frame's statistics, too."""
    alone = ghost(torch.zeros_like, one_pass=method)
    assert abs(ghost(measured, one_pass=method) - alone) < 0.1
    assert ghost(blind, moves=False, one_pass=method) - alone > 0.2


def halved_square(left: int, mirrored: bool) -> tuple[Tensor, Tensor]:
    """A square with a bright and a dim half, and where it is; three times as large as ``square_at``."""
    square = 0.2 + 0.25 * picture(5, 24, 24)
    square[:, :, :12] += 0.5
    frame, there = square_at(left, 0.0)
    frame[:, there] = (square.flip(2) if mirrored else square).flatten(1)
    large = torch.nn.functional.interpolate(frame[None], scale_factor=3, mode="bilinear")[0]
    return large, there.repeat_interleave(3, 0).repeat_interleave(3, 1)


@pytest.mark.parametrize("method", ["predict", "wct"])
def test_where_all_colours_count_no_ghosts_are_left_either(method: str) -> None:
    """The square and its mirror image have the same colours, which both methods go by. They look far around, so that
    what is beside them differs too: ghosts are what differs from nothing being trusted where the square was."""
    clips = [[halved_square(left, mirrored) for left in (20, 28, 36)] for mirrored in (False, True)]
    was, uncovered = clips[0][0][1], clips[0][0][1] & ~clips[0][2][1]

    def ghost(trust: Trust, moves: bool = True) -> float:
        painted = [paint_clip([frame for frame, _ in clip], trust, moves=moves, one_pass=method) for clip in clips]
        before, after = ((painted[0][n] - painted[1][n])[:, uncovered] for n in (0, 2))
        return ((after * before).sum() / before.square().sum()).item()

    wary = ghost(lambda consistency: consistency * ~was)
    assert abs(ghost(measured) - wary) < 0.1
    assert ghost(blind, moves=False) - wary > 0.2


# ---- what rests


def luma(frame: Tensor) -> float:
    """Mean brightness, of 255."""
    return 255 * frame.mean().item()


def cut_off(frame: Tensor) -> Tensor:
    """The fault: levels are cut off where they should be rounded."""
    return (frame * 255).floor() / 255


def test_a_still_scene_gets_neither_darker_nor_brighter() -> None:
    """Without a style there is nothing to paint towards, and every change of brightness is a drift."""
    settings = replace(SETTINGS, style_weight=0.0, first_iterations=4, iterations=4)
    frame, count = picture(2, HEIGHT, WIDTH), 8
    still = [luma(painted) for painted in paint_clip([frame] * count, settings=settings)]
    fault = [luma(painted) for painted in paint_clip([frame] * count, keep=cut_off, settings=settings)]
    assert max(still) - min(still) < 0.3
    assert fault[-1] < still[-1] - 1


# ---- at the border


def detail(frame: Tensor) -> float:
    """Mean squared difference of neighbours along the motion, in the strip that came in."""
    strip = frame[:, :, -10:]
    return (strip[..., 1:] - strip[..., :-1]).square().mean().item()


def test_what_comes_in_at_the_border_is_painted_and_not_smeared() -> None:
    world = picture(3, 160, 160)[:, :HEIGHT]
    clip = [world[:, :, 10 * t : 10 * t + WIDTH] for t in range(3)]  # the camera pans to the right
    fresh = detail(paint_alone(clip[-1]))
    ratio, smeared = detail(paint_clip(clip)[-1]) / fresh, detail(paint_clip(clip, blind)[-1]) / fresh
    assert ratio > 0.35  # less than afresh: what lies beside it is held
    assert smeared < 0.1
