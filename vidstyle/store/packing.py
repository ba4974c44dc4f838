"""Integer arrays to few bytes and back, without loss: differences of neighbours, then a general compressor.

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
used: whole stages run beside each other, and one thread gives the same bytes everywhere.

Only matches of at least 7 bytes are looked for, in a table of 128: differences hardly ever repeat but by chance,
and looking for that costs more than it saves (a frame of 640x360: 2.3 ms and 0.266 MB with level 1 as it is,
1.35 ms and 0.255 MB like this).

Flow, of which there are two fields a frame, is packed by bit planes and LZ4 (Blosc) instead: 8.1 ms and 1.32 MB
for a film at 1920x1080 against 16.8 ms and 0.98 MB, and back in half the time. Pictures would take two thirds
more bytes than by zstd, deep ones twice as many. Frames and masks: see ``codecs``.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard
from numcodecs import blosc

Integers = npt.NDArray[Any]

LEVEL, MIN_MATCH, HASH_LOG = 1, 7, 7
# A zstd block holds at most 128 KiB and takes at least 4 bytes (its header and one repeated byte). A payload
# that claims more than that is not ours, and must not make us reserve the memory that it claims.
_MOST_PER_BYTE = 128 * 1024 // 4
_BLOSC_HEAD = struct.Struct("<4xI4xI")  # how many bytes are in it, and how many it is
# LZ4 writes at least one byte for 255; Blosc puts a header of 16 before all.
_MOST_PER_BYTE_LZ4 = 256
blosc.use_threads = False  # of Blosc's own: what is packed is packed beside other work, in several threads at once
_SIGNED = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def compress(raw: bytes | memoryview) -> bytes:
    """One zstd frame with its content size in it; the same bytes for the same input."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=memoryview(raw).nbytes, min_match=MIN_MATCH, hash_log=HASH_LOG
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(raw)


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


def delta(plane: Integers, out: Integers, scratch: Integers) -> None:
    """Differences along rows and then along columns of ``(H, W)``, modulo the type's range, into ``out``."""
    scratch[:, :1] = plane[:, :1]
    np.subtract(plane[:, 1:], plane[:, :-1], out=scratch[:, 1:])
    out[:1] = scratch[:1]
    np.subtract(scratch[1:], scratch[:-1], out=out[1:])


def undelta(array: Integers) -> Integers:
    """The inverse of ``delta``; works in place and returns its argument."""
    for row in range(1, array.shape[-2]):  # half the time of accumulate along this axis
        array[..., row, :] += array[..., row - 1, :]
    np.add.accumulate(array, axis=-1, dtype=array.dtype, out=array)
    return array


def split_bytes(array: Integers) -> memoryview:
    """All first bytes of the little-endian items, then all second bytes, and so on."""
    itemsize = array.dtype.itemsize
    if itemsize == 2:  # as the values that they are: a fifth of the time of a transposed copy
        items = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).view(np.uint16).reshape(-1)
        planes = np.empty((2, items.size), np.uint8)
        np.copyto(planes[0], items, casting="unsafe")
        np.right_shift(items, 8, out=planes[1], casting="unsafe")
    else:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        planes = np.ascontiguousarray(little.view(np.uint8).reshape(-1, itemsize).T)
    return planes.reshape(-1).data


def join_bytes(raw: bytes, dtype: np.dtype[Any]) -> Integers:
    """The inverse of ``split_bytes``: a new, writable, flat array in the machine's byte order."""
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, len(raw) // dtype.itemsize)
    if dtype.itemsize == 2:
        values = planes[1].astype(np.uint16)
        values <<= 8
        values |= planes[0]
        return values.view(dtype)
    items = np.empty(planes.shape[::-1], np.uint8)
    for place, plane in enumerate(planes):  # six times faster than a transposed copy
        items[:, place] = plane
    return items.view(dtype.newbyteorder("<")).reshape(-1).astype(dtype, copy=False)


def fold(array: Integers) -> Integers:
    """Differences of neighbours in integers ``(..., H, W)``; beyond a byte, the small ones of both signs first."""
    *_, height, width = array.shape
    itemsize = array.dtype.itemsize
    unsigned = array.view(_UNSIGNED[itemsize]).reshape(-1, height, width)
    folded, scratch = np.empty_like(unsigned), np.empty_like(unsigned[0])
    for plane, out in zip(unsigned, folded, strict=True):  # one at a time: what is worked on stays in the cache
        delta(plane, out, scratch)
        if itemsize > 1:
            sign = out.view(_SIGNED[itemsize])
            np.left_shift(out, 1, out=scratch)
            sign >>= 8 * itemsize - 1
            out ^= scratch
    return folded


def unfold(folded: Integers, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Integers:
    """The inverse of ``fold``; ``folded`` may be changed."""
    step = folded if dtype.itemsize == 1 else (folded >> 1) ^ (0 - (folded & 1))
    return undelta(step.reshape(shape)).view(dtype)


def pack_image(array: Integers) -> bytes:
    """Pack integers ``(..., H, W)`` of 1, 2 or 4 bytes without loss. Shape and type are not in the result."""
    return compress(split_bytes(fold(array)))


def unpack_image(packed: bytes, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Integers:
    """The array that ``pack_image`` was given, new and writable.

    ValueError if it does not fit shape and type.
    """
    wanted = np.dtype(dtype)
    raw = decompress(packed, math.prod(shape) * wanted.itemsize)
    return unfold(join_bytes(raw, np.dtype(_UNSIGNED[wanted.itemsize])), shape, wanted)


def pack_field(array: Integers) -> bytes:
    """As ``pack_image``, for fields of integers of 2 or 4 bytes that change slowly: faster, and larger."""
    return bytes(blosc.compress(fold(array), b"lz4", 1, blosc.BITSHUFFLE))


def unpack_field(packed: bytes, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Integers:
    """The array that ``pack_field`` was given, new and writable. ValueError if it does not fit shape and type."""
    wanted = np.dtype(dtype)
    size = math.prod(shape) * wanted.itemsize
    if size > _MOST_PER_BYTE_LZ4 * len(packed):
        raise ValueError(f"{len(packed)} bytes cannot hold {size}")
    if len(packed) < _BLOSC_HEAD.size or _BLOSC_HEAD.unpack_from(packed) != (size, len(packed)):
        raise ValueError(f"not {size} bytes packed by Blosc")
    folded = np.empty(math.prod(shape), _UNSIGNED[wanted.itemsize])
    try:
        blosc.decompress(packed, folded)
    except RuntimeError as error:
        raise ValueError(f"not valid Blosc data: {error}") from error
    return unfold(folded, shape, wanted)
