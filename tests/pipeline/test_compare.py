"""``compare``: what it measures, by which frames, and what it cannot measure."""

from __future__ import annotations

import math
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.pipeline.conftest import CUT, FRAMES, TINY, Work, contents, times
from vidstyle.config import ShotSettings
from vidstyle.errors import InputError, Interrupted
from vidstyle.media import probe, read_frames, scan
from vidstyle.metrics import judge, warping_error
from vidstyle.nets.encoder import find_weights, load_encoder
from vidstyle.pipeline.compare import Comparison, Question, compare
from vidstyle.pipeline.events import Monitor, Note
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.request import Style
from vidstyle.store import frame_to_float, mask_to_float
from vidstyle.stylize.style import resize_style


@pytest.fixture(scope="module")
def reference(reference: Work, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A copy of the finished job: comparing adds to its cache."""
    folder = tmp_path_factory.mktemp("compared") / "work"
    shutil.copytree(reference.folder, folder)
    return Work(folder, reference.style)


def ask(work: Work, *stylized: Path, movie: Path = TINY, monitor: Monitor | None = None, **asked: Any) -> Comparison:
    given = {"device": "cpu", **asked}
    question = Question(str(movie), tuple(str(path) for path in stylized or (work.output,)), **given)
    return compare(question, work.cache, monitor or Monitor())


def pixels(movie: Path, frame: int) -> torch.Tensor:
    opened = probe(movie)
    ((_, image),) = read_frames(opened, scan(opened), frame, frame + 1, (opened.width, opened.height))
    return torch.from_numpy(frame_to_float(image))


def test_errors_are_those_of_the_stored_flow_and_masks(reference: Work) -> None:
    found = ask(reference)
    stages = reference.plan().stages
    for frame in (1, 5, CUT + 1):
        name = f"{frame:08d}-{frame - 1:08d}"
        flow, mask = stages.flow.load(name), stages.consistency.load(name)
        assert flow is not None and mask is not None
        motion = torch.from_numpy(flow.value), torch.from_numpy(mask_to_float(mask.value))
        for movie, curves in ((TINY, found.input), (reference.output, found.movies[0][1])):
            expected = warping_error(pixels(movie, frame), pixels(movie, frame - 1), *motion)
            assert curves.warping_error[frame] == pytest.approx(expected, rel=1e-5)


def test_no_error_is_measured_across_a_cut(reference: Work) -> None:
    found = ask(reference)
    assert found.shots == [(0, CUT), (CUT, FRAMES)]
    assert len(found.times) == FRAMES
    for curves in (found.input, found.movies[0][1]):
        assert [n for n, value in enumerate(curves.warping_error) if math.isnan(value)] == [0, CUT]
        known = [value for value in curves.warping_error if not math.isnan(value)]
        assert curves.means() == {"warping_error": pytest.approx(np.mean(known))}


def test_after_a_job_nothing_of_the_movie_is_made_again(painted: Work) -> None:
    painted.paint()
    stages = ("decode", "flow", "consistency", "stylize")
    before = times(painted.cache, *stages)
    ask(painted)
    assert times(painted.cache, *stages) == before


def test_a_job_after_it_finds_flow_and_masks(empty: Work, reference: Work) -> None:
    stages = ("decode", "flow", "consistency")
    ask(empty, reference.output)
    assert contents(empty.cache, *stages) == contents(reference.cache, *stages)


def test_style_and_content_are_judged_as_the_painter_sees_them(reference: Work) -> None:
    style = Style(str(reference.style), scale=0.5)
    found = ask(reference, style=style, start=Fraction(0), end=Fraction(1, 5))
    (_, curves), count = found.movies[0], len(found.times)
    encoder = load_encoder("compact", find_weights("compact"), torch.device("cpu"))
    image = resize_style(torch.from_numpy(read_image(reference.style)), found.size, 0.5)[0]
    for frame in range(count):
        said = judge(encoder, pixels(reference.output, frame), pixels(TINY, frame), image)
        assert curves.style[frame] == pytest.approx(said.style, rel=1e-4)
        assert curves.content[frame] == pytest.approx(said.content, rel=1e-4)
    assert found.input.style == [1.0] * count
    assert found.input.content == [0.0] * count


def test_the_movie_itself_has_its_own_error_and_no_content_distance(reference: Work) -> None:
    found = ask(reference, TINY, reference.output, style=Style(str(reference.style)))
    (name, curves), _ = found.movies
    assert name == str(TINY)
    np.testing.assert_array_equal(curves.warping_error, found.input.warping_error)
    assert curves.means()["content"] == pytest.approx(0, abs=1e-9)
    assert curves.means()["style"] == pytest.approx(1)


def test_a_range_is_found_in_the_whole_movie_and_in_a_part_of_it(reference: Work, empty: Work) -> None:
    part = {"start": Fraction(4, 10), "end": Fraction(8, 10)}
    empty.paint(method="none", stylize={}, style=(), **part, output=empty.folder / "part.mp4")
    whole = ask(reference, TINY, **part)
    cut_out = ask(reference, empty.folder / "part.mp4", **part)
    assert whole.times == cut_out.times
    assert whole.times[0] == pytest.approx(0.4)
    assert 0 < len(whole.times) < FRAMES
    # Encoded again, the part is a little another: far less than from one frame to the next.
    errors = [np.array(found.movies[0][1].warping_error) for found in (whole, cut_out)]
    assert np.nanmax(np.abs(errors[0] - errors[1])) < 0.3 * np.nanmin(errors[0])


def test_a_smaller_painting_is_measured_at_its_own_size(empty: Work) -> None:
    empty.paint(method="none", stylize={}, style=(), height=32)
    notes: list[str] = []
    monitor = Monitor(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    found = ask(empty, monitor=monitor, end=Fraction(1, 5))
    assert found.size == (56, 32)
    assert "everything is measured at 56×32, the size of the stylized movies" in notes


@pytest.mark.parametrize("name", ["painted.avi", "painted"])
def test_a_painting_may_be_called_anything(reference: Work, tmp_path: Path, name: str) -> None:
    shutil.copy(reference.output, tmp_path / name)
    assert ask(reference, tmp_path / name).movies[0][1] == ask(reference).movies[0][1]


@pytest.mark.parametrize("end", [None, Fraction(3, 10)])
def test_a_painting_may_be_a_folder_of_pictures(reference: Work, tmp_path: Path, end: Fraction | None) -> None:
    opened = probe(reference.output)
    last = FRAMES if end is None else 4
    for number, image in read_frames(opened, scan(opened), 0, last, (opened.width, opened.height)):
        Image.fromarray(image).save(tmp_path / f"{number:04d}.png")
    ((_, curves),) = ask(reference, tmp_path, end=end).movies
    assert len(curves.warping_error) == last
    np.testing.assert_array_equal(curves.warping_error, ask(reference, end=end).movies[0][1].warping_error)


def test_what_cannot_be_compared_is_one_line(reference: Work, empty: Work, tmp_path: Path) -> None:
    empty.paint(method="none", stylize={}, style=(), height=32, end=Fraction(1, 4))
    with pytest.raises(InputError, match=r"96×54: only movies of one size|56×32: only movies of one size"):
        ask(empty, reference.output, empty.output)
    with pytest.raises(InputError, match=f"has 4 frames, and not those of the movie's {FRAMES} at their times"):
        ask(empty)
    with pytest.raises(InputError, match="give the --start and --end"):
        ask(empty, start=Fraction(1, 10), end=Fraction(1, 2))
    with pytest.raises(InputError, match="no such picture"):
        ask(reference, style=Style(str(tmp_path / "none.png")))
    with pytest.raises(InputError, match="great-wave is a trained style: give the picture"):
        ask(reference, style=Style("great-wave"))
    with pytest.raises(InputError, match="no-movie"):
        ask(reference, tmp_path / "no-movie.mp4")


def test_it_stops_when_asked(reference: Work) -> None:
    asked = iter([False] * 3 + [True] * 9)
    with pytest.raises(Interrupted):
        ask(reference, monitor=Monitor(should_stop=lambda: next(asked)))


def test_the_shots_are_those_of_a_job(reference: Work) -> None:
    assert ask(reference).shots == reference.plan(shots={"detect": ShotSettings().detect}).shots
