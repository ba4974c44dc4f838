"""What lies on disk: flow, frames, masks, JSON and bundles of arrays, as bytes. Pure functions, no files.

Every ``quantize_*`` gives in memory exactly what storing and loading gives: ``decode(encode(x)) ==
quantize(x)`` bit for bit. Every ``decode_*`` raises ValueError for anything that its ``encode_*`` did not
write, and never reserves more memory than the payload can account for. Decoded arrays are new and writable.

Flow is fixed point, in steps of 1/32 px (so the error is at most 1/64 px), int16 up to 1023.98 px and int32
beyond. See ``packing`` for how, and for what else was measured.

Frames are lossless. Five 1024x436 pictures (paintings and a film frame), mean of all, one core: OpenCV's PNG
0.75 MB, 11 ms; zstd 1 of the 2-D delta 0.67 MB, 2.8 ms; **the same of (R - G, G, B - G) in planes 0.53 MB,
3.4 ms**; delta to the left only 0.61 MB, 3.1 ms; mean of left and above 0.59 MB, 5 ms; median 0.53 MB, 10 ms;
zstd 3 0.55 MB, 5.4 ms.

Masks are 8 bit. The 2-D delta costs a hard-edged mask some 10 % (8.6 instead of 7.8 KB for 450x350) and saves
up to 25 % of a soft one (0.89 instead of 1.16 MB at 1920x1080).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from vidstyle.store.packing import (
    compress,
    decompress,
    join_bytes,
    pack_field,
    pack_image,
    split_bytes,
    unpack_field,
    unpack_image,
)

T = TypeVar("T")
Floats = npt.NDArray[np.float32]
Bytes8 = npt.NDArray[np.uint8]
Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Arrays = dict[str, npt.NDArray[Any]]

FLOW_STEPS_PER_PIXEL = 32
# Any flow beyond this is garbage, and its steps would not fit an int32.
MAX_FLOW = float(2**31 // FLOW_STEPS_PER_PIXEL)
MAX_SIDE = 65_535
MAX_PIXELS = 2**28

# Magic (which kind of payload), bytes per sample, height, width.
_HEAD = struct.Struct("<4sIII")
_FLOW_MAGIC, _FRAME_MAGIC, _MASK_MAGIC, _ARRAYS_MAGIC = b"VSfl", b"VSfr", b"VSma", b"VSar"
_ARRAY_TYPES = "?bBhHiIlLqQefd"


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How one kind of value becomes bytes and comes back.

    ``decode`` raises ValueError for malformed bytes.
    """

    name: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


def encode_flow(flow: Floats) -> bytes:
    """Bytes of a flow field, float32 ``(2, H, W)`` in pixels.

    ValueError if not finite or beyond ``MAX_FLOW``.
    """
    low, high = _flow_range(flow)
    fixed = np.empty(flow.shape, np.int16 if low >= -32768 and high <= 32767 else np.int32)
    for component, whole in zip(flow, fixed, strict=True):  # one at a time: what is worked on stays in the cache
        np.copyto(whole, _flow_steps(component), casting="unsafe")
    return _head(_FLOW_MAGIC, fixed.dtype.itemsize, *flow.shape[1:]) + pack_field(fixed)


def decode_flow(payload: bytes) -> Floats:
    """Flow, float32 ``(2, H, W)`` in pixels, as ``quantize_flow`` gives it."""
    itemsize, height, width, body = _open(_FLOW_MAGIC, payload, (2, 4))
    fixed = unpack_field(body, (2, height, width), np.int16 if itemsize == 2 else np.int32)
    flow: Floats = fixed.astype(np.float32)
    flow /= np.float32(FLOW_STEPS_PER_PIXEL)
    return flow


def quantize_flow(flow: Floats) -> Floats:
    """The flow that comes back from the store: to the nearest 1/32 px, halves to even, never -0.0."""
    _flow_range(flow)
    steps = _flow_steps(flow)
    steps /= np.float32(FLOW_STEPS_PER_PIXEL)
    steps += np.float32(0)  # -0.0, which an integer cannot hold, becomes 0.0
    return steps


def _flow_range(flow: Floats) -> tuple[float, float]:
    """The least and the largest number of steps in a flow field. ValueError unless it is one that can be stored."""
    _check(flow, "flow", flow.dtype == np.float32 and flow.ndim == 3 and flow.shape[0] == 2, "float32 (2, H, W)")
    low, high = float(flow.min()), float(flow.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the flow holds values that are not finite")
    if max(-low, high) >= MAX_FLOW:
        raise ValueError(f"the flow reaches {max(-low, high):.0f} pixels; at most {MAX_FLOW:.0f} can be stored")
    return round(low * FLOW_STEPS_PER_PIXEL), round(high * FLOW_STEPS_PER_PIXEL)


def _flow_steps(flow: Floats) -> Floats:
    """Whole numbers of steps, as float32: exact, because the factor is a power of two."""
    steps = flow * np.float32(FLOW_STEPS_PER_PIXEL)
    return np.rint(steps, out=steps)


def encode_frame(frame: Frame) -> bytes:
    """Bytes of a picture, uint8 or uint16 ``(H, W, 3)``, without loss."""
    fits = frame.dtype in (np.uint8, np.uint16) and frame.ndim == 3 and frame.shape[2] == 3
    _check(frame, "frame", fits, "uint8 or uint16 (H, W, 3)")
    planes = frame.transpose(2, 0, 1).copy()
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    return _head(_FRAME_MAGIC, frame.dtype.itemsize, *frame.shape[:2]) + pack_image(planes)


def decode_frame(payload: bytes) -> Frame:
    """A picture, uint8 or uint16 ``(H, W, 3)``, exactly as it was encoded."""
    itemsize, height, width, body = _open(_FRAME_MAGIC, payload, (1, 2))
    planes = unpack_image(body, (3, height, width), np.uint8 if itemsize == 1 else np.uint16)
    frame: Frame = np.empty((height, width, 3), planes.dtype)
    frame[..., 1] = planes[1]
    np.add(planes[0], planes[1], out=frame[..., 0])
    np.add(planes[2], planes[1], out=frame[..., 2])
    return frame


def quantize_frame(frame: Floats, bit_depth: int = 8) -> Frame:
    """A frame, float32 ``(3, H, W)`` in [0, 1], as stored: ``(H, W, 3)``, uint8 or (``bit_depth`` 16) uint16.

    The rule, all in float32: clip to [0, 1], times 255 (or 65535), to the nearest integer, halves to even.
    ValueError for NaN, which has no nearest colour.
    """
    if bit_depth not in (8, 16):
        raise ValueError(f"frames are stored with 8 or 16 bits, not {bit_depth}")
    _check(
        frame,
        "frame",
        frame.dtype == np.float32 and frame.ndim == 3 and frame.shape[0] == 3,
        "float32 (3, H, W)",
    )
    stored: Frame = np.empty((*frame.shape[1:], 3), np.uint8 if bit_depth == 8 else np.uint16)
    for channel, plane in enumerate(frame):  # one at a time: what is worked on stays in the cache
        stored[..., channel] = _levels(plane, 2**bit_depth - 1)
    return stored


def frame_to_float(frame: Frame, planes: bool = True) -> Floats:
    """The frame, float32 ``(3, H, W)`` in [0, 1], that a stored picture stands for: level / 255 (or / 65535).

    ``planes`` False: the colours of a pixel lie side by side in memory, as in what is stored.

    Divide here and not on a GPU, where a division may be a multiplication by the rounded inverse.
    """
    _check(frame, "frame", frame.dtype in (np.uint8, np.uint16) and frame.ndim == 3, "uint8 or uint16 (H, W, 3)")
    top = np.float32(255 if frame.dtype == np.uint8 else 65535)
    if not planes:
        return np.divide(frame, top, dtype=np.float32).transpose(2, 0, 1)
    out = np.empty((3, *frame.shape[:2]), np.float32)
    np.divide(frame.transpose(2, 0, 1), top, out=out, dtype=np.float32)
    return out


def encode_mask(mask: Bytes8) -> bytes:
    """Bytes of a mask, uint8 ``(H, W)``, without loss."""
    _check(mask, "mask", mask.dtype == np.uint8 and mask.ndim == 2, "uint8 (H, W)")
    return _head(_MASK_MAGIC, 1, *mask.shape) + pack_image(np.ascontiguousarray(mask))


def decode_mask(payload: bytes) -> Bytes8:
    """A mask, uint8 ``(H, W)``, exactly as it was encoded."""
    _, height, width, body = _open(_MASK_MAGIC, payload, (1,))
    return unpack_image(body, (height, width), np.uint8)


def quantize_mask(mask: Floats) -> Bytes8:
    """A mask, float32 ``(H, W)`` in [0, 1], as stored: uint8, by the rule of ``quantize_frame``."""
    _check(mask, "mask", mask.dtype == np.float32 and mask.ndim == 2, "float32 (H, W)")
    return _levels(mask, 255).astype(np.uint8)


def mask_to_float(mask: Bytes8) -> Floats:
    """The mask, float32 ``(H, W)`` in [0, 1], that a stored one stands for: level / 255."""
    return np.divide(mask, np.float32(255), dtype=np.float32)


def encode_json(value: object) -> bytes:
    """Canonical JSON:

    the same value gives the same bytes. TypeError or ValueError if JSON cannot say it.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    # ASCII, because a file name that is not valid UTF-8 is text that UTF-8 cannot say.
    return text.encode("ascii")


def decode_json(payload: bytes) -> Any:
    """The value in a JSON payload."""
    try:
        return json.loads(payload)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def encode_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Bytes of named arrays (what a stylizer carries from frame to frame), without loss even of a NaN's bits.

    Numbers and bools of any shape; a picture (uint8 or uint16 ``(H, W, 3)``) is packed as ``encode_frame``
    does.
    """
    table: list[list[object]] = []
    bodies: list[bytes] = []
    for name, array in arrays.items():
        if array.dtype.char not in _ARRAY_TYPES:
            raise ValueError(f"array {name!r} is of type {array.dtype}, which cannot be stored")
        bodies.append(encode_frame(array) if _is_picture(array.shape, array.dtype) else compress(split_bytes(array)))
        table.append([name, array.dtype.newbyteorder("<").str, list(array.shape), len(bodies[-1])])
    head = encode_json(table)
    return b"".join([struct.pack("<4sI", _ARRAYS_MAGIC, len(head)), head, *bodies])


def decode_arrays(payload: bytes) -> Arrays:
    """The named arrays in a payload, in the order in which they were given."""
    if len(payload) < 8 or payload[:4] != _ARRAYS_MAGIC:
        raise ValueError("not a bundle of arrays")
    offset = 8 + int.from_bytes(payload[4:8], "little")
    table = decode_json(payload[8:offset])
    if not isinstance(table, list):
        raise ValueError("a bundle of arrays without its table")
    arrays: Arrays = {}
    for row in table:
        name, dtype, shape, length = _table_row(row)
        arrays[name] = _decode_array(payload[offset : offset + length], dtype, shape)
        offset += length
    if offset != len(payload):
        raise ValueError(f"a bundle of arrays of {len(payload)} bytes whose table says {offset}")
    return arrays


def _table_row(row: object) -> tuple[str, np.dtype[Any], tuple[int, ...], int]:
    match row:
        case [str(name), str(code), list(sides), int(length)] if length >= 0 and len(sides) <= 32:
            shape = tuple(side for side in sides if type(side) is int and 0 <= side < 2**40)
            known = code[:1] in ("<", "|") and code[1:] in {np.dtype(char).str[1:] for char in _ARRAY_TYPES}
            if known and len(shape) == len(sides):
                return name, np.dtype(code).newbyteorder("="), shape, length
    raise ValueError("a bundle of arrays with a malformed table")


def _decode_array(body: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if _is_picture(shape, dtype):
        frame = decode_frame(body)
        if frame.shape != shape or frame.dtype != dtype:
            raise ValueError("a picture that differs from its table")
        return frame
    return join_bytes(decompress(body, math.prod(shape) * dtype.itemsize), dtype).reshape(shape)


def _is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    sides = len(shape) == 3 and shape[2] == 3 and 0 < shape[0] <= MAX_SIDE and 0 < shape[1] <= MAX_SIDE
    return dtype in (np.uint8, np.uint16) and sides and shape[0] * shape[1] <= MAX_PIXELS


def _levels(values: Floats, top: int) -> Floats:
    """Whole numbers 0..top as float32, for values in [0, 1]."""
    levels = np.clip(values, np.float32(0), np.float32(1))
    if np.isnan(levels.max()):
        raise ValueError("the picture holds values that are not numbers")
    levels *= np.float32(top)
    return np.rint(levels, out=levels)


def _check(array: npt.NDArray[Any], what: str, fits: bool, wanted: str) -> None:
    if not fits or array.size == 0:
        raise ValueError(f"a {what} must be {wanted} and not empty, not {array.dtype} {array.shape}")


def _head(magic: bytes, itemsize: int, height: int, width: int) -> bytes:
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise ValueError(f"{width}x{height} is too large to be stored")
    return _HEAD.pack(magic, itemsize, height, width)


def _open(magic: bytes, payload: bytes, itemsizes: tuple[int, ...]) -> tuple[int, int, int, bytes]:
    """Bytes per sample, height, width and packed body of a payload of the kind ``magic``."""
    if len(payload) < _HEAD.size:
        raise ValueError(f"only {len(payload)} bytes")
    found, itemsize, height, width = _HEAD.unpack_from(payload)
    if found != magic or itemsize not in itemsizes:
        raise ValueError(f"not a payload of the kind {magic.decode()}")
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise ValueError(f"an impossible size, {width}x{height}")
    return itemsize, height, width, payload[_HEAD.size :]


FLOW: Codec[Floats] = Codec("flow", encode_flow, decode_flow)
FRAME: Codec[Frame] = Codec("frame", encode_frame, decode_frame)
MASK: Codec[Bytes8] = Codec("mask", encode_mask, decode_mask)
JSON: Codec[Any] = Codec("json", encode_json, decode_json)
ARRAYS: Codec[Arrays] = Codec("arrays", encode_arrays, decode_arrays)
