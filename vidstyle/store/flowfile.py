"""Flow in the formats of others: Middlebury ``.flo`` and KITTI's 16-bit PNG.

In memory: flow, float32 ``(2, H, W)`` in pixels (dx, dy), and valid, bool ``(H, W)``; flow is 0 where it is
not valid.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import png  # type: ignore[import-untyped]

from vidstyle.errors import InputError
from vidstyle.store.atomic import atomic_write, printable

Flow = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]

_FLO_MAGIC = b"PIEH"  # the float 202021.25 in little-endian bytes
_FLO_UNKNOWN = 1e9  # larger components mean "unknown", by the format's own definition
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_KITTI_STEPS, _KITTI_ZERO = 64.0, 32768.0  # value = flow * 64 + 2^15, so about -512 .. 512 px
_MAX_SIDE = 65_535
_MAX_PIXELS = 2**28


def read_flow(path: Path) -> tuple[Flow, Valid]:
    """Flow and valid from a ``.flo`` or KITTI PNG file, told apart by their content.

    InputError if it is neither.
    """
    raw = _read(path)
    if raw[:4] == _FLO_MAGIC:
        return _parse_flo(raw, path)
    if raw[:8] == _PNG_MAGIC:
        return _parse_kitti(raw, path)
    raise _bad(path, "neither a Middlebury .flo file nor a KITTI PNG")


def write_flow(path: Path, flow: Flow, valid: Valid | None = None) -> None:
    """Write ``.flo`` or KITTI PNG, by the path's suffix.

    InputError for another, or for what the format cannot hold.
    """
    writers = {".flo": write_flo, ".png": write_kitti}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"cannot write flow to {printable(path)}: the name must end with .flo or .png")
    writer(path, flow, valid)


def read_flo(path: Path) -> tuple[Flow, Valid]:
    """Flow and valid from a Middlebury file. InputError, one line, if it is not one."""
    return _parse_flo(_read(path), path)


def read_kitti(path: Path) -> tuple[Flow, Valid]:
    """Flow and valid from a KITTI PNG. InputError, one line, if it is not one."""
    return _parse_kitti(_read(path), path)


def write_flo(path: Path, flow: Flow, valid: Valid | None = None) -> None:
    """Write a Middlebury file; where ``valid`` is False, the format's value for "unknown"."""
    known = _checked(flow, valid)
    values = np.where(known, flow, np.float32(1e10)).transpose(1, 2, 0).astype("<f4")
    height, width = known.shape
    atomic_write(path, _FLO_MAGIC, struct.pack("<ii", width, height), values.tobytes())


def write_kitti(path: Path, flow: Flow, valid: Valid | None = None) -> None:
    """Write a KITTI PNG:

    steps of 1/64 px. InputError for flow outside -512 .. 511.98 px, which it cannot hold.
    """
    known = _checked(flow, valid)
    steps = np.rint(np.where(known, flow, 0).astype(np.float64) * _KITTI_STEPS + _KITTI_ZERO)
    if steps.min() < 0 or steps.max() > 65535:
        raise InputError(f"{printable(path)}: KITTI PNG cannot hold flow beyond 512 pixels; write .flo instead")
    height, width = known.shape
    pixels = np.zeros((height, width, 3), np.uint16)
    pixels[..., :2] = np.where(known, steps, 0).transpose(1, 2, 0)
    pixels[..., 2] = known
    out = io.BytesIO()
    png.Writer(width, height, bitdepth=16, greyscale=False).write(out, pixels.reshape(height, -1))
    atomic_write(path, out.getvalue())


def _parse_flo(raw: bytes, path: Path) -> tuple[Flow, Valid]:
    if raw[:4] != _FLO_MAGIC or len(raw) < 12:
        raise _bad(path, "not a Middlebury .flo file")
    width, height = struct.unpack_from("<ii", raw, 4)
    _check_size(path, width, height)
    if len(raw) != 12 + 8 * width * height:
        raise _bad(path, f"{len(raw)} bytes instead of {12 + 8 * width * height} for {width}x{height}")
    values = np.frombuffer(raw, "<f4", offset=12).reshape(height, width, 2).transpose(2, 0, 1)
    # "not larger" is also False for NaN
    valid = (np.abs(values) <= _FLO_UNKNOWN).all(axis=0)
    return np.where(valid, values, 0).astype(np.float32, order="C"), valid


def _parse_kitti(raw: bytes, path: Path) -> tuple[Flow, Valid]:
    try:
        reader = png.Reader(bytes=raw)
        reader.preamble()
        _check_size(path, reader.width, reader.height)
        if (reader.bitdepth, reader.planes) != (16, 3):
            raise _bad(path, "not a PNG of three channels with 16 bits, as KITTI's flow is")
        _, _, rows, _ = reader.read()
        pixels = np.stack([np.asarray(row, np.uint16) for row in rows]).reshape(reader.height, reader.width, 3)
    except InputError:
        raise
    except (png.Error, zlib.error, struct.error, ValueError, EOFError, LookupError, StopIteration) as error:
        raise _bad(path, f"a damaged PNG: {error or type(error).__name__}") from error
    valid = pixels[..., 2] > 0
    steps = pixels[..., :2].transpose(2, 0, 1).astype(np.float32)
    return np.where(valid, (steps - np.float32(_KITTI_ZERO)) / np.float32(_KITTI_STEPS), np.float32(0)), valid


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {error.strerror or error}") from error


def _checked(flow: npt.NDArray[Any], valid: Valid | None) -> Valid:
    """Where flow is finite, and ``valid`` if given. ValueError if the shapes do not fit."""
    if flow.ndim != 3 or flow.shape[0] != 2 or flow.size == 0:
        raise ValueError(f"flow must be (2, H, W), not {flow.shape}")
    known = np.ones(flow.shape[1:], np.bool_) if valid is None else valid.astype(np.bool_)
    if known.shape != flow.shape[1:]:
        raise ValueError(f"valid must be {flow.shape[1:]}, not {known.shape}")
    return known & np.isfinite(flow).all(axis=0)


def _check_size(path: Path, width: int, height: int) -> None:
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE and width * height <= _MAX_PIXELS):
        raise _bad(path, f"an impossible size, {width}x{height}")


def _bad(path: Path, why: str) -> InputError:
    return InputError(f"cannot read flow from {printable(path)}: {printable(why)}")
