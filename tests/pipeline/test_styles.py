"""Jobs with several styles, over time and area."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from PIL import Image

from tests.pipeline.conftest import CUT, Work, artifacts, contents
from vidstyle.errors import InputError
from vidstyle.media import find_ffmpeg, probe
from vidstyle.pipeline.masks import Masks
from vidstyle.pipeline.plan import Plan
from vidstyle.store import frame_name


def pixels(plan: Plan, frame: int) -> np.ndarray:
    shot = max(shot for shot in plan.shots if shot[0] <= frame)
    stored = plan.stages.stylize(shot).load(frame_name(frame))
    assert stored is not None
    return stored.value.pixels


def test_styles_take_turns_by_the_time_of_the_movie(empty: Work, reference: Work, other_style: Path) -> None:
    timeline = reference.plan().timeline
    until, then, end = (timeline.time(frame) - timeline.time(0) for frame in (2, CUT, CUT + 1))
    styles = [{"path": str(empty.style), "at": str(until)}, {"path": str(other_style), "at": str(then)}]
    empty.paint(style=styles)
    plan, alone = empty.plan(styles=styles), reference.plan()
    assert plan.stages.stylize_key((0, CUT), 0) != alone.stages.stylize_key((0, CUT), 0)
    for frame in range(3):  # the first style alone, up to its time
        np.testing.assert_array_equal(pixels(plan, frame), pixels(alone, frame))
    assert (pixels(plan, 4) != pixels(alone, 4)).any()
    # From its time on the second one is alone; a shot begins there, with nothing before it.
    other = Work(empty.folder / "other", other_style)
    other.paint(start=then, end=end)
    part = other.plan(start=str(then), end=str(end))
    np.testing.assert_array_equal(pixels(plan, CUT), pixels(part, CUT))


def test_a_part_has_the_styles_of_its_time_and_goes_on_to_the_same_bytes(empty: Work, other_style: Path) -> None:
    styles = [{"path": str(empty.style), "at": 0}, {"path": str(other_style), "at": "1/2"}]
    asked = {"style": styles, "end": Fraction(1, 4)}
    empty.paint(**asked)
    whole, output = contents(empty.cache), empty.output.read_bytes()
    plan = empty.plan(styles=styles, end="1/4")
    empty.output.unlink()
    empty.stylized(3, plan).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole
    assert empty.output.read_bytes() == output


def test_luminance_is_painted_again_from_what_is_stored(empty: Work) -> None:
    asked = {"stylize": {"first_iterations": 2, "iterations": 2, "keep_colors": "luminance"}, "end": Fraction(1, 5)}
    empty.paint(**asked)
    whole = contents(empty.cache)
    empty.output.unlink()
    empty.stylized(2, empty.plan(**{**asked, "end": "1/5"})).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole


# ---- masks


def draw_mask(path: Path, white: slice) -> Path:
    picture = np.zeros((54, 96), np.uint8)
    picture[:, white] = 255
    Image.fromarray(picture).save(path)
    return path


def mask_movie(path: Path, frames: int) -> Path:
    """White runs from left to right at 25 frames a second."""
    pictures = np.zeros((frames, 54, 96, 3), np.uint8)
    for number, picture in enumerate(pictures):
        picture[:, : 96 * (number + 1) // frames] = 255
    source = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s="96x54", r=25)
    command = ffmpeg.compile(ffmpeg.output(source, str(path), vcodec="ffv1", pix_fmt="bgr0"), cmd=find_ffmpeg().path)
    subprocess.run(command, input=pictures.tobytes(), check=True, capture_output=True)
    return path


def masked(work: Work, other: Path, mask: Path) -> list[dict[str, str]]:
    return [{"path": str(work.style), "mask": str(mask)}, {"path": str(other)}]


def test_a_still_mask_parts_the_frame(empty: Work, reference: Work, other_style: Path, tmp_path: Path) -> None:
    mask = draw_mask(tmp_path / "mask.png", slice(0, 48))
    styles = masked(empty, other_style, mask)
    asked = {"style": styles, "end": Fraction(1, 5)}
    empty.paint(**asked)
    plan = empty.plan(styles=styles, end="1/5")
    assert (pixels(plan, 0) != pixels(reference.plan(), 0)).any()
    whole = contents(empty.cache)
    empty.output.unlink()
    empty.stylized(2, plan).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole
    # Another mask is another painting, from the same frames and flow.
    draw_mask(mask, slice(40, 96))
    other = empty.plan(styles=styles, end="1/5")
    assert other.stages.stylize_key((0, CUT), 0) != plan.stages.stylize_key((0, CUT), 0)
    assert other.stages.consistency_key == plan.stages.consistency_key


def test_a_mask_movie_is_read_by_time_and_its_last_frame_held(empty: Work, other_style: Path, tmp_path: Path) -> None:
    mask = mask_movie(tmp_path / "mask.mkv", 4)
    styles = masked(empty, other_style, mask)
    empty.paint(style=styles, end=Fraction(6, 25))
    assert f"the mask {mask} ends after 0.16 s: its last frame is held" in empty.notes
    plan = empty.plan(styles=styles, end="6/25")
    masks = Masks(plan, {})
    white = [np.round(masks.at(Fraction(n, 25))[0].mean() * 4) for n in (0, 1, 2, 3, 4, 50)]  # type: ignore[union-attr]
    assert white == [1, 2, 3, 4, 4, 4]
    soft, none = masks.at(Fraction(1, 25))
    masks.close()
    assert none is None and soft is not None
    assert 0 < soft[20, 48] < 1  # the border is soft
    assert (soft[:, 0] == 1).all() and (soft[:, -1] == 0).all()
    shelf = plan.stages.mask(mask, plan.stages.inputs.masks[0])
    assert len(list(shelf.names())) == 4  # kept like any movie's frames


def test_a_deep_mask_movie_is_read_in_8_bits(empty: Work, other_style: Path, tmp_path: Path) -> None:
    mask, deep = mask_movie(tmp_path / "mask.mkv", 4), tmp_path / "deep.mkv"
    stream = ffmpeg.output(ffmpeg.input(str(mask)), str(deep), vcodec="ffv1", pix_fmt="yuv420p10le")
    subprocess.run(ffmpeg.compile(stream, cmd=find_ffmpeg().path), check=True, capture_output=True)
    assert probe(deep).working_depth == 16
    found = []
    for path in (mask, deep):
        masks = Masks(empty.plan(styles=masked(empty, other_style, path), end="6/25"), {})
        found.append(masks.at(Fraction(1, 25))[0])
        masks.close()
    np.testing.assert_allclose(*found, atol=2 / 255)


def test_a_mask_that_is_an_animation_moves(empty: Work, other_style: Path, tmp_path: Path) -> None:
    frames = [Image.new("L", (96, 54), level) for level in (0, 255)]
    frames[0].save(tmp_path / "mask.gif", save_all=True, append_images=frames[1:], duration=40)
    masks = Masks(empty.plan(styles=masked(empty, other_style, tmp_path / "mask.gif"), end="6/25"), {})
    assert [float(masks.at(Fraction(n, 25))[0].mean()) for n in (0, 1)] == [0, 1]  # type: ignore[union-attr]
    masks.close()


def test_an_empty_mask_is_refused(empty: Work, other_style: Path) -> None:
    with pytest.raises(InputError, match="mask= names no file"):
        empty.paint(style=[{"path": str(other_style), "mask": ""}])


def test_masks_that_cannot_be_used_are_refused_before_anything_is_painted(
    empty: Work, other_style: Path, tmp_path: Path
) -> None:
    (broken := tmp_path / "broken.png").write_bytes(b"no picture, no movie")
    for path in (tmp_path / "none.png", broken):
        with pytest.raises(InputError, match=path.name):
            empty.paint(style=masked(empty, other_style, path))
    assert artifacts(empty.cache, "stylize") == {}
