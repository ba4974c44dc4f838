"""Jobs in any picture's style in one pass: what paints them, and the same bytes whatever happens on the way."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.pipeline.conftest import CUT, Work, artifacts, contents, times
from vidstyle.config import AdaInSettings, PhotoSettings, PredictSettings, WctSettings
from vidstyle.errors import InputError, Interrupted, PaintError
from vidstyle.pipeline.request import Request, request_from_plain, request_to_plain, why_method
from vidstyle.pipeline.studio import enough_memory
from vidstyle.store import frame_name

METHODS = ("adain", "wct", "photo", "predict")


def paint(work: Work, method: str = "adain", **asked: Any) -> Path:
    return work.paint(**{"method": method, "stylize": {}, **asked})


def request(method: str, *paths: str, **more: Any) -> Request:
    styles = [{"path": path} for path in paths or ("a.jpg",)]
    return request_from_plain({"movie": "a.mp4", "output": "b.mp4", "styles": styles, "method": method, **more})


def test_settings_of_each_method() -> None:
    assert [type(request(method).stylize) for method in METHODS] == [
        AdaInSettings,
        WctSettings,
        PhotoSettings,
        PredictSettings,
    ]
    asked = request("wct", stylize={"levels": ["relu5_1", "relu1_1"], "strength": 0.6, "transform": "color"})
    assert asked.stylize == WctSettings(levels=("relu5_1", "relu1_1"), strength=0.6, transform="color")
    assert request_from_plain(request_to_plain(asked)) == asked
    assert asked.flow.preset == "fast"
    assert "a.jpg is a picture: --method wct paints each frame in one go" in str(why_method(asked))


@pytest.mark.parametrize(
    ("method", "more", "says"),
    [
        ("adain", {"stylize": {"iterations": 3}}, "--iterations is for --method optimize, not for adain"),
        ("adain", {"stylize": {"levels": ["relu3_1"]}}, "--levels is one of relu4_1"),
        ("photo", {"stylize": {"levels": ["relu5_1"]}}, "--levels is one of relu2_1, relu3_1, relu4_1"),
        ("wct", {"stylize": {"levels": []}}, "--levels needs at least one"),
        ("wct", {"stylize": {"transform": "x"}}, "--transform is one of transport, wct, adain, whiten, color"),
        ("wct", {"stylize": {"smoothing": "none"}}, "--smoothing is for --method photo, not for wct"),
        ("photo", {"stylize": {"smoothing": "x"}}, "--smoothing is one of guided, closed-form, none"),
        ("photo", {"stylize": {"affinity": 1.0}}, "--affinity is more than 0 and less than 1"),
        ("wct", {"stylize": {"strength": 1.5}}, "--strength is at least 0 and at most 1"),
        ("wct", {"stylize": {"fusion": -1.0}}, "--fusion is at least 0"),
        ("wct", {"encoder_weights": "x.pth"}, "--encoder-weights is for --method optimize"),
        ("predict", {"encoder_weights": "x.pth"}, "--encoder-weights is for --method optimize"),
        (
            "predict",
            {"stylize": {"strength": 0.5}},
            "--strength is for --method adain or wct or photo",
        ),
        ("wct", {"start_style": "udnie"}, "--start-style is for --method optimize"),
        (
            "wct",
            {"styles": [{"path": "x.safetensors"}]},
            "--method wct paints in pictures, and x.safetensors is trained",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(method: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        request(method, **more)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", METHODS)
def test_stopped_in_between_it_goes_on_to_the_same_bytes(method: str, tmp_path: Path, style: Path) -> None:
    end = Fraction(2, 5)
    one, other = (Work(tmp_path / name, style) for name in ("one", "other"))
    paint(one, method, end=end)
    with pytest.raises(Interrupted):
        paint(other, method, end=end, should_stop=lambda: len(artifacts(other.cache, "stylize")) > 3)
    assert not other.output.exists()
    paint(other, method, end=end)
    assert other.output.read_bytes() == one.output.read_bytes()
    assert contents(other.cache) == contents(one.cache)


def pixels(work: Work, frame: int, **asked: Any) -> Any:
    plan = work.plan(method="wct", stylize={}, **asked)
    shot = max(shot for shot in plan.shots if shot[0] <= frame)
    stored = plan.stages.stylize(shot).load(frame_name(frame))
    assert stored is not None
    return stored.value.pixels


def test_nothing_is_carried_over_a_cut(tmp_path: Path, style: Path) -> None:
    """The first frame of a shot is painted as if the movie began there."""
    whole, part = (Work(tmp_path / name, style) for name in ("whole", "part"))
    paint(whole, "wct")
    start = whole.plan().timeline.time(CUT)
    paint(part, "wct", start=start)
    assert (pixels(part, CUT, start=str(start)) == pixels(whole, CUT)).all()


def test_other_settings_are_another_painting_from_the_same_flow(empty: Work) -> None:
    paint(empty, "adain", end=Fraction(1, 5))
    flow = times(empty.cache, "flow")
    paint(empty, "adain", end=Fraction(1, 5), stylize={"strength": 0.5}, output=empty.folder / "weaker.mp4")
    assert times(empty.cache, "flow") == flow
    keys = {Path(name).parts[3] for name in artifacts(empty.cache, "stylize")}
    assert len(keys) == 2


def test_only_too_little_memory_is_called_so() -> None:
    with pytest.raises(PaintError, match="too little memory"), enough_memory((64, 48)):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    with pytest.raises(torch.linalg.LinAlgError), enough_memory((64, 48)):
        torch.linalg.cholesky(-torch.eye(2))
