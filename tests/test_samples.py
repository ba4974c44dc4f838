"""The sample movies: their truth fits their pictures, and the clips are what the script renders."""

from __future__ import annotations

import importlib.util
import itertools
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
CLIPS = ROOT / "sample_videos"
SMALL = (320, 180)


def load_script() -> ModuleType:
    """scripts/make_samples.py as a module."""
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "scripts" / "make_samples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


samples = load_script()
NAMES = sorted(samples.SCENES)
HARBOR = samples.SCENES["harbor"]


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Sample image (H, W, ...) at p + flow(p), flow (2, H, W)."""
    y, x = np.mgrid[: flow.shape[1], : flow.shape[2]].astype(np.float32)
    return cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def away_from_edges(label: np.ndarray, margin: int = 2) -> np.ndarray:
    """Pixels whose neighbours up to `margin` px off all show the same layer."""
    kernel = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
    label = label.astype(np.float32)
    return cv2.dilate(label, kernel) == cv2.erode(label, kernel)


def decode(path: Path) -> np.ndarray:
    """All frames of a clip, (N, H, W, 3) uint8, converted by its own tags and rounded without bias."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        shape = (-1, context.height, context.width, 3)
    exact = ["-vf", "scale=flags=accurate_rnd+full_chroma_int", "-fps_mode", "passthrough"]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    command = [samples.ffmpeg_program(), "-v", "error", "-i", str(path), *exact, *raw]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8).reshape(shape)


def decode_sound(path: Path) -> np.ndarray:
    """The sound of a clip as heard, (samples, 2) float32: without the priming that the container skips."""
    with av.open(str(path)) as container:
        blocks = [(frame.pts or 0, frame.to_ndarray()) for frame in container.decode(audio=0)]
    joined = np.concatenate([block for _, block in blocks], 1)
    return joined.T[max(0, -blocks[0][0]) :]


PAIRS = [(10, 11), (11, 10), (30, 34), (60, 61), (61, 60), (88, 83)]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_warping_with_the_true_flow_gives_the_other_frame(a: int, b: int) -> None:
    here, there = (samples.render(HARBOR, frame, 640, 360).astype(np.float32) for frame in (a, b))
    flow = samples.true_flow(HARBOR, a, b, 640, 360)
    hidden = samples.true_occlusion(HARBOR, a, b, 640, 360)
    ends = away_from_edges(samples.front_layer(HARBOR, b, 640, 360)).astype(np.float32)
    sure = away_from_edges(samples.front_layer(HARBOR, a, 640, 360)) & ~hidden & (warp(ends, flow) == 1)
    assert flow.shape == (2, 360, 640) and flow.dtype == np.float32
    assert sure.mean() > 0.6
    error = np.abs(warp(there, flow) - here).mean(2)
    still = np.abs(there - here).mean(2)
    assert error[sure].mean() < 2
    assert error[sure].mean() < 0.3 * still[sure].mean()


@pytest.mark.parametrize(("a", "b"), [(12, 13), (20, 30), (70, 71), (90, 82)])
def test_there_and_back_is_nowhere(a: int, b: int) -> None:
    there, back = samples.true_flow(HARBOR, a, b, *SMALL), samples.true_flow(HARBOR, b, a, *SMALL)
    hidden = samples.true_occlusion(HARBOR, a, b, *SMALL)
    label = samples.front_layer(HARBOR, b, *SMALL).astype(np.float32)
    arrives = warp(label, there) == samples.front_layer(HARBOR, a, *SMALL)
    arrives &= warp(away_from_edges(label, 1).astype(np.float32), there) == 1
    gap = np.hypot(*(there + np.stack([warp(back[i], there) for i in (0, 1)])))
    assert (arrives & ~hidden).mean() > 0.4
    assert gap[arrives & ~hidden].max() < 0.02


def test_same_frame_moves_nowhere_and_hides_nothing() -> None:
    assert np.abs(samples.true_flow(HARBOR, 5, 5, *SMALL)).max() < 1e-4
    assert not samples.true_occlusion(HARBOR, 5, 5, *SMALL).any()


def card(colour: str) -> object:
    """A plain square, 80 units wide, around (0, 0)."""
    return samples.Sheet(lambda c: c.fill(1, samples.ink(colour)), (-40, -40, 40, 40))


def test_parallax_hides_exactly_what_the_near_card_runs_over() -> None:
    wall = samples.Sheet(lambda c: c.fill(1, samples.ink("#336699")), (-400, -400, 1200, 900))
    layers = (
        samples.Layer(wall, 0.0, samples.moving()),
        samples.Layer(card("#cc3311"), 1.0, samples.moving(320, 180)),
    )
    shot = samples.Shot(layers, lambda t: (100 * t, 0, 1))  # 10 px to the right between frames 0 and 1
    scene = samples.Scene("cards", (shot,), (2,), samples.Fraction(10), (640, 360), crf=20)
    flow = samples.true_flow(scene, 0, 1, 640, 360)
    hidden = samples.true_occlusion(scene, 0, 1, 640, 360)
    expected = np.zeros((2, 360, 640), np.float32)
    expected[0, 140:220, 280:360] = -10
    np.testing.assert_allclose(flow, expected, atol=1e-4)
    swept = np.zeros((360, 640), bool)
    swept[140:220, 270:280] = True
    np.testing.assert_array_equal(hidden, swept)
    back = samples.true_occlusion(scene, 1, 0, 640, 360)
    np.testing.assert_array_equal(back, np.roll(swept, 80, axis=1))


def test_what_leaves_the_frame_is_hidden() -> None:
    flow = samples.true_flow(HARBOR, 10, 14, *SMALL)
    hidden = samples.true_occlusion(HARBOR, 10, 14, *SMALL)
    x = np.arange(SMALL[0]) + 0.5 + flow[0]
    assert (x < 0).any()
    assert hidden[x < 0].all()


def test_no_flow_across_a_cut() -> None:
    (cut,) = samples.cuts(HARBOR)
    with pytest.raises(ValueError, match="cut"):
        samples.true_flow(HARBOR, cut - 1, cut, *SMALL)
    assert samples.true_occlusion(HARBOR, cut - 1, cut, *SMALL).all()
    with pytest.raises(IndexError):
        samples.render(HARBOR, HARBOR.count, *SMALL)


def test_motion_is_moderate() -> None:
    for frame in (5, 40, 55, 95):
        speed = np.hypot(*samples.true_flow(HARBOR, frame, frame + 1, 640, 360))
        assert 1 < speed.mean() < 4
        assert np.percentile(speed, 99) < 9


@pytest.mark.parametrize("name", NAMES)
def test_clip_is_what_the_script_renders(name: str) -> None:
    scene = samples.SCENES[name]
    frames = decode(CLIPS / f"{name}.mp4")
    width, height = scene.size
    assert frames.shape == (scene.count, height, width, 3)
    for frame in (0, samples.cuts(scene)[0], scene.count - 1):
        rendered = samples.render(scene, frame, width, height).astype(np.float32)
        luma = (frames[frame] - rendered) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        assert np.sqrt((luma**2).mean()) < 5, f"frame {frame}"  # luma: 4:2:0 blurs the colour of every edge
        tint = np.abs((frames[frame] - rendered).mean((0, 1))).max()
        assert tint < 1, f"frame {frame}"  # the matrix of another standard would give 2


@pytest.mark.parametrize("name", NAMES)
def test_cut_is_where_it_is_said_to_be(name: str) -> None:
    frames = decode(CLIPS / f"{name}.mp4").astype(np.float32)
    change = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    (cut,) = samples.cuts(samples.SCENES[name])
    assert int(change.argmax()) + 1 == cut
    assert change[cut - 1] > 2.5 * np.delete(change, cut - 1).max()


@pytest.mark.parametrize("name", NAMES)
def test_clip_is_tagged_and_timed(name: str) -> None:
    scene = samples.SCENES[name]
    with av.open(str(CLIPS / f"{name}.mp4")) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        context = picture.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (
            1,
            1,
            1,
            1,
        )
        assert picture.average_rate == scene.fps
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 48_000, 2)
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(scene.count) / float(scene.fps), atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_bell_sounds_at_the_cut(name: str) -> None:
    scene = samples.SCENES[name]
    sound = decode_sound(CLIPS / f"{name}.mp4").mean(1)
    assert abs(len(sound) / 48_000 - scene.count / float(scene.fps)) < 0.05
    window = 240  # 5 ms
    count = len(sound) // window
    wave = np.exp(-2j * np.pi * samples.BELL_HZ * np.arange(count * window) / 48_000)
    strength = np.abs((sound[: count * window] * wave).reshape(count, window).mean(1))
    onset = int(np.flatnonzero(strength > 0.4 * strength.max())[0]) * window / 48_000
    assert onset == pytest.approx(samples.cuts(scene)[0] / float(scene.fps), abs=0.012)


def test_audio_lasts_as_long_as_the_picture() -> None:
    for scene in samples.SCENES.values():
        track = samples.audio(scene)
        assert track.dtype == np.float32
        assert track.shape == (round(scene.count * 48_000 / scene.fps), 2)
        assert 0.2 < np.abs(track).max() < 0.99  # audible, never clipped


def test_clips_are_small() -> None:
    assert sum(path.stat().st_size for path in CLIPS.glob("*.mp4")) <= 3_000_000


def test_same_bytes_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        samples.encode(samples.SCENES["tiny"], path, 96, 54)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_truth_files_can_be_read_by_others(tmp_path: Path) -> None:
    scene = samples.SCENES["tiny"]
    samples.write_truth(scene, tmp_path, 96, 54)
    neighbours = [p for p in itertools.pairwise(range(scene.count)) if p[1] not in samples.cuts(scene)]
    assert len(list(tmp_path.iterdir())) == 4 * len(neighbours)
    flow = cv2.readOpticalFlow(str(tmp_path / "flow_0003_0002.flo"))
    np.testing.assert_array_equal(flow.transpose(2, 0, 1), samples.true_flow(scene, 3, 2, 96, 54))
    assert struct.unpack("<f", (tmp_path / "flow_0002_0003.flo").read_bytes()[:4]) == (202021.25,)
    mask = cv2.imread(str(tmp_path / "occlusion_0003_0002.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask > 0, samples.true_occlusion(scene, 3, 2, 96, 54))


@pytest.mark.parametrize(("a", "b"), [(30, 31), (61, 60)])
def test_dis_finds_the_flow(a: int, b: int) -> None:
    here, there = (cv2.cvtColor(samples.render(HARBOR, frame, 640, 360), cv2.COLOR_RGB2GRAY) for frame in (a, b))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(here, there, None).transpose(2, 0, 1)
    error = np.hypot(*(flow - samples.true_flow(HARBOR, a, b, 640, 360)))
    hidden = samples.true_occlusion(HARBOR, a, b, 640, 360)
    assert error.mean() < 0.6
    assert np.median(error[~hidden]) < 0.15


def test_consistency_of_the_true_flow_finds_the_true_occlusion() -> None:
    """Our own check, fed with the exact flow: it must find most of what is hidden."""
    torch = pytest.importorskip("torch")
    flow_of = pytest.importorskip("vidstyle.flow")
    a, b = 30, 26
    there, back = (torch.from_numpy(samples.true_flow(HARBOR, *pair, 640, 360)) for pair in ((a, b), (b, a)))
    found = flow_of.consistency_map(there, back).numpy() < 0.5
    hidden = samples.true_occlusion(HARBOR, a, b, 640, 360)
    recall = (found & hidden).sum() / hidden.sum()
    assert recall > 0.8
    seen = torch.from_numpy(samples.render(HARBOR, b, 640, 360).transpose(2, 0, 1) / np.float32(255))
    warped = flow_of.backward_warp(seen, there).numpy()
    here = samples.render(HARBOR, a, 640, 360).transpose(2, 0, 1) / np.float32(255)
    assert np.abs(warped - here).mean(0)[~found].mean() < 3 / 255
