"""``vidstyle inspect flow --export``, and the way back by ``--flow-from``."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest

from tests.cli.conftest import fails, look, plan_of
from tests.pipeline.conftest import CUT, FRAMES, Work
from vidstyle.errors import InputError
from vidstyle.pipeline.events import Event, Monitor
from vidstyle.pipeline.studio import Studio
from vidstyle.store import pair_name, read_flow, write_kitti

PAIRS = [(frame, frame - 1) for frame in range(FRAMES) if frame not in (0, CUT)]


@pytest.mark.parametrize(("form", "ending"), [("flo", ".flo"), ("kitti", ".png")])
def test_flow_comes_back_as_it_was(done: Work, tmp_path: Path, form: str, ending: str) -> None:
    folder = tmp_path / "flows"
    result = look(done, tmp_path, "flow", "--export", str(folder), "--format", form, "--both")
    both = [pair for a, b in PAIRS for pair in ((b, a), (a, b))]
    names = [folder / f"{pair_name(*pair)}{ending}" for pair in both]
    assert result.stdout.splitlines() == [str(name) for name in names]
    assert sorted(folder.iterdir()) == sorted(names)
    assert list(tmp_path.iterdir()) == [folder]
    stored = plan_of(done).stages.flow
    said: list[Event] = []
    # As painting takes it: whatever is not in the folder would be estimated, and that would be said.
    again = Work(tmp_path / "again", done.style)
    with Studio(again.plan(flow_from=str(folder)), Monitor(said.append)) as studio:
        for pair in both:
            before = stored.load(pair_name(*pair))
            assert before is not None
            assert np.array_equal(studio.flows.get(*pair), before.value)
            written = studio.flows.shelf.load(pair_name(*pair))
            assert written is not None and written.value.tobytes() == before.value.tobytes()
    assert said == []


def test_one_direction_and_single_frames(done: Work, tmp_path: Path) -> None:
    look(done, tmp_path, "flow", "--export", str(tmp_path / "back"))
    assert sorted(f.stem for f in (tmp_path / "back").iterdir()) == sorted(pair_name(*pair) for pair in PAIRS)
    arguments = ["flow", "--export", str(tmp_path / "one"), "--forward", "--frame", "10", "--json"]
    document = json.loads(look(done, tmp_path, *arguments).stdout)
    assert document["files"] == [str(tmp_path / "one" / "00000009-00000010.flo")]
    flow, valid = read_flow(Path(document["files"][0]))
    stored = plan_of(done).stages.flow.load(pair_name(9, 10))
    assert stored is not None and np.array_equal(flow, stored.value) and valid.all()


def test_what_is_missing_is_counted(copied: Work, tmp_path: Path) -> None:
    shelf = plan_of(copied).stages.flow
    copied.pair(shelf, 3).unlink()
    result = look(copied, tmp_path, "flow", "--export", str(tmp_path / "flows"))
    assert result.stderr == "vidstyle: not in the cache: 1 flows of 14\n"
    assert len(result.stdout.splitlines()) == 13
    assert "none of the 1 flows" in fails(copied, tmp_path, "flow", "--export", str(tmp_path / "no"), "--frame", "3")


def test_what_does_not_go_together(done: Work, tmp_path: Path) -> None:
    folder = ("--export", str(tmp_path / "flows"))
    assert "leave out --table" in fails(done, tmp_path, "flow", *folder, "--plot")
    assert "try 9" in fails(done, tmp_path, "flow", *folder, "--frame", str(CUT))
    with pytest.raises(click.UsageError, match="go with --export"):
        look(done, tmp_path, "flow", "--both")
    look(done, tmp_path, "flow", *folder, "--frame", "3")
    assert "exists: add -y" in fails(done, tmp_path, "flow", *folder)
    look(done, tmp_path, "flow", *folder, "--frame", "3", "-y")
    (tmp_path / "file").touch()
    assert "cannot make the folder" in fails(done, tmp_path, "flow", "--export", str(tmp_path / "file" / "below"))
    with pytest.raises(InputError, match=r"beyond 512 pixels; write \.flo"):
        write_kitti(tmp_path / "far.png", np.full((2, 4, 4), 600, np.float32))
