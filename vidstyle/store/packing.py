"""Integer arrays to few bytes and back, without loss: 2-D delta, zigzag, byte planes, zstd.

Measured on eight DIS medium flow fields of 1920x1080 in steps of 1/32 px (mean MB and ms per direction on one
core, prediction and zstd, without the rounding):

===================  ==============================  ==================================
prediction           int16 as it is, zstd 1          zigzag, byte planes apart, zstd 1
===================  ==============================  ==================================
none                 2.82 MB, 15 ms                  2.27 MB, 12 ms
left                 1.86 MB, 17 ms                  1.49 MB, 13 ms
above                1.60 MB, 15 ms                  1.32 MB, 12 ms
left, then above     1.40 MB, 15 ms                  **1.08 MB, 12 ms**
median (LOCO-I)      1.49 MB, 23 ms                  1.16 MB, 19 ms (and no vectorised way back)
===================  ==============================  ==================================

Byte planes without the zigzag are worse than none (1.66 MB: the sign fills the high plane). Other zstd
levels: -1 1.37 MB in the same time, 3 1.09 MB and 16 ms, 6 1.04 MB and 44 ms. Interpolating from a coarser
grid, second differences and sorting by parity came out between 1.08 and 1.14 MB. zstd's own threads are not
used: whole stages run beside each other, and one thread gives the same bytes everywhere. Frames and masks:
see ``codecs``.

Seven of the eight fields take 0.12 to 1.41 MB; Sintel's temple_3, upscaled, with a mean motion of 105 px,
1.85 MB.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

Integers = npt.NDArray[Any]

LEVEL = 1
# A zstd block holds at most 128 KiB and takes at least 4 bytes (its header and one repeated byte). A payload
# that claims more than that is not ours, and must not make us reserve the memory that it claims.
_MOST_PER_BYTE = 128 * 1024 // 4
_SIGNED = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def compress(raw: bytes) -> bytes:
    """One zstd frame with its content size in it; the same bytes for the same input."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(raw)


def decompress(packed: bytes, size: int) -> bytes:
    """The ``size`` bytes in ``packed``; ValueError if it is damaged or holds any other number of bytes."""
    if size > _MOST_PER_BYTE * len(packed):
        raise ValueError(f"{len(packed)} bytes cannot hold {size}")
    try:
        claimed = zstandard.frame_content_size(packed)
        if claimed != size:
            raise ValueError(f"holds {claimed} bytes instead of {size}")
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"not valid zstd data: {error}") from error


def delta(array: Integers) -> Integers:
    """Differences along rows and then along columns of ``(..., H, W)``, modulo the type's range."""
    out = array.copy()
    out[..., :, 1:] -= array[..., :, :-1]
    out[..., 1:, :] -= out[..., :-1, :].copy()
    return out


def undelta(array: Integers) -> Integers:
    """The inverse of ``delta``; works in place and returns its argument."""
    for row in range(1, array.shape[-2]):  # half the time of accumulate along this axis
        array[..., row, :] += array[..., row - 1, :]
    np.add.accumulate(array, axis=-1, dtype=array.dtype, out=array)
    return array


def split_bytes(array: Integers) -> bytes:
    """All first bytes of the little-endian items, then all second bytes, and so on."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little.view(np.uint8).reshape(-1, array.dtype.itemsize).T).tobytes()


def join_bytes(raw: bytes, dtype: np.dtype[Any]) -> Integers:
    """The inverse of ``split_bytes``: a new, writable, flat array in the machine's byte order."""
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, len(raw) // dtype.itemsize)
    items = np.empty(planes.shape[::-1], np.uint8)
    for place, plane in enumerate(planes):  # six times faster than a transposed copy
        items[:, place] = plane
    return items.view(dtype.newbyteorder("<")).reshape(-1).astype(dtype, copy=False)


def pack_image(array: Integers) -> bytes:
    """Pack integers ``(..., H, W)`` of 1, 2 or 4 bytes without loss. Shape and type are not in the result."""
    itemsize = array.dtype.itemsize
    step = delta(array.view(_UNSIGNED[itemsize]))
    if itemsize == 1:
        return compress(step.tobytes())
    signed = step.view(_SIGNED[itemsize])
    return compress(split_bytes((signed << 1) ^ (signed >> (8 * itemsize - 1))))


def unpack_image(packed: bytes, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Integers:
    """The array that ``pack_image`` was given, new and writable.

    ValueError if it does not fit shape and type.
    """
    wanted = np.dtype(dtype)
    raw = decompress(packed, math.prod(shape) * wanted.itemsize)
    unsigned = np.dtype(_UNSIGNED[wanted.itemsize])
    if wanted.itemsize == 1:
        step = np.frombuffer(raw, unsigned).copy()
    else:
        folded = join_bytes(raw, unsigned)
        step = (folded >> 1) ^ (0 - (folded & 1))
    return undelta(step.reshape(shape)).view(wanted)
