"""Jobs with RAFT, with smaller frames for the flow, and with flow that the user brings along."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_small

from tests.pipeline.conftest import CUT, FRAMES, Work, artifacts, contents
from vidstyle.errors import InputError, WeightsError
from vidstyle.nets.raft import RAFT_WEIGHTS
from vidstyle.store import FlowFolder, pair_name, write_flow

RAFT = {"method": "raft-small", "updates": 1}
PAIRS = [(a, b) for t in range(1, FRAMES) if t != CUT for a, b in ((t, t - 1), (t - 1, t))]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a RAFT that was not trained: what it says is the same every time, which is all that is looked at here."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "raft.safetensors"
    save_file({name: value.contiguous() for name, value in raft_small(weights=None).state_dict().items()}, path)
    return path


def test_raft_paints_resumes_and_is_its_own(weights: Path, empty: Work, tmp_path: Path, style: Path) -> None:
    asked = {"flow": RAFT, "flow_weights": weights}
    empty.paint(**asked)
    assert len([name for name in artifacts(empty.cache, "flow") if "about" not in name]) == len(PAIRS)
    whole = contents(empty.cache)
    output = empty.output.read_bytes()
    empty.output.unlink()
    plan = empty.plan(**{**asked, "flow_weights": str(weights)})
    for frame in (3, CUT + 4):
        empty.stylized(frame, plan).unlink()
        empty.pair(plan.stages.flow, frame).unlink()
    empty.paint(**asked)
    assert contents(empty.cache) == whole
    assert empty.output.read_bytes() == output
    other = {**asked, "flow_weights": other_weights(weights, tmp_path / "other.safetensors")}
    assert empty.plan(**{**other, "flow_weights": str(other["flow_weights"])}).stages.flow_key != plan.stages.flow_key


def other_weights(path: Path, copy: Path) -> Path:
    torch.manual_seed(1)
    save_file({name: value.contiguous() for name, value in raft_small(weights=None).state_dict().items()}, copy)
    assert copy.read_bytes() != path.read_bytes()
    return copy


def test_raft_is_not_loaded_where_nothing_needs_flow(weights: Path, empty: Work) -> None:
    asked = {"flow": RAFT, "flow_weights": weights}
    empty.paint(**asked)
    empty.paint(**asked, encode={"crf": 30}, overwrite=True, output=empty.output.with_name("again.mp4"))
    assert not any("painting" in note for note in empty.notes)


def test_raft_offline_without_weights_says_what_to_do(
    empty: Work, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def offline(*args: object, **more: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(WeightsError) as caught:
        empty.paint(flow={"method": "raft-large"})
    message = str(caught.value)
    assert "\n" not in message
    assert str(RAFT_WEIGHTS["raft-large"].path) in message
    assert "--flow-weights" in message and "--flow dis" in message


def test_an_unpainted_movie_takes_no_flow_and_no_weights(empty: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **more: pytest.fail("nothing to fetch"))
    empty.paint(method="none", stylize={}, style=(), flow={"method": "raft-large"})
    assert artifacts(empty.cache, "flow") == {}


def test_smaller_flow_is_another_flow(painted: Work) -> None:
    assert painted.plan(flow={"scale": 0.5}).stages.flow_key != painted.plan().stages.flow_key
    painted.paint(flow={"scale": 0.5})
    flow = painted.plan(flow={"scale": 0.5}).stages.flow.load(pair_name(1, 0))
    full = painted.plan().stages.flow.load(pair_name(1, 0))
    assert flow is not None and full is not None
    assert flow.value.shape == full.value.shape
    assert 0 < np.abs(flow.value - full.value).mean() < 0.5


# ---- flow of the user's own


NAMINGS: dict[str, Callable[[int, int], str]] = {
    "pairs.flo": lambda a, b: f"frame_{a:08d}-{b:08d}.flo",
    "pairs.png": lambda a, b: f"{a}-{b}.png",
    "reference.flo": lambda a, b: f"{'forward' if a < b else 'backward'}_{a + 1}_{b + 1}.flo",
}


def export(work: Work, folder: Path, name: Callable[[int, int], str], pairs: list[tuple[int, int]] = PAIRS) -> Path:
    """The flow of a finished job as files."""
    folder.mkdir()
    shelf = work.plan().stages.flow
    for a, b in pairs:
        stored = shelf.load(pair_name(a, b))
        assert stored is not None
        write_flow(folder / name(a, b), stored.value)
    return folder


@pytest.mark.parametrize("naming", NAMINGS)
def test_given_flow_is_taken_as_it_is(naming: str, reference: Work, empty: Work, tmp_path: Path) -> None:
    folder = export(reference, tmp_path / "flow", NAMINGS[naming])
    (folder / "notes.txt").write_text("not a flow")
    empty.paint(flow_from=folder)
    assert empty.output.read_bytes() == reference.output.read_bytes()
    assert not any("estimated" in note for note in empty.notes)


def test_what_is_not_given_is_estimated_and_said_once(reference: Work, empty: Work, tmp_path: Path) -> None:
    folder = export(reference, tmp_path / "flow", NAMINGS["pairs.flo"], PAIRS[4:-3])
    empty.paint(flow_from=folder)
    assert empty.output.read_bytes() == reference.output.read_bytes()
    (note,) = [note for note in empty.notes if "estimated" in note]
    assert "frame 1 to 0" in note and str(folder) in note and "dis" in note


def test_other_given_flow_is_another_key(reference: Work, empty: Work, tmp_path: Path) -> None:
    folder = export(reference, tmp_path / "flow", NAMINGS["pairs.flo"])
    keys = {empty.plan().stages.flow_key, empty.plan(flow_from=str(folder)).stages.flow_key}
    write_flow(folder / "frame_00000001-00000000.flo", np.zeros((2, 54, 96), np.float32))
    keys.add(empty.plan(flow_from=str(folder)).stages.flow_key)
    (folder / "frame_00000001-00000000.flo").unlink()
    keys.add(empty.plan(flow_from=str(folder)).stages.flow_key)
    assert len(keys) == 4


def test_given_flow_of_another_size_is_fitted(empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    folder.mkdir()
    flow = np.stack([np.full((108, 192), 6.0, np.float32), np.full((108, 192), -2.0, np.float32)])
    for a, b in PAIRS:
        write_flow(folder / NAMINGS["pairs.flo"](a, b), flow)
    empty.paint(flow_from=folder)
    stored = empty.plan(flow_from=str(folder)).stages.flow.load(pair_name(1, 0))
    assert stored is not None
    assert stored.value.shape == (2, 54, 96)
    assert np.allclose(stored.value[0], 3.0) and np.allclose(stored.value[1], -1.0)


@pytest.mark.parametrize("size", [(54, 96), (108, 192)])
def test_unknown_flow_is_never_trusted(size: tuple[int, int], empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    folder.mkdir()
    valid = np.ones(size, bool)
    valid[: size[0] // 2] = False
    for a, b in PAIRS:
        write_flow(folder / NAMINGS["pairs.flo"](a, b), np.zeros((2, *size), np.float32), valid)
    empty.paint(flow_from=folder)
    mask = empty.plan(flow_from=str(folder)).stages.consistency.load(pair_name(1, 0))
    assert mask is not None
    assert (mask.value[:25] == 0).all()
    assert (mask.value[30:, 2:-2] == 255).all()


def test_given_flow_that_does_not_fit_is_refused(empty: Work, tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    folder.mkdir()
    write_flow(folder / "1-0.flo", np.zeros((2, 60, 60), np.float32))
    with pytest.raises(InputError, match=r"1-0\.flo is flow of 60×60, which does not fit frames of 96×54"):
        empty.paint(flow_from=folder)
    (folder / "1-0.flo").write_bytes(b"PIEH nonsense")
    with pytest.raises(InputError, match=r"1-0\.flo"):
        empty.paint(flow_from=folder)


# ---- names of flow files


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_number_alone_is_the_flow_to_the_next_frame(tmp_path: Path) -> None:
    folder = FlowFolder(folder_of(tmp_path, "frame_0009.flo", "frame_0010.flo", "frame_0002.flo"))
    assert folder.files == {(0, 1): "frame_0002.flo", (1, 2): "frame_0009.flo", (2, 3): "frame_0010.flo"}


@pytest.mark.parametrize(
    "names, message",
    [
        (["motion.flo", "1-2.flo"], "motion.flo does not say its frames"),
        (["a_1-2.flo", "b_1-2.flo"], "a_1-2.flo and b_1-2.flo are of the same pair"),
        (["readme.txt"], "holds no flow"),
    ],
)
def test_folders_that_cannot_be_used(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        FlowFolder(folder_of(tmp_path, *names))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a folder"):
        FlowFolder(tmp_path / "nowhere")
    shutil.rmtree(tmp_path)
