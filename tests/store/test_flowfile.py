"""Flow files of others are read and written exactly, and bad ones are one line."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import png
import pytest

from vidstyle.errors import InputError
from vidstyle.store import read_flo, read_flow, read_kitti, write_flo, write_flow, write_kitti

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 64)])
def test_flo_round_trip(tmp_path: Path, size: tuple[int, int]) -> None:
    flow = RNG.normal(0, 1000, (2, *size)).astype(np.float32)
    write_flow(tmp_path / "a.flo", flow)
    found, valid = read_flow(tmp_path / "a.flo")
    assert (found == flow).all() and found.dtype == np.float32 and found.flags.c_contiguous
    assert valid.all() and valid.dtype == np.bool_ and valid.shape == size
    assert (tmp_path / "a.flo").stat().st_size == 12 + 8 * size[0] * size[1]


def test_flo_bytes(tmp_path: Path) -> None:
    write_flo(tmp_path / "a", np.array([[[1, 2]], [[3, 4]]], np.float32))
    assert (tmp_path / "a").read_bytes() == struct.pack("<fiiffff", 202021.25, 2, 1, 1, 3, 2, 4)


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_unknown_flow_stays_unknown(tmp_path: Path, suffix: str) -> None:
    flow = np.full((2, 4, 6), 1.5, np.float32)
    valid = RNG.random((4, 6)) > 0.3
    flow[0, 0, 0] = np.nan
    flow[1, 0, 1] = np.inf
    write_flow(tmp_path / f"a{suffix}", flow, valid)
    valid[0, :2] = False
    found, known = read_flow(tmp_path / f"a{suffix}")
    assert (known == valid).all() and (found == np.where(valid, np.float32(1.5), 0)).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 64)])
def test_kitti_round_trip(tmp_path: Path, size: tuple[int, int]) -> None:
    flow = (RNG.integers(-32768, 32768, (2, *size)) / 64).astype(np.float32)
    write_kitti(tmp_path / "a.png", flow)
    found, valid = read_kitti(tmp_path / "a.png")
    assert (found == flow).all() and found.dtype == np.float32 and valid.all()
    noisy = RNG.uniform(-500, 500, (2, *size)).astype(np.float32)
    write_kitti(tmp_path / "a.png", noisy)
    assert np.abs(read_kitti(tmp_path / "a.png")[0] - noisy).max() <= 1 / 128


def test_kitti_as_others_read_and_write_it(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    flow = (RNG.integers(-3000, 3000, (2, 20, 30)) / 64).astype(np.float32)
    write_kitti(tmp_path / "a.png", flow)
    blue_green_red = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert blue_green_red.dtype == np.uint16 and (blue_green_red[..., 0] == 1).all()
    assert ((blue_green_red[..., 2].astype(np.float32) - 2**15) / 64 == flow[0]).all()
    cv2.imwrite(str(tmp_path / "b.png"), blue_green_red)
    assert (read_kitti(tmp_path / "b.png")[0] == flow).all()


def test_kitti_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    for value in (512.0, -512.1):
        with pytest.raises(InputError, match="512"):
            write_kitti(tmp_path / "a.png", np.full((2, 1, 1), value, np.float32))
    assert list(tmp_path.iterdir()) == []


def damaged(raw: bytes) -> list[bytes]:
    rng = random.Random(len(raw))
    found = [raw[:n] for n in (0, 3, 4, 8, 11, 12, 20, 30, 45, len(raw) // 2, len(raw) - 13)] + [b"text " * 20]
    for _ in range(200):
        bad = bytearray(raw)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        found.append(bytes(bad))
    return found


@pytest.mark.parametrize("suffix", [".flo", ".png"])
def test_bad_files_are_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a\n{suffix}"
    write_flow(path, RNG.integers(-500, 500, (2, 9, 7)).astype(np.float32))
    raw = path.read_bytes()
    refused = 0
    for bad in damaged(raw):
        path.write_bytes(bad)
        try:
            read_flow(path)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused >= 12


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flo"
    for width, height in ((0, 1), (-1, -1), (2**31 - 1, 2**31 - 1), (65536, 1), (3, 3)):
        path.write_bytes(struct.pack("<4siiff", b"PIEH", width, height, 0, 0))
        with pytest.raises(InputError):
            read_flow(path)
    eight_bit = tmp_path / "a.png"
    with eight_bit.open("wb") as file:
        png.Writer(2, 1, greyscale=False).write(file, [[1, 2, 3, 4, 5, 6]])
    with pytest.raises(InputError, match="16 bits"):
        read_flow(eight_bit)
    with pytest.raises(InputError, match="No such file"):
        read_flow(tmp_path / "none")
    with pytest.raises(InputError, match="must end with"):
        write_flow(tmp_path / "a.exr", np.zeros((2, 1, 1), np.float32))
    with pytest.raises(InputError, match=r"not a Middlebury"):
        read_flo(eight_bit)
    with pytest.raises(InputError, match="PNG"):
        read_kitti(path)


def test_published_flow(data: Path, tmp_path: Path) -> None:
    files = sorted((data / "flow").rglob("*.flo"))
    assert files
    for file in files:
        flow, valid = read_flow(file)
        assert np.isfinite(flow).all() and valid.mean() > 0.9 and np.abs(flow).max() < 1000
        write_flo(tmp_path / "a.flo", flow, valid)
        again, again_valid = read_flo(tmp_path / "a.flo")
        assert (again == flow).all() and (again_valid == valid).all()
        if valid.all():
            assert (tmp_path / "a.flo").read_bytes() == file.read_bytes()
    write_kitti(tmp_path / "a.png", flow, valid)
    assert np.abs(read_kitti(tmp_path / "a.png")[0] - flow).max() <= 1 / 128
