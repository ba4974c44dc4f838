"""Colours and depth of a movie that goes through unpainted, judged from outside: by ffmpeg and PyAV, by the tags."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
import torch

from tests.pipeline.conftest import Work
from vidstyle.flow import DIS
from vidstyle.pipeline.demand import flow_input

SHARES = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593)}
PRIMARIES = {"smpte170m": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020"}
MATRICES = {1: "bt709", 5: "smpte170m", 6: "smpte170m", 9: "bt2020nc"}  # by the numbers of H.273
TRANSFERS = {"smpte170m": "smpte170m", "bt709": "bt709", "bt2020nc": "bt2020-10"}


def ffmpeg(*arguments: Any, given: bytes = b"") -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, timeout=60).stdout


def pattern(height: int = 48, width: int = 96) -> np.ndarray:
    """R'G'B' in [0, 1], (H, W, 3): soft gradients, so that fewer samples of chroma lose nothing."""
    x, y = np.linspace(0, 1, width)[None, :], np.linspace(0, 1, height)[:, None]
    planes = [0.1 + 0.8 * x + 0 * y, 0.1 + 0.8 * y * (1 - x / 2), 0.5 + 0.4 * np.cos(3 * x) * (1 - y)]
    return np.stack(planes, -1)


def planes(rgb: np.ndarray, matrix: str, full: bool, bits: int, halved: tuple[int, int]) -> bytes:
    """The standards' formula; chroma is the mean of as many pixels down and across as ``halved`` says."""
    kr, kb = SHARES[matrix]
    red, green, blue = rgb.transpose(2, 0, 1)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = [(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)]
    step, top = 2 ** (bits - 8), 2**bits - 1
    down, across = halved
    small = [c.reshape(c.shape[0] // down, down, c.shape[1] // across, across).mean((1, 3)) for c in chroma]
    levels = [luma * (top if full else 219 * step) + (0 if full else 16 * step)]
    levels += [c * (top if full else 224 * step) + 128 * step for c in small]
    return b"".join(np.rint(level).astype("u1" if bits == 8 else "<u2").tobytes() for level in levels)


def movie(path: Path, pixels: bytes, pix_fmt: str, size: tuple[int, int] = (96, 48), **tags: str) -> Path:
    """Two equal frames, stored without loss, tagged as told."""
    said = ":".join(f"{name}={value}" for name, value in tags.items())
    ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{size[0]}x{size[1]}", "-r", 25, "-i", "-",
           *(("-vf", f"setparams={said}") if said else ()), "-c:v", "ffv1", path, given=pixels * 2)  # fmt: skip
    return path


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def samples(frame: av.VideoFrame) -> list[np.ndarray]:
    """The frame's planes as they are stored, in units of 8-bit levels."""
    depth = frame.format.components[0].bits
    rows = [np.frombuffer(p, "u1" if depth == 8 else "<u2").reshape(p.height, -1)[:, : p.width] for p in frame.planes]
    return [plane / 2 ** (depth - 8) for plane in rows]


def shown(path: Path) -> np.ndarray:
    """The first frame by its tags and the standards' formula: R'G'B' in units of 8-bit levels, (H, W, 3).

    Every sample of chroma is shown on all the pixels that it stands for.
    """
    frame = first_frame(path)
    top = 256 - 2.0 ** (8 - frame.format.components[0].bits)
    if frame.format.is_rgb:
        # FFV1 stores 8 bits as packed RGB.
        green, blue, red = samples(frame if len(frame.planes) == 3 else frame.reformat(format="gbrp"))
        return np.stack([red, green, blue], -1) * 255 / top
    matrix, full = MATRICES[int(frame.colorspace)], int(frame.color_range) == 2
    luma, *chroma = samples(frame)
    luma = luma / top if full else (luma - 16) / 219
    blue, red = ((c - 128) / (top if full else 224) for c in chroma)
    blue, red = (c.repeat(luma.shape[0] // c.shape[0], 0).repeat(luma.shape[1] // c.shape[1], 1) for c in (blue, red))
    kr, kb = SHARES[matrix]
    red, blue = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return np.stack([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], -1) * 255


def differences(output: Path, source: Path) -> list[float]:
    """The largest difference in each of the planes, in 8-bit levels."""
    pairs = zip(samples(first_frame(output)), samples(first_frame(source)), strict=True)
    return [float(np.abs(a - b).max()) for a, b in pairs]


def pass_through(work: Work, source: Path, name: str = "out.mkv", **encode: Any) -> Path:
    output = work.folder / name
    asked = {"encode": {"codec": "ffv1", **encode}} if name.endswith(".mkv") else {"encode": encode}
    return work.paint(source, output=output, style=(), method="none", stylize={}, overwrite=True, **asked)


def tags_of(path: Path) -> tuple[int, int, int, int]:
    """Matrix, primaries, transfer and range, as the numbers of H.273, and 1 for tv and 2 for pc."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return (int(context.colorspace), int(context.color_primaries), int(context.color_trc), int(context.color_range))


FORMATS = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}
CASES = [
    *[(matrix, full, bits, "444") for matrix in SHARES for full in (False, True) for bits in (8, 10)],
    ("smpte170m", False, 8, "420"),
    ("bt709", True, 8, "420"),
    ("bt709", False, 10, "422"),
    ("bt2020nc", True, 10, "420"),
]


def tagged(matrix: str) -> dict[str, str]:
    return {"colorspace": matrix, "color_primaries": PRIMARIES[matrix], "color_trc": TRANSFERS[matrix]}


@pytest.mark.parametrize(("matrix", "full", "bits", "chroma"), CASES)
def test_a_pattern_goes_through(empty: Work, matrix: str, full: bool, bits: int, chroma: str) -> None:
    pix_fmt = f"yuv{chroma}p{'' if bits == 8 else '10le'}"
    pixels = planes(pattern(), matrix, full, bits, FORMATS[chroma])
    source = movie(empty.folder / "in.mkv", pixels, pix_fmt, range="pc" if full else "tv", **tagged(matrix))
    output = pass_through(empty, source, pix_fmt=pix_fmt)
    assert np.abs(shown(source) - 255 * pattern()).mean() < 1.5  # the judge is right
    luma, *chromas = differences(output, source)
    assert luma == 0
    assert max(chromas) <= (0 if chroma == "444" else 1)
    assert np.abs(shown(output) - shown(source)).mean() < 0.1
    assert tags_of(output) == tags_of(source)
    assert 2 not in tags_of(output)[:3]
    assert not any("written with" in note for note in empty.notes)


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp10le"])
@pytest.mark.parametrize("written", ["same", "yuv444p"])
def test_rgb_goes_through(empty: Work, pix_fmt: str, written: str) -> None:
    top, kind = (255, "u1") if pix_fmt == "gbrp" else (1023, "<u2")
    pixels = np.rint(pattern()[..., [1, 2, 0]].transpose(2, 0, 1) * top).astype(kind).tobytes()
    tags = {"colorspace": "gbr", "color_primaries": "bt709", "color_trc": "iec61966-2-1"}
    source = movie(empty.folder / "in.mkv", pixels, pix_fmt, range="pc", **tags)
    output = pass_through(empty, source, pix_fmt=pix_fmt if written == "same" else written)
    # Y'CbCr of 8 bits in the range tv is coarser than RGB.
    assert np.abs(shown(output) - shown(source)).max() <= (0.5 if written == "same" else 2.1)
    assert np.abs(shown(output) - shown(source)).mean() < 0.6
    assert tags_of(output)[1:3] == (1, 13)
    assert tags_of(output)[3] == (2 if written == "same" else 1)


@pytest.mark.parametrize(("lines", "matrix"), [(720, "bt709"), (718, "smpte170m")])
def test_what_is_not_tagged_is_taken_by_its_size(empty: Work, lines: int, matrix: str) -> None:
    pixels = planes(pattern(lines, 32), matrix, False, 8, (1, 1))
    source = movie(empty.folder / "in.mkv", pixels, "yuv444p", (32, lines))
    output = pass_through(empty, source, pix_fmt="yuv444p")
    assert max(differences(output, source)) == 0
    assert MATRICES[tags_of(output)[0]] == matrix  # what it was taken as is written
    assert any("not tagged: taken as BT.709" in note for note in empty.notes) == (lines >= 720)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
def test_every_container_says_the_colours(empty: Work, name: str) -> None:
    pixels = planes(pattern(), "bt2020nc", False, 10, (2, 2))
    source = movie(empty.folder / "in.mkv", pixels, "yuv420p10le", range="tv", **tagged("bt2020nc"))
    output = pass_through(empty, source, name, codec="auto")
    assert tags_of(output) == tags_of(source) == (9, 9, 14, 1)
    assert first_frame(output).format.name == "yuv420p"
    assert [note for note in empty.notes if "bits" in note] == [
        "10-bit source: written with 8 bits; --pix-fmt yuv420p10le keeps 10"
    ]


def test_a_deep_movie_stays_deep(empty: Work) -> None:
    """A ramp of more steps than 8 bits have, in the middle of the range."""
    ramp = np.repeat(np.linspace(0.2, 0.8, 600)[None, :, None].repeat(16, 0), 3, 2)
    source = movie(
        empty.folder / "in.mkv", planes(ramp, "bt709", False, 10, (2, 2)), "yuv420p10le", (600, 16), **tagged("bt709")
    )
    output = pass_through(empty, source, "out.mp4", pix_fmt="yuv420p10le", crf=0)
    assert len(np.unique(samples(first_frame(output))[0])) > 500
    assert max(differences(output, source)) <= 1
    decode = empty.plan(source, styles=(), method="none", stylize={}).stages.decode
    frame = decode.load("00000000")
    assert frame is not None
    assert frame.value.dtype == np.uint16
    shallow = pass_through(empty, source, "shallow.mkv", pix_fmt="yuv444p")
    luma = samples(first_frame(source))[0]
    assert np.abs(samples(first_frame(shallow))[0] - luma).max() <= 0.5  # to the nearest, without dither


@pytest.mark.parametrize(("transfer", "kind"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_hdr_is_written_as_sdr(empty: Work, transfer: str, kind: str) -> None:
    """A grey ramp of HDR becomes one of SDR: grey, in order, not clipped, and tagged as what it is."""
    ramp = np.repeat(np.linspace(0, 0.75, 96)[None, :, None].repeat(16, 0), 3, 2)  # PQ: to 1000 nits; HLG: to white
    pixels = planes(ramp, "bt2020nc", False, 10, (2, 2))
    tags = {"colorspace": "bt2020nc", "color_primaries": "bt2020", "color_trc": transfer, "range": "tv"}
    source = movie(empty.folder / "in.mkv", pixels, "yuv420p10le", (96, 16), **tags)
    output = pass_through(empty, source, "out.mp4", pix_fmt="yuv444p10le", crf=0)
    assert tags_of(output) == (1, 1, 1, 1)
    assert [note for note in empty.notes if kind in note and "tone-mapped" in note]
    rows = shown(output)
    assert np.abs(rows - rows.mean(axis=2, keepdims=True)).max() <= 1
    grey = rows.mean(axis=(0, 2))
    assert np.diff(grey).min() > -0.3
    assert len(np.unique(np.rint(grey))) > 75
    assert grey[0] < 1
    assert grey[-1] > (254 if kind == "PQ" else 228)
    white = grey[round(0.5807 / 0.75 * 95)] if kind == "PQ" else grey[-1]  # 203 nits
    assert 0.89 * 255 < white < 0.92 * 255


def test_flow_of_a_deep_frame_is_that_of_its_colours() -> None:
    shallow = [np.rint(np.roll(pattern(), step, axis=1) * 255).astype(np.uint8) for step in (0, 2)]
    deep = [frame.astype(np.uint16) * 257 for frame in shallow]
    flows = [DIS().between(*map(flow_input, frames)) for frames in (shallow, deep)]
    assert flows[0].abs().max() > 0.5
    assert torch.equal(*flows)
