"""What is stored is what ``quantize_*`` gives, bit for bit; damaged payloads are only ever a ValueError."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vidstyle import store
from vidstyle.store import codecs

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (33, 17), (54, 96), (101, 203)]
Array = npt.NDArray[Any]


def same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def flows(height: int, width: int) -> dict[str, Array]:
    rng = np.random.default_rng(height * 1000 + width)
    shape = (2, height, width)
    smooth = np.cumsum(rng.normal(0, 0.1, shape), axis=2)
    halves = rng.integers(-200, 200, shape) / 64  # exactly between two steps
    edge = rng.choice([1023.96, 1023.98, 1023.99, 1024.0, 1024.01, -1023.99, -1024.0, -1024.01, -1024.02], shape)
    bits = rng.integers(0, 2**32, shape, dtype=np.uint32).view(np.float32)
    found = {
        "smooth": smooth,
        "noise": rng.normal(0, 30, shape),
        "halves": halves,
        "edge of int16": edge,
        "wide": rng.normal(0, 1e5, shape),
        "extreme": rng.choice([np.nextafter(np.float32(2**26), np.float32(0)), -67_108_000.0, 1e-45, -1e-45], shape),
        "any bits": np.where(np.abs(bits) < 2**26, bits, np.float32(0)),  # drops NaN too
        "minus zero": np.full(shape, -0.0),
        "just below zero": np.full(shape, -0.01),
    }
    return {name: flow.astype(np.float32) for name, flow in found.items()}


@pytest.mark.parametrize("size", SIZES)
def test_flow_comes_back_as_quantised(size: tuple[int, int]) -> None:
    for name, flow in flows(*size).items():
        before = flow.copy()
        stored = store.decode_flow(store.encode_flow(flow))
        quantised = store.quantize_flow(flow)
        assert same(stored, quantised), name
        assert same(store.quantize_flow(quantised), quantised), name
        assert same(flow, before), name
        assert np.abs(stored.astype(np.float64) - flow).max() <= 1 / 64, name
        assert stored.flags.writeable


def test_flow_takes_two_bytes_where_they_do() -> None:
    flow = np.zeros((2, 1, 2), np.float32)
    for value, itemsize in [(1023.96, 2), (-1024.0, 2), (1023.99, 4), (-1024.02, 4)]:
        flow[0, 0, 0] = value
        assert struct.unpack_from("<4sI", store.encode_flow(flow))[1] == itemsize


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**26, -(2.0**26), 3e38])
def test_flow_that_is_not_flow_is_refused(value: float) -> None:
    flow = np.zeros((2, 3, 4), np.float32)
    flow[1, 2, 3] = value
    for function in (store.encode_flow, store.quantize_flow):
        with pytest.raises(ValueError, match="flow"):
            function(flow)


def test_flow_of_any_memory_order() -> None:
    flow = np.random.default_rng(0).normal(0, 9, (13, 11, 2)).astype(np.float32).transpose(2, 0, 1)[:, ::-1]
    assert same(store.decode_flow(store.encode_flow(flow)), np.ascontiguousarray(store.quantize_flow(flow)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", SIZES)
def test_frames_are_lossless(size: tuple[int, int], dtype: type) -> None:
    rng = np.random.default_rng(1)
    top = int(np.iinfo(dtype).max)
    for values in (
        rng.integers(0, top + 1, (*size, 3)),
        rng.choice([0, top], (*size, 3)),
        np.full((*size, 3), top),
    ):
        frame: Array = values.astype(dtype)
        assert same(store.decode_frame(store.encode_frame(frame)), frame)
        assert same(store.decode_frame(store.encode_frame(frame[::-1, ::-1])), np.ascontiguousarray(frame[::-1, ::-1]))


@pytest.mark.parametrize("size", SIZES)
def test_masks_are_lossless(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    for values in (rng.integers(0, 256, size), rng.choice([0, 255], size), np.zeros(size)):
        mask = values.astype(np.uint8)
        assert same(store.decode_mask(store.encode_mask(mask)), mask)
        assert same(store.decode_mask(store.encode_mask(mask.T)), np.ascontiguousarray(mask.T))


@pytest.mark.parametrize("depth", [8, 16])
def test_every_level_survives_float(depth: int) -> None:
    top = 2**depth - 1
    levels = np.arange(top + 1).astype(np.uint8 if depth == 8 else np.uint16)
    frame = np.stack([levels, levels[::-1], np.roll(levels, 7)], axis=-1)[None]
    as_float = store.frame_to_float(frame)
    assert as_float.dtype == np.float32 and as_float.shape == (3, 1, top + 1)
    assert (as_float[0, 0] == (np.arange(top + 1) / top).astype(np.float32)).all()
    assert same(store.quantize_frame(as_float, depth), frame)
    interleaved = store.frame_to_float(frame, planes=False)
    assert (interleaved == as_float).all() and interleaved.transpose(1, 2, 0).flags.c_contiguous
    if depth == 8:
        assert same(store.quantize_mask(store.mask_to_float(levels[None])), levels[None])


def test_the_rule_of_rounding() -> None:
    # 0.5 / 255 and so on are exact halves only where float32 says so; 0.5 is one: 127.5 goes to the even 128.
    values = np.array([-1, -0.0, 0, 0.4 / 255, 0.6 / 255, 0.5, 1, 1 + 1e-6, 7, np.inf, -np.inf], np.float32)
    wanted = [0, 0, 0, 0, 1, 128, 255, 255, 255, 255, 0]
    frame = np.broadcast_to(values, (3, 1, values.size)).copy()
    assert store.quantize_frame(frame)[0, :, 0].tolist() == wanted
    assert store.quantize_mask(values[None]).tolist() == [wanted]
    assert store.quantize_frame(frame, 16)[0, 5].tolist() == [32768] * 3
    assert frame.tobytes() == np.broadcast_to(values, (3, 1, values.size)).tobytes()


def test_what_is_no_picture_is_refused() -> None:
    good = np.zeros((3, 2, 2), np.float32)
    nan = np.full((3, 2, 2), np.nan, np.float32)
    for call in (
        lambda: store.quantize_frame(nan),
        lambda: store.quantize_mask(nan[0]),
        lambda: store.quantize_frame(good, 10),
        lambda: store.quantize_frame(good.astype(np.float64)),
        lambda: store.quantize_frame(good[:2]),
        lambda: store.encode_frame(np.zeros((2, 2), np.uint8)),
        lambda: store.encode_frame(np.zeros((0, 2, 3), np.uint8)),
        lambda: store.encode_frame(np.zeros((2, 2, 3), np.float32)),  # type: ignore[arg-type]
        lambda: store.encode_mask(np.zeros((2, 2), np.bool_)),
        lambda: store.encode_mask(np.zeros((1, 65536), np.uint8)),
        lambda: store.encode_flow(np.zeros((3, 2, 2), np.float32)),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()


def bundle() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    nans = rng.integers(0, 2**32, (5, 6), dtype=np.uint32).view(np.float32).copy()
    nans[0, 0] = np.nan
    return {
        "frame": rng.integers(0, 256, (8, 9, 3)).astype(np.uint8),
        "deep frame": rng.integers(0, 65536, (8, 9, 3)).astype(np.uint16),
        "gram": rng.normal(size=(2, 3, 4, 5)).astype(np.float32),
        "half": rng.normal(size=(3,)).astype(np.float16),
        "any bits": nans,
        "scalar": np.array(3.5),
        "empty": np.zeros((0, 4), np.int64),
        "empty frame": np.zeros((0, 4, 3), np.uint8),
        "flags": np.array([True, False]),
        "order": np.arange(12).reshape(3, 4).T,
        "big endian": np.arange(4, dtype=">i4"),
    }


def test_arrays_come_back() -> None:
    arrays = bundle()
    found = store.decode_arrays(store.encode_arrays(arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
        assert same(found[name], native), name
        assert found[name].flags.writeable, name
    assert store.decode_arrays(store.encode_arrays({})) == {}
    assert store.encode_arrays(arrays) == store.encode_arrays(arrays)


def test_only_numbers_go_into_arrays() -> None:
    for array in (np.array([object()]), np.array(["a"]), np.array([1j]), np.zeros(2, [("a", int)])):
        with pytest.raises(ValueError, match="cannot be stored"):
            store.encode_arrays({"a": array})


def test_json_is_canonical() -> None:
    value = {"b": [1, 2.5, None, "ü", "not UTF-8: \udcff"], "a": {"x": True}}
    assert store.decode_json(store.encode_json(value)) == value
    assert store.encode_json({"b": 1, "a": 2}) == store.encode_json({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="JSON"):
        store.encode_json(float("nan"))
    for wrong in (b"", b"{", b"\xff\xfe\xfd", b"[" * 1_000_000):
        with pytest.raises(ValueError, match=r"."):
            store.decode_json(wrong)


FRAME = np.random.default_rng(4).integers(0, 256, (20, 30, 3)).astype(np.uint8)
PAYLOADS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "flow": (store.encode_flow(FRAME[..., :2].transpose(2, 0, 1).astype(np.float32)), store.decode_flow),
    "frame": (store.encode_frame(FRAME), store.decode_frame),
    "mask": (store.encode_mask(FRAME[..., 0]), store.decode_mask),
    "arrays": (store.encode_arrays(bundle()), store.decode_arrays),
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_damaged_payloads_raise_only_value_error(kind: str) -> None:
    payload, decode = PAYLOADS[kind]
    rng = random.Random(kind)
    damaged = [payload[:n] for n in (0, 1, 4, 15, 16, 17, 30, len(payload) - 1)] + [
        payload + b"x",
        b"\0" * 100,
    ]
    for wrong in damaged:
        with pytest.raises(ValueError, match=r"."):
            decode(wrong)
    for _ in range(500):
        flipped = bytearray(payload)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(40) if rng.random() < 0.5 else rng.randrange(len(flipped))
            flipped[place] ^= 1 << rng.randrange(8)
        with contextlib.suppress(ValueError):  # without a checksum, a flipped colour is no error here
            decode(bytes(flipped))


def test_a_small_payload_reserves_little_memory() -> None:
    body = PAYLOADS["mask"][0][16:]
    huge = [
        struct.pack("<4sIII", magic, size, 16384, 16384) + body
        for magic in (b"VSfl", b"VSfr", b"VSma")
        for size in (1, 2, 4)
    ]
    huge.append(struct.pack("<4sI", b"VSar", 31) + b'[["a","<f8",[1099511627,1],999]]' + body)
    huge.append(struct.pack("<4sI", b"VSar", 2**32 - 1) + body)
    tracemalloc.start()
    try:
        for payload in huge:
            for decode in (store.decode_flow, store.decode_frame, store.decode_mask, store.decode_arrays):
                with pytest.raises(ValueError, match=r"."):
                    decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 32e6
    finally:
        tracemalloc.stop()


def test_highly_compressible_pictures_are_not_taken_for_bombs() -> None:
    frame = np.zeros((2160, 3840, 3), np.uint8)
    assert len(store.encode_frame(frame)) < 5000
    assert same(store.decode_frame(store.encode_frame(frame)), frame)


def test_codecs_are_named_apart() -> None:
    every: list[codecs.Codec[Any]] = [codecs.FLOW, codecs.FRAME, codecs.MASK, codecs.JSON, codecs.ARRAYS]
    assert len({codec.name for codec in every}) == len(every)


def test_flow_of_a_1080p_frame_is_small(data: Any) -> None:
    cv2 = pytest.importorskip("cv2")
    folder = data / "flow" / "sintel" / "alley_1"
    grey = [cv2.imread(str(folder / f"frame_000{n}.png"), cv2.IMREAD_GRAYSCALE) for n in (2, 3)]
    large = [cv2.resize(image, (1920, 1080), interpolation=cv2.INTER_CUBIC) for image in grey]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*large, None).transpose(2, 0, 1)
    assert len(store.encode_flow(flow)) < 1.5e6
