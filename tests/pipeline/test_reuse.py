"""What is made again, and what is not: after damage, pruning, and other settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.pipeline.conftest import CUT, FRAMES, Work, artifacts, contents, times
from vidstyle.store import frame_name

Same = Callable[[Work], None]
FRAME = 4


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) * 3 // 4] ^= 16
    file.write_bytes(data)


def decoded(work: Work) -> Path:
    return work.plan().stages.decode.path(frame_name(FRAME))


DAMAGED: dict[str, Callable[[Work], Path]] = {
    "stylize": lambda work: work.stylized(FRAME),
    "flow": lambda work: work.pair(work.plan().stages.flow, FRAME),
    "consistency": lambda work: work.pair(work.plan().stages.consistency, FRAME),
    "decode": decoded,
}


@pytest.mark.parametrize("stage", DAMAGED)
def test_damage_is_noticed_said_and_repaired(stage: str, painted: Work, same: Same) -> None:
    damaged = DAMAGED[stage](painted)
    flip_a_bit(damaged)
    if stage != "stylize":
        painted.stylized(FRAME).unlink()  # with it there, nobody would look at the others
    before = times(painted.cache)
    painted.paint()
    (note,) = [note for note in painted.notes if "damaged" in note]
    assert stage in note
    assert damaged.name in note
    assert "\n" not in note
    same(painted)
    changed = {name for name, when in times(painted.cache).items() if before.get(name) != when}
    made_again = {damaged, painted.stylized(FRAME)}
    assert changed == {str(file.relative_to(painted.cache)) for file in made_again}


@pytest.mark.parametrize("garbage", [b"", b"VSTYLE", b"x" * 500], ids=["empty", "cut short", "something else"])
def test_any_damage_will_do(garbage: bytes, painted: Work, same: Same) -> None:
    painted.stylized(FRAME).write_bytes(garbage)
    painted.paint()
    assert len([note for note in painted.notes if "damaged" in note]) == 1
    same(painted)


def test_pruned_flow_and_masks_are_not_missed(painted: Work, reference: Work) -> None:
    for stage in ("flow", "consistency", "decode"):
        shutil.rmtree(painted.cache / "v2" / stage)
    painted.paint()
    assert painted.output.read_bytes() == reference.output.read_bytes()
    assert artifacts(painted.cache, "flow", "consistency", "decode") == {}


def test_one_missing_frame_takes_only_what_it_needs(painted: Work, reference: Work) -> None:
    for stage in ("flow", "consistency", "decode"):
        shutil.rmtree(painted.cache / "v2" / stage)
    painted.stylized(FRAME).unlink()
    painted.paint()
    assert painted.output.read_bytes() == reference.output.read_bytes()
    names = [Path(name).name for name in artifacts(painted.cache, "flow", "consistency", "decode")]
    wanted = ["00000003", "00000004", "00000003-00000004", "00000004-00000003", "00000004-00000003"]
    assert sorted(name for name in names if name != "about.json") == sorted(wanted)


def test_another_style_runs_stylize_and_encode_only(painted: Work, reference: Work, other_style: Path) -> None:
    before = times(painted.cache)
    painted.paint(style=other_style)
    after = times(painted.cache)
    assert {name: after[name] for name in before} == before
    assert all("/stylize/" in name for name in set(after) - set(before))
    assert len(artifacts(painted.cache, "stylize")) == 2 * len(artifacts(reference.cache, "stylize"))
    assert painted.output.read_bytes() != reference.output.read_bytes()


def test_another_flow_runs_from_flow_on(painted: Work) -> None:
    before = times(painted.cache)
    painted.paint(flow={"preset": "fast"})
    after = times(painted.cache)
    assert {name: after[name] for name in before} == before
    for stage in ("scan", "decode"):
        assert not any(f"/{stage}/" in name for name in set(after) - set(before))
    for stage in ("flow", "consistency", "stylize"):
        assert sum(f"/{stage}/" in name for name in after) == 2 * sum(f"/{stage}/" in name for name in before)


def test_another_encoding_paints_nothing(painted: Work) -> None:
    before = times(painted.cache)
    painted.paint(encode={"crf": 30})
    assert times(painted.cache) == before


def test_going_back_to_earlier_settings_costs_nothing(painted: Work, reference: Work, other_style: Path) -> None:
    painted.paint(style=other_style)
    before = times(painted.cache)
    painted.paint(overwrite=True)
    assert times(painted.cache) == before
    assert painted.output.read_bytes() == reference.output.read_bytes()


def time_of(work: Work, frame: int) -> Fraction:
    timeline = work.plan().timeline
    return timeline.time(frame) - timeline.time(0)


@pytest.mark.parametrize("end", [6, CUT, CUT + 3])
def test_a_longer_end_goes_on_from_a_shorter(end: int, empty: Work, reference: Work) -> None:
    empty.paint(end=time_of(reference, end))
    before = contents(empty.cache, "decode", "flow", "consistency", "stylize")
    untouched = times(empty.cache, "decode", "flow", "consistency", "stylize")
    everything = contents(reference.cache)
    assert {name: everything[name] for name in before} == before
    empty.paint(overwrite=True)
    assert empty.output.read_bytes() == reference.output.read_bytes()
    after = times(empty.cache)
    assert {name: after[name] for name in untouched} == untouched
    painted = [name for name in before if "/stylize/" in name and not name.endswith("about.json")]
    assert len(painted) == end


def test_a_start_inside_a_shot_begins_a_new_one(painted: Work) -> None:
    before = times(painted.cache)
    start = time_of(painted, FRAME)
    plan = painted.plan(start=start)
    assert plan.shots == [(FRAME, CUT), (CUT, FRAMES)]
    painted.paint(start=start)
    after = times(painted.cache)
    assert {name: after[name] for name in before} == before
    new = [Path(name) for name in set(after) - set(before)]
    # Only the shot that begins here is another one; its first frame is painted without one before it.
    assert all(name.parts[1] == "stylize" for name in new)
    assert sorted(name.name for name in new if name.name != "about.json") == [
        frame_name(frame) for frame in range(FRAME, CUT)
    ]
    fresh = plan.stages.stylize((FRAME, CUT)).load(frame_name(FRAME))
    old = painted.plan().stages.stylize((0, CUT)).load(frame_name(FRAME))
    assert fresh is not None
    assert old is not None
    assert (fresh.value.pixels != old.value.pixels).any()
