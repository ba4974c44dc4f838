"""Several passes, and priors further back: cached, resumed and reused like everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.conftest import CUT, FRAMES, QUICK, Work, contents, times
from vidstyle.errors import InputError, Interrupted
from vidstyle.pipeline.plan import stage_status
from vidstyle.store import frame_name, pair_name


def quick(**settings: Any) -> dict[str, Any]:
    return {"stylize": {**QUICK["stylize"], **settings}}


PASSES = quick(passes=3)
LONG = quick(offsets=(1, 3))


def rows(work: Work, **asked: Any) -> dict[str, tuple[int, int, int]]:
    return {row.stage: (row.done, row.total, row.to_do) for row in stage_status(work.plan(**asked))}


def same(one: Work, other: Work) -> None:
    assert one.output.read_bytes() == other.output.read_bytes()
    assert contents(one.cache) == contents(other.cache)


def test_passes_are_stages_that_resume_and_are_reused(empty: Work, tmp_path: Path) -> None:
    through = Work(tmp_path / "through", empty.style)
    through.paint(**PASSES)
    assert [p.done for p in through.progress if p.stage == "paint"] == sorted(
        p.done for p in through.progress if p.stage == "paint"
    )
    # Masks of both directions: backward passes look at the frame behind.
    assert rows(through, **PASSES) == {
        "decode": (FRAMES, FRAMES, 0),
        "flow": (2 * (FRAMES - 2), 2 * (FRAMES - 2), 0),
        "consistency": (2 * (FRAMES - 2), 2 * (FRAMES - 2), 0),
        "stylize": (3 * FRAMES, 3 * FRAMES, 0),
        "encode": (1, 1, 0),
    }

    asked = iter([False] * 20)
    with pytest.raises(Interrupted):
        empty.paint(**PASSES, should_stop=lambda: next(asked, True))
    assert 0 < rows(empty, **PASSES)["stylize"][0] < 3 * FRAMES
    empty.paint(**PASSES)
    same(empty, through)

    before = times(empty.cache)
    plan = empty.plan(**PASSES)
    gone = plan.stages.stylize((0, CUT)).path(frame_name(3))
    gone.unlink()
    empty.output.unlink()
    empty.paint(**PASSES)
    after = times(empty.cache)
    changed = [name for name in before if after[name] != before[name]]
    assert changed == [str(gone.relative_to(empty.cache))]
    same(empty, through)

    # One pass more begins where these ended: with the same first pass of a temporal loss, all are shared.
    assert rows(empty, **quick(passes=4, temporal_pass=2))["stylize"][2] == 4 * FRAMES - 3 * FRAMES


def test_later_passes_begin_with_the_neighbour_and_differ(reference: Work, empty: Work) -> None:
    empty.paint(**PASSES)
    plan = empty.plan(**PASSES)
    passes = [plan.stages.stylize((0, CUT), number) for number in range(3)]
    assert len({shelf.folder for shelf in passes}) == 3
    pictures = [shelf.load(frame_name(4)).value.pixels.astype(int) for shelf in passes]  # type: ignore[union-attr]
    assert 0.2 < np.abs(pictures[1] - pictures[0]).mean() < 30
    assert 0.2 < np.abs(pictures[2] - pictures[1]).mean() < 30


def test_long_term_priors_have_flow_and_masks_of_their_own(empty: Work, reference: Work) -> None:
    empty.paint(**LONG)
    plan = empty.plan(**LONG)
    assert plan.stages.consistency.has(pair_name(3, 0))
    assert plan.stages.flow.has(pair_name(0, 3))
    assert not plan.stages.consistency.has(pair_name(CUT + 1, CUT - 2))  # never over a cut
    pairs = 2 * (7 + 5)
    assert rows(empty, **LONG)["consistency"] == (pairs, pairs, 0)
    ours, theirs = (
        work.plan(**asked).stages.stylize((0, CUT)).load(frame_name(6))
        for work, asked in ((empty, LONG), (reference, {}))
    )
    assert ours is not None
    assert theirs is not None
    assert (ours.value.pixels != theirs.value.pixels).any()
    # Flow between neighbours is the same stage, whoever asks for it.
    assert plan.stages.flow.folder.relative_to(empty.cache) == reference.plan().stages.flow.folder.relative_to(
        reference.cache
    )


def test_pruned_flow_of_long_priors_is_made_again_only_where_it_is_needed(empty: Work) -> None:
    empty.paint(**LONG)
    plan = empty.plan(**LONG)
    for shelf in (plan.stages.flow, plan.stages.consistency):
        for name in list(shelf.names()):
            shelf.path(name).unlink()
    assert rows(empty, **LONG)["flow"][2] == 0
    plan.stages.stylize((0, CUT)).path(frame_name(5)).unlink()
    assert rows(empty, **LONG)["consistency"][2] == 2
    before = empty.output.read_bytes()
    empty.output.unlink()
    empty.paint(**LONG)
    assert empty.output.read_bytes() == before
    assert sorted(plan.stages.consistency.names()) == [pair_name(5, 2), pair_name(5, 4)]


def test_passes_take_a_cache(empty: Work) -> None:
    with pytest.raises(InputError, match="leave out --no-cache or --passes"):
        empty.paint(use_cache=False, **PASSES)


def test_passes_hold_to_a_limit_and_come_out_alike(empty: Work, tmp_path: Path) -> None:
    through = Work(tmp_path / "through", empty.style)
    through.paint(**PASSES)
    largest = sum(len(content) for content in contents(through.cache).values())
    empty.paint(**PASSES, cache_limit=int(0.8 * largest))
    assert empty.output.read_bytes() == through.output.read_bytes()
    assert sum(len(content) for content in contents(empty.cache).values()) <= 0.8 * largest
