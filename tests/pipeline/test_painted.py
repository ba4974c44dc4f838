"""A stylized frame, as stored, is what the next step saw; and every device paints the same."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from tests.pipeline.conftest import CUT, FRAMES, TINY, Work
from vidstyle.pipeline.painted import PAINTED, Painted, decode_painted, encode_painted
from vidstyle.store import encode_arrays, frame_name, frame_to_float, mask_to_float, quantize_frame
from vidstyle.stylize.base import Prior
from vidstyle.stylize.optimize import OptimizeStylizer


def random_pixels(dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(3).integers(0, np.iinfo(dtype).max + 1, (20, 30, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_painted_comes_back_as_it_was(dtype: Any) -> None:
    state = {"mean": torch.randn(3, 4), "count": torch.tensor(7), "pixels": torch.ones(2, dtype=torch.float64)}
    back = decode_painted(encode_painted(Painted(random_pixels(dtype), state)))
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels, random_pixels(dtype))
    assert back.state is not None
    assert list(back.state) == list(state)
    for name, value in state.items():
        assert back.state[name].dtype == value.dtype
        torch.testing.assert_close(back.state[name], value, rtol=0, atol=0)


def test_painted_without_state() -> None:
    assert PAINTED.decode(PAINTED.encode(Painted(random_pixels()))).state is None


@pytest.mark.parametrize("payload", [b"", b"nonsense", encode_arrays({"other": np.zeros(3)})])
def test_what_is_not_a_painted_frame_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_painted(payload)


def tiny_movie(folder: Path, bits: int) -> Path:
    """The tiny movie, or a copy of 10 bits per component, which is worked on at 16."""
    if bits == 8:
        return TINY
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")
    path = folder / "deep.mp4"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", TINY, *encoder, path], check=True)
    return path


@pytest.mark.parametrize("bits", [8, 16])
def test_the_next_step_sees_what_is_stored(empty: Work, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    given: list[Sequence[Prior]] = []
    gave: list[torch.Tensor] = []
    step = OptimizeStylizer.step

    def watch(self: OptimizeStylizer, frame: torch.Tensor, priors: Sequence[Prior], *rest: Any, **named: Any) -> Any:
        given.append(priors)
        result = step(self, frame, priors, *rest, **named)
        gave.append(result[0])
        return result

    monkeypatch.setattr(OptimizeStylizer, "step", watch)
    movie = tiny_movie(empty.folder, bits)
    small = {"height": 36} if bits == 16 else {}  # one of the two at full size is enough
    empty.paint(movie, **small)
    plan = empty.plan(movie, **small)
    for frame in range(FRAMES):
        stored = plan.stages.stylize((CUT, FRAMES) if frame >= CUT else (0, CUT)).load(frame_name(frame))
        assert stored is not None
        assert stored.value.pixels.itemsize * 8 == bits
        np.testing.assert_array_equal(stored.value.pixels, quantize_frame(gave[frame].numpy(), bits))
        if frame in (0, CUT):
            assert given[frame] == []
        if frame + 1 in (CUT, FRAMES):
            continue
        (prior,) = given[frame + 1]
        np.testing.assert_array_equal(prior.stylized.numpy(), frame_to_float(stored.value.pixels))
        mask = plan.stages.consistency.load(f"{frame_name(frame + 1)}-{frame_name(frame)}")
        assert mask is not None
        np.testing.assert_array_equal(prior.consistency.numpy(), mask_to_float(mask.value))


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_paints_as_the_cpu_does(empty: Work, reference: Work) -> None:
    empty.paint(device="cuda")
    ours, theirs = empty.plan(device="cuda"), reference.plan()
    for frame in range(FRAMES):
        shot = (CUT, FRAMES) if frame >= CUT else (0, CUT)
        a = ours.stages.stylize(shot).load(frame_name(frame))
        b = theirs.stages.stylize(shot).load(frame_name(frame))
        assert a is not None
        assert b is not None
        apart = np.abs(a.value.pixels.astype(int) - b.value.pixels)
        assert apart.mean() < 1
        assert np.percentile(apart, 99) <= 4


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_repeats_itself(tmp_path_factory: pytest.TempPathFactory, style: Any) -> None:
    works = [Work(tmp_path_factory.mktemp("cuda"), style) for _ in range(2)]
    for work in works:
        work.paint(device="cuda")
    assert works[0].output.read_bytes() == works[1].output.read_bytes()
