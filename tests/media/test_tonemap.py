"""HDR to SDR: patches of known light, and the formulas of BT.2390, BT.2100 and BT.1886 beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidstyle.media import probe, read_frames, scan
from vidstyle.media.tonemap import tone_mapper

from .conftest import ffmpeg, lavfi

NITS = (0.0, 0.1, 1.0, 5.0, 20.0, 60.0, 100.0, 203.0, 400.0, 600.0, 800.0, 1000.0)


def pq(nits: float) -> float:
    y = (nits / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def sdr(nits: float, peak: float) -> float:
    """The SDR signal of grey light in a movie of `peak` nits, written out from BT.2390 and BT.1886."""
    low, high = 0.0, peak
    most, knee = pq(203) / pq(peak), 1.5 * pq(203) / pq(peak) - 0.5
    e = min(pq(nits) / pq(peak), 1)
    if e > knee:
        t = (e - knee) / (1 - knee)
        e = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    for _ in range(60):  # the light of e, without the inverse formula
        middle = (low + high) / 2
        low, high = (middle, high) if pq(middle) < e * pq(peak) else (low, middle)
    return float((low / 203) ** (1 / 2.4))


def hlg(nits: float) -> float:
    """The HLG signal that a display of 1000 nits shows as grey of so much light."""
    scene = (nits / 1000) ** (1 / 1.2)
    return math.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def greys(signals: list[float]) -> np.ndarray:
    levels = np.rint(np.array(signals) * 65535).astype(np.uint16)
    return np.repeat(levels[None, :, None], 3, 2)


@pytest.mark.parametrize("peak", [None, 203.0, 600.0, 1000.0, 4000.0, 10_000.0])
def test_grey_of_pq_is_as_the_formula_says(peak: float | None) -> None:
    mapped = tone_mapper("smpte2084", "bt2020", peak)(greys([pq(nits) for nits in NITS]))[0]
    expected = [min(sdr(nits, peak or 1000), 1) for nits in NITS]
    np.testing.assert_allclose(mapped / 65535, np.repeat(np.array(expected)[:, None], 3, 1), atol=0.001)


def test_grey_of_hlg_is_as_the_formula_says() -> None:
    mapped = tone_mapper("arib-std-b67", "bt2020", None)(greys([hlg(nits) for nits in NITS]))[0]
    expected = [sdr(nits, 1000) for nits in NITS]
    np.testing.assert_allclose(mapped / 65535, np.repeat(np.array(expected)[:, None], 3, 1), atol=0.001)
    assert hlg(203) == pytest.approx(0.75, abs=0.002)  # BT.2408: reference white is 75 % of HLG


def test_white_is_near_white_and_there_is_light_above_it() -> None:
    white, bright, brighter, peak = (sdr(nits, 1000) for nits in (203, 400, 700, 1000))
    assert 0.9 < white < bright < brighter < peak
    assert peak == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("primaries", ["bt2020", "smpte432", "bt709", None])
def test_greys_stay_grey_and_in_order(transfer: str, primaries: str | None) -> None:
    ramp = np.repeat(np.arange(65536, dtype=np.uint16)[None, :, None], 3, 2)
    mapped = tone_mapper(transfer, primaries, None)(ramp)[0].astype(int)
    assert np.abs(mapped - mapped[:, :1]).max() <= 2
    assert np.diff(mapped, axis=0).min() >= -2  # of 65535
    assert (mapped[0].max(), mapped[-1].min()) == (0, 65535)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_pure_colours_come_into_the_gamut_with_their_hue(transfer: str) -> None:
    pure = np.eye(3)[None] * 0.6 * 65535
    mapped = tone_mapper(transfer, "bt2020", None)(np.rint(pure).astype(np.uint16))[0]
    assert (mapped.argmax(axis=1) == (0, 1, 2)).all()
    assert (np.sort(mapped, axis=1)[:, :2] < 0.1 * 65535).all()
    assert (mapped.max(axis=1) > 0.4 * 65535).all()


def test_a_bt709_colour_in_bt2020_comes_back_as_it_was() -> None:
    """Orange of 50, 20 and 5 nits in BT.709: its BT.2020 values by the matrix of BT.2087."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    signal = [pq(nits) for nits in to_2020 @ [50, 20, 5]]
    mapped = tone_mapper("smpte2084", "bt2020", 1000)(np.rint(np.array([[signal]]) * 65535).astype(np.uint16))
    np.testing.assert_allclose(mapped[0, 0] / 65535, [(n / 203) ** (1 / 2.4) for n in (50, 20, 5)], atol=0.002)


def patches(path: Path, signals: list[float], transfer: str, *options: str) -> Path:
    """Columns of grey, 8 pixels wide each; 10 frames of which each is a little darker than the one before."""
    size, frames = (8 * len(signals), 16), []
    for frame in range(10):
        luma = np.rint(64 + 876 * np.array(signals) * (1 - frame / 100)).astype("<u2").repeat(8)
        frames.append(luma[None].repeat(size[1], 0).tobytes() + np.full((2, *size[::-1]), 512, "<u2").tobytes())
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(frames))
    tags = f"setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", f"{size[0]}x{size[1]}", "-i", raw,
           "-vf", tags, *(options or ("-c:v", "ffv1", "-g", "1")), path)  # fmt: skip
    return path


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_patches_of_a_movie(any_ffmpeg: str, tmp_path: Path, transfer: str) -> None:
    signal = pq if transfer == "smpte2084" else hlg
    movie = probe(patches(tmp_path / "hdr.mkv", [signal(nits) for nits in NITS], transfer))
    assert movie.is_hdr
    timeline, size = scan(movie), (movie.width, movie.height)
    deep = [image for _, image in read_frames(movie, timeline, 0, 10, size, bit_depth=16)]
    assert deep[0].dtype == np.uint16
    columns = deep[0][:, ::8]
    assert (columns == columns[:1]).all()
    expected = np.array([sdr(nits, 1000) for nits in NITS])
    np.testing.assert_allclose(columns[0].mean(1) / 257, expected * 255, atol=1.2)  # a step of 10 bits is as much
    assert np.ptp(columns[0].astype(int), axis=1).max() <= 257  # grey to one level of 8 bits
    (_, from_the_middle), *_ = read_frames(movie, timeline, 7, 10, size, bit_depth=16)
    assert np.array_equal(from_the_middle, deep[7])  # no matter what came before
    (_, shallow), *_ = read_frames(movie, timeline, 0, 1, size)
    assert np.abs(shallow - deep[0] / 257).max() <= 0.5


def test_the_peak_is_read_from_the_movie(tmp_path: Path) -> None:
    mastering = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
    made = {}
    for name, said in {"both": f"{mastering}:max-cll=600,100", "mastering": mastering, "none": "hdr10=0"}.items():
        coded = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=error:{said}")
        made[name] = probe(patches(tmp_path / f"{name}.mp4", [0.3, 0.5], "smpte2084", *coded))
    assert {name: movie.hdr_peak for name, movie in made.items()} == {"both": 600, "mastering": 4000, "none": None}
    assert made["both"].notes == ("HDR (PQ, up to 600 nits): tone-mapped to SDR, BT.709",)
    assert made["none"].notes == ("HDR (PQ, taken to reach 1000 nits): tone-mapped to SDR, BT.709",)


def test_hdr_without_a_matrix_is_taken_as_bt2020(tmp_path: Path) -> None:
    tags = ("-vf", "format=yuv420p10le,setparams=color_trc=arib-std-b67", "-c:v", "ffv1")
    movie = probe(lavfi(tmp_path / "hlg.mkv", "testsrc2=s=64x64:d=0.1", *tags))
    assert [note.partition(":")[0] for note in movie.notes] == ["colour matrix not tagged", "HDR (HLG)"]
    assert "BT.2020" in movie.notes[0]


def test_a_real_clip(real: Callable[[str], Path]) -> None:
    movie = probe(real("awkward/testsrc2_hdr.mp4"))
    timeline = scan(movie)
    (_, image), *_ = read_frames(movie, timeline, 0, 1, (320, 180), bit_depth=16)
    assert image.max() > 0.9 * 65535
    assert image.min() < 0.02 * 65535
