"""Pictures as they are meant: the profile that is made here exchanges red and green."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import png
import pytest
from PIL import Image, ImageCms

from vidstyle.errors import InputError
from vidstyle.media import probe, read_frames, scan, stills
from vidstyle.media.stills import as_seen, in_srgb
from vidstyle.pipeline import images
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.masks import read_picture


def exchanged_profile() -> bytes:
    """sRGB's own, with the names of its red and green primaries exchanged, and called something else."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, other in ((b"rXYZ", b"????"), (b"gXYZ", b"rXYZ"), (b"????", b"gXYZ")):
        profile = profile.replace(name, other)
    return profile.replace("sRGB".encode("utf-16-be"), "Mine".encode("utf-16-be"))


def picture(mode: str = "RGB") -> Image.Image:
    levels = np.random.default_rng(4).integers(30, 226, (24, 32, len(mode)), dtype=np.uint8)
    return Image.fromarray(levels, mode)


def exchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., [1, 0, 2, *range(3, pixels.shape[2])]].astype(int)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_of_the_profile_and_transparency_stays(mode: str) -> None:
    stored = picture(mode)
    stored.info["icc_profile"] = exchanged_profile()
    found = np.asarray(in_srgb(stored)).astype(int)
    np.testing.assert_allclose(found, exchanged(np.asarray(stored)), atol=2)
    np.testing.assert_array_equal(found[..., 3:], np.asarray(stored)[..., 3:])


@pytest.mark.parametrize(
    "profile",
    [None, b"damaged", b"", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()],
    ids=["none", "damaged", "empty", "sRGB"],
)
def test_without_a_profile_or_with_that_of_srgb_not_a_bit_changes(profile: bytes | None) -> None:
    stored = picture()
    if profile is not None:
        stored.info["icc_profile"] = profile
    assert in_srgb(stored) is stored


def test_a_profile_that_does_not_fit_the_picture_is_left_out() -> None:
    grey = picture().convert("I;16")
    grey.info["icc_profile"] = exchanged_profile()
    assert in_srgb(grey) is grey


def test_styles_and_frames_are_read_so(tmp_path: Path) -> None:
    stored = picture()
    stored.save(tmp_path / "wide.png", icc_profile=exchanged_profile())
    wanted = exchanged(np.asarray(stored))
    style = read_image(tmp_path / "wide.png").transpose(1, 2, 0) * 255
    np.testing.assert_allclose(style, wanted, atol=2)
    movie = probe(tmp_path / "wide.png")
    (frame,) = [pixels for _, pixels in read_frames(movie, scan(movie), 0, 1, (32, 24))]
    np.testing.assert_allclose(frame, wanted, atol=2)


def test_of_deep_pictures_it_is_said_that_the_profile_is_left_out(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (24, 32, 3), dtype=np.uint16)
    for profile in (exchanged_profile(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        file = (tmp_path / "deep.png").open("wb")
        with file:
            writer = png.Writer(32, 24, greyscale=False, bitdepth=16)
            writer.write(file, deep.reshape(24, -1))
        data = (tmp_path / "deep.png").read_bytes()
        (tmp_path / "deep.png").write_bytes(with_chunk(data, b"mine\0\0" + zlib.compress(profile)))
        said = any("profile is left out" in note for note in probe(tmp_path / "deep.png").notes)
        assert said == (profile == exchanged_profile())


def with_chunk(file: bytes, content: bytes) -> bytes:
    """A PNG with a chunk iCCP after its header."""
    body = b"iCCP" + content
    chunk = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return file[:33] + chunk + file[33:]


def test_palettes_have_profiles_too(tmp_path: Path) -> None:
    stored = picture().quantize(8)
    stored.save(tmp_path / "few.png", icc_profile=exchanged_profile())
    wanted = exchanged(np.asarray(stored.convert("RGB")))
    np.testing.assert_allclose(read_image(tmp_path / "few.png").transpose(1, 2, 0) * 255, wanted, atol=2)


def test_what_a_profile_is_called_does_not_count() -> None:
    stored = picture()
    stored.info["icc_profile"] = exchanged_profile().replace("Mine".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    np.testing.assert_allclose(np.asarray(in_srgb(stored)).astype(int), exchanged(np.asarray(stored)), atol=2)


def test_grey_of_16_bits_is_scaled_and_not_cut_off(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32 * 24).round().astype(np.uint16).reshape(24, 32)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    with Image.open(tmp_path / "deep.png") as stored:
        assert stored.mode.startswith("I;16")
        np.testing.assert_allclose(np.asarray(as_seen(stored).convert("L")), ramp / 257, atol=0.5)
    style = read_image(tmp_path / "deep.png")
    np.testing.assert_allclose(style, np.broadcast_to(ramp / 65535, (3, 24, 32)), atol=0.5 / 255 + 1e-6)
    mask = read_picture(tmp_path / "deep.png", (32, 24))
    np.testing.assert_allclose(mask, ramp / 257, atol=0.5)


@pytest.mark.parametrize("most", [400, 100])  # of the 768 pixels: where Pillow warns, and where it refuses
@pytest.mark.filterwarnings("error")
def test_pictures_may_be_larger_than_pillow_expects(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    assert read_image(tmp_path / "large.png").shape == (3, 24, 32)
    assert read_picture(tmp_path / "large.png", (32, 24)).shape == (24, 32)
    assert len(scan(probe(tmp_path / "large.png"))) == 1
    assert most == Image.MAX_IMAGE_PIXELS  # a program that calls us has its own


def test_absurd_pictures_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(path := tmp_path / "large.png")
    monkeypatch.setattr(stills, "MOST_PIXELS", 767)
    for read in (read_image, probe, lambda path: read_picture(path, (32, 24))):
        with pytest.raises(InputError, match=r"large.png has 32×24 pixels: give a picture of at most"):
            read(path)


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_huge_pictures_are_reduced_before_anything_else(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = np.zeros((64, 160, 3), np.uint8)
    levels[:, 80:] = 255
    exif = Image.Exif()
    exif[274] = 6  # turned
    Image.fromarray(levels).convert(mode).save(tmp_path / "huge.png", exif=exif)
    monkeypatch.setattr(images, "HUGE", 1000)
    monkeypatch.setattr(images, "LONGEST_SIDE", 40)
    found = read_image(tmp_path / "huge.png")
    assert found.shape == (3, 40, 16)
    assert found[:, :18].max() < 0.1 and found[:, 22:].min() > 0.9
