"""Jobs in trained styles: which method paints them and with what, and the same bytes whatever happens on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.pipeline.conftest import CHECKOUT, CUT, FRAMES, TINY, Work, artifacts, contents, temporary_files
from tests.pipeline.test_styles import draw_mask, pixels
from tests.stylize.scene import small_network
from vidstyle.config import ConsistencySettings, FlowSettings, RecurrentSettings
from vidstyle.errors import InputError, Interrupted, MediaError, WeightsError
from vidstyle.flow import consistency_map
from vidstyle.nets.style_file import write_styles
from vidstyle.pipeline import demand
from vidstyle.pipeline.plan import Plan
from vidstyle.pipeline.request import Request, request_from_plain, request_to_plain, why_method
from vidstyle.pipeline.run import ShotsFailed
from vidstyle.store import pair_name, quantize_mask

NAMES = ("red", "green", "blue")
MASK = ConsistencySettings(motion_boundaries=False, smooth=False, minimum_filter=7)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The user's folder of styles: three of one network, and one of another."""
    folder = tmp_path_factory.mktemp("styles")
    write_styles(folder / "three.safetensors", NAMES, small_network(3, seed=1))
    write_styles(folder / "lone.safetensors", ["lone"], small_network(1, seed=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDSTYLE_STYLES", str(folder))
        yield folder


def paint(work: Work, *styles: Any, **asked: Any) -> Path:
    return work.paint(**{"style": list(styles) or ["red"], "stylize": {}, **asked})


def plan_of(work: Work, *styles: Any, **asked: Any) -> Plan:
    tables = [style if isinstance(style, dict) else {"path": style} for style in styles or ["red"]]
    return work.plan(**{"styles": tables, "stylize": {}, **asked})


def request(*paths: str, **more: Any) -> Request:
    return request_from_plain(
        {"movie": "a.mp4", "output": "b.mp4", "styles": [{"path": path} for path in paths], **more}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, style: Path, folder: Path) -> Work:
    """The job done in one go. Look, do not touch."""
    work = Work(tmp_path_factory.mktemp("trained"), style)
    paint(work)
    return work


@pytest.fixture
def same_as_whole(whole: Work) -> Callable[[Work], None]:
    def check(work: Work) -> None:
        assert work.output.read_bytes() == whole.output.read_bytes()
        assert contents(work.cache) == contents(whole.cache)
        assert temporary_files(work.folder) == []

    return check


# ---- which method


def test_a_name_is_painted_by_the_network_and_a_picture_by_optimisation(whole: Work, reference: Work) -> None:
    assert request("red").method == "recurrent"
    assert request("red.jpg").method == "optimize"
    assert "red is a trained style: a network paints each frame in one go" in whole.notes
    assert any("strokes.png is a picture: frames are painted by optimisation" in note for note in reference.notes)
    assert request("red", "lone", stylize={"precision": "float32"}).stylize == RecurrentSettings(precision="float32")
    assert "red and lone are trained styles" in str(why_method(request("red", "lone")))


def test_a_file_of_the_same_name_takes_a_folder_or_an_ending(
    empty: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("red", "sketch"):
        (tmp_path / name).write_bytes(empty.style.read_bytes())
    assert request("red").method == "recurrent"
    assert request("./red").method == "optimize"
    assert request("sketch").styles[0].path == str(tmp_path / "sketch")
    paint(empty, end=Fraction(1, 20))
    assert "--style red is the trained style; for the file of that name write ./red" in empty.notes


def test_what_suits_the_network_is_the_default_and_what_is_given_goes_first() -> None:
    asked = request("red")
    assert (asked.flow, asked.consistency) == (FlowSettings(preset="fast"), MASK)
    assert request("red", flow={"preset": "medium"}).flow == FlowSettings(preset="medium")
    assert request("red", flow={"method": "raft-small"}).flow == FlowSettings(method="raft-small")
    assert request("red", consistency={"minimum_filter": 3}).consistency == ConsistencySettings(False, False, 3)
    other = request("red.jpg")
    assert (other.flow, other.consistency) == (FlowSettings(), ConsistencySettings())
    assert request("red", method="none").consistency == ConsistencySettings()


def test_a_job_file_holds_the_name_and_all_settings() -> None:
    asked = request("red", "lone", flow={"preset": "medium"})
    plain = request_to_plain(asked)
    assert [style["path"] for style in plain["styles"]] == ["red", "lone"]
    assert request_from_plain(plain) == asked


@pytest.mark.parametrize(
    ("paths", "more", "says"),
    [
        (["purple"], {}, "there is no style 'purple', and no picture of that name; trained styles: "),
        (["red", "a.jpg"], {}, "red is a trained style and a.jpg a picture: one job paints in either"),
        (["a.jpg"], {"method": "recurrent"}, "--method recurrent paints in trained styles, and a.jpg is a picture"),
        (["red"], {"method": "optimize"}, "--method optimize paints in pictures, and red is trained"),
        (["x.pth"], {"method": "optimize"}, "--method optimize paints in pictures, and x.pth is trained"),
        (["red"], {"stylize": {"iterations": 3}}, "--iterations is for --method optimize, not for recurrent"),
        (["red"], {"stylize": {"offsets": [1, 10]}}, "--long-term is for --method optimize, not for recurrent"),
        (["red"], {"stylize": {"keep_colors": "match"}}, "--keep-colors match is for pictures as styles"),
        (["red"], {"stylize": {"keep_colors": "sepia"}}, "--keep-colors is one of none, luminance; not 'sepia'"),
        (["red"], {"stylize": {"sepia": 1}}, "[stylize] has no 'sepia'; it has precision, keep_colors"),
        (["red"], {"stylize": {"precision": "int8"}}, "--precision is one of auto, float32, bfloat16; not 'int8'"),
        (["red"], {"encoder_weights": "x.pth"}, "--encoder-weights is for pictures as styles"),
        ([], {"method": "recurrent"}, "no style given: add --style PAINTING.jpg, or a name that"),
        (["red"], {"consistency": {"minimum_filter": 4}}, "[consistency] minimum_filter is an odd number"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(paths: list[str], more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        request(*paths, **more)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


def test_strokes_have_the_size_that_they_were_trained_with() -> None:
    with pytest.raises(InputError, match=r"--style red: scale is for pictures"):
        request_from_plain({"movie": "a.mp4", "output": "b.mp4", "styles": [{"path": "red", "scale": 0.5}]})


def test_the_name_in_a_file_is_for_files_of_trained_styles(empty: Work) -> None:
    for path in ("red.jpg", "red"):
        with pytest.raises(InputError, match="name= is for a file of several trained styles"):
            request_from_plain({"movie": "a", "output": "b", "styles": [{"path": path, "name": "x"}]})


# ---- what is painted


def test_masks_are_those_that_the_network_was_trained_with(whole: Work) -> None:
    stages = plan_of(whole).stages
    flow, opposite = (stages.flow.load(pair_name(*pair)) for pair in ((3, 2), (2, 3)))
    stored = stages.consistency.load(pair_name(3, 2))
    assert flow is not None and opposite is not None and stored is not None
    wanted = consistency_map(
        torch.from_numpy(flow.value),
        torch.from_numpy(opposite.value),
        motion_boundaries=False,
        smooth=False,
        minimum_filter=7,
    )
    np.testing.assert_array_equal(stored.value, quantize_mask(wanted.numpy()))


def test_a_painting_is_made_from_the_one_before(whole: Work, empty: Work) -> None:
    """The same frame begins a shot of its own, and looks otherwise."""
    plan = plan_of(whole)
    start = str(plan.timeline.time(3) - plan.timeline.time(0))
    paint(empty, start=Fraction(start), end=Fraction(2, 5))
    alone = plan_of(empty, start=start, end="2/5")
    assert (pixels(plan, 3) != pixels(alone, 3)).any()


def test_a_file_is_a_style_too_and_names_one_of_several(whole: Work, empty: Work, folder: Path) -> None:
    paint(empty, {"path": str(folder / "three.safetensors"), "name": "red"})
    assert empty.output.read_bytes() == whole.output.read_bytes()
    assert paint(empty, folder / "lone.safetensors", overwrite=True)
    with pytest.raises(InputError, match="holds several styles: add ,name= and one of red, green, blue"):
        paint(empty, folder / "three.safetensors", overwrite=True)
    with pytest.raises(InputError, match="no style 'pink' in this file, which has red, green, blue"):
        paint(empty, {"path": str(folder / "three.safetensors"), "name": "pink"}, overwrite=True)


def test_other_weights_are_another_painting_from_the_same_flow(whole: Work, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "same.safetensors").write_bytes((folder / "three.safetensors").read_bytes())
    write_styles(tmp_path / "other.safetensors", NAMES, small_network(3, seed=9))
    named = [{"path": str(tmp_path / f"{name}.safetensors"), "name": "red"} for name in ("same", "other")]
    stages = [plan_of(whole, one).stages for one in named]
    assert stages[0].stylize_key((0, CUT), 0) == plan_of(whole).stages.stylize_key((0, CUT), 0)
    assert stages[1].stylize_key((0, CUT), 0) != stages[0].stylize_key((0, CUT), 0)
    assert stages[1].consistency_key == stages[0].consistency_key
    assert plan_of(whole, "green").stages.stylize_key((0, CUT), 0) != stages[0].stylize_key((0, CUT), 0)


STYLES: dict[str, list[dict[str, Any]]] = {
    "blended": [{"path": "red", "weight": 0.7}, {"path": "blue", "weight": 0.3}],
    "blended from two files": [{"path": "red"}, {"path": "lone"}],
    "over time": [{"path": "red", "at": "0"}, {"path": "green", "at": "1/5"}],
    "by a mask": [{"path": "red", "mask": "mask.png"}, {"path": "lone"}],
}


@pytest.mark.parametrize("name", STYLES)
def test_several_styles_and_the_same_bytes_after_a_loss(name: str, empty: Work, whole: Work) -> None:
    mask = draw_mask(empty.folder / "mask.png", slice(0, 48))
    styles = [{**style, "mask": str(mask)} if "mask" in style else style for style in STYLES[name]]
    paint(empty, *styles, end=Fraction(2, 5))
    plan = plan_of(empty, *styles, end="2/5")
    assert (pixels(plan, 3) != pixels(plan_of(whole), 3)).any()
    before, output = contents(empty.cache), empty.output.read_bytes()
    empty.output.unlink()
    empty.stylized(2, plan).unlink()
    paint(empty, *styles, end=Fraction(2, 5))
    assert contents(empty.cache) == before
    assert empty.output.read_bytes() == output


def test_a_mask_parts_the_frame(empty: Work, whole: Work) -> None:
    mask = draw_mask(empty.folder / "mask.png", slice(0, 48))
    styles = [{"path": "red", "mask": str(mask)}, {"path": "blue"}]
    paint(empty, *styles, end=Fraction(1, 20))
    parted, red = pixels(plan_of(empty, *styles, end="1/20"), 0), pixels(plan_of(whole), 0)
    np.testing.assert_array_equal(parted[:, :40], red[:, :40])  # the border is soft
    assert (parted[:, 60:] != red[:, 60:]).any()


def test_in_the_movies_own_colours_the_painting_itself_is_carried_on(empty: Work, whole: Work) -> None:
    asked = {"stylize": {"keep_colors": "luminance"}, "end": Fraction(2, 5)}
    paint(empty, **asked)
    plan = plan_of(empty, **{**asked, "end": "2/5"})
    stored = plan.stages.stylize((0, CUT)).load("00000003")
    assert stored is not None
    np.testing.assert_array_equal(stored.value.canvas, pixels(plan_of(whole), 3))  # as without
    assert (stored.value.pixels != stored.value.canvas).any()
    before, output = contents(empty.cache), empty.output.read_bytes()
    empty.output.unlink()
    empty.stylized(2, plan).unlink()
    paint(empty, **asked)
    assert contents(empty.cache) == before
    assert empty.output.read_bytes() == output


# ---- the same bytes


def test_stopped_in_between_it_goes_on_to_the_same_bytes(empty: Work, same_as_whole: Callable[[Work], None]) -> None:
    with pytest.raises(Interrupted):
        paint(empty, should_stop=lambda: len(artifacts(empty.cache, "stylize")) > 5)
    assert not empty.output.exists()
    paint(empty)
    same_as_whole(empty)


def test_without_a_cache_the_bytes_are_the_same(empty: Work, whole: Work) -> None:
    paint(empty, use_cache=False)
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_under_a_limit_the_bytes_are_the_same(empty: Work, whole: Work) -> None:
    paint(empty, cache_limit=100_000)
    assert empty.output.read_bytes() == whole.output.read_bytes()


def test_killed_at_random_moments_the_bytes_are_the_same(
    tmp_path: Path, folder: Path, same_as_whole: Callable[[Work], None], style: Path, whole: Work
) -> None:
    work = Work(tmp_path, style)
    command = [sys.executable, "-m", "vidstyle", "stylize", str(TINY), "--style", "red", "-o", str(work.output)]
    command += ["--cache-dir", str(work.cache), "--device", "cpu"]
    environment = {**os.environ, "VIDSTYLE_STYLES": str(folder)}

    def start() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, text=True, stdout=pipe, stderr=pipe)

    rng = random.Random(4)
    for files in sorted(rng.sample(range(3, len(artifacts(whole.cache)) - 3), 3)):
        process = start()
        while process.poll() is None and len(artifacts(work.cache)) < files:
            time.sleep(rng.uniform(0.001, 0.01))
        process.kill()
        process.communicate()
        assert process.returncode < 0
        assert not work.output.exists()
    _, said = (last := start()).communicate(timeout=120)
    assert last.returncode == 0, said
    same_as_whole(work)


# ---- what is made ahead


def test_nothing_is_made_ahead_that_nobody_needs(empty: Work) -> None:
    paint(empty)
    for shelf in ("flow", "consistency", "decode"):
        for file in artifacts(empty.cache, shelf).values():
            if file.name != "about.json":
                file.unlink()
    empty.output.unlink()
    empty.stylized(CUT + 3, plan_of(empty)).unlink()
    paint(empty)
    made = {file.name for file in artifacts(empty.cache, "flow", "consistency", "decode").values()}
    pair, opposite = pair_name(CUT + 3, CUT + 2), pair_name(CUT + 2, CUT + 3)
    assert made == {"about.json", "00000010", "00000011", pair, opposite}


def test_a_frame_that_cannot_be_decoded_fails_its_shot_and_no_other(
    empty: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = demand.Frames.read

    def failing(self: demand.Frames, frame: int) -> Any:
        if frame == 3:
            raise MediaError("the decoder gave up")
        return read(self, frame)

    monkeypatch.setattr(demand.Frames, "read", failing)
    with pytest.raises(ShotsFailed, match=r"1 of 2 shots failed, the others are kept; shot at frame 0.*gave up"):
        paint(empty)
    painted = {file.name for file in artifacts(empty.cache, "stylize").values()} - {"about.json"}
    assert painted == {f"{frame:08d}" for frame in [*range(3), *range(CUT, FRAMES)]}
    monkeypatch.undo()
    paint(empty)


# ---- files that are none


def test_a_style_that_has_gone_is_said(empty: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request_to_plain(request("lone"))
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    again = request_from_plain(asked)  # its flow can still be looked at
    assert isinstance(again.stylize, RecurrentSettings)
    with pytest.raises(InputError, match="there is no style 'lone'"):
        plan_of(empty, "lone", method="recurrent")


def test_files_that_hold_no_style_are_said_in_one_line(empty: Work, tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    (tmp_path / "text.safetensors").write_text("no network")
    torch.save({"epoch": 3, "model": {}}, tmp_path / "whole.pth")
    for name in ("vgg.pth", "text.safetensors", "whole.pth"):
        with pytest.raises(WeightsError, match=name) as refused:
            paint(empty, tmp_path / name)
        assert "\n" not in str(refused.value)
    assert artifacts(empty.cache, "stylize") == {}


# ---- where an optimisation begins


def test_an_optimisation_may_begin_with_a_trained_style(empty: Work) -> None:
    once = {"stylize": {"first_iterations": 1, "iterations": 1}}
    plain = empty.paint(**once).read_bytes()
    begun = empty.paint(**once, start_style="red", overwrite=True).read_bytes()
    assert begun != plain
    assert empty.paint(**once, start_style="green", overwrite=True).read_bytes() not in (plain, begun)
    assert empty.paint(**once, start_style="red", overwrite=True).read_bytes() == begun
    assert not [event for event in empty.progress if event.stage == "paint"]  # all three are kept apart


def test_an_optimisation_may_begin_with_its_own_styles_predicted(empty: Work, other_style: Path) -> None:
    once = {"stylize": {"first_iterations": 1, "iterations": 1}, "end": "0.1", "overwrite": True}
    plain = empty.paint(**once).read_bytes()
    begun = empty.paint(**once, start_style="predict").read_bytes()
    assert begun != plain
    styles = [{"path": str(path), "weight": weight} for path, weight in ((empty.style, 1), (other_style, 3))]
    blended = empty.paint(**once, start_style="predict", style=styles)  # each frame in its own blend
    assert blended.read_bytes() not in (plain, begun)


def test_what_begins_must_be_a_trained_style(empty: Work) -> None:
    with pytest.raises(InputError, match="--start-style is for --method optimize"):
        request("red", start_style="green")
    with pytest.raises(InputError, match="there is no style 'blurred'"):
        empty.plan(start_style="blurred")
