"""What each type of movie file can hold, and how each encoder is asked. A new one is one more line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidstyle.errors import OutputError
from vidstyle.media.ffmpeg import Ffmpeg, encoders


@dataclass(frozen=True)
class Container:
    """One type of movie file. Codec names are ffmpeg's canonical ones."""

    muxer: str
    video: tuple[str, ...]  # codecs that it holds, the usual one first
    audio: frozenset[str] | None  # codecs that can be copied into it; None: any
    audio_encoders: tuple[str, ...]  # for the others, in order of preference
    subtitles: frozenset[str]  # codecs that can be copied
    subtitle_encoder: str  # what other text subtitles become
    is_mov: bool = False  # of the mp4 family: time scales, faststart
    attachments: bool = False  # fonts


_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "mp2", "opus"})
_MOV_AUDIO = _MP4_AUDIO - {"opus"} | {
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_u8", "adpcm_ima_qt",
}  # fmt: skip
_MP4_VIDEO = ("h264", "hevc", "av1", "vp9", "mpeg4")
_MKV_SUBTITLES = frozenset({"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"})

CONTAINERS = {
    ".mp4": Container("mp4", _MP4_VIDEO, _MP4_AUDIO, ("aac",), frozenset({"mov_text"}), "mov_text", True),
    ".m4v": Container("mp4", _MP4_VIDEO, _MP4_AUDIO, ("aac",), frozenset({"mov_text"}), "mov_text", True),
    ".mov": Container(
        "mov",
        ("h264", "hevc", "prores", "mpeg4"),
        _MOV_AUDIO,
        ("aac",),
        frozenset({"mov_text"}),
        "mov_text",
        True,
    ),
    ".mkv": Container(
        "matroska",
        ("h264", "hevc", "av1", "vp9", "mpeg4", "prores", "ffv1"),
        None,
        ("aac",),
        _MKV_SUBTITLES,
        "subrip",
        attachments=True,
    ),
    ".webm": Container(
        "webm",
        ("vp9", "av1"),
        frozenset({"opus", "vorbis"}),
        ("libopus", "libvorbis"),
        frozenset({"webvtt"}),
        "webvtt",
    ),
}
TEXT_SUBTITLES = frozenset({"mov_text", "subrip", "ass", "ssa", "webvtt", "text"})

THREADS = 4  # fixed, so that the same frames give the same bytes on every machine


@dataclass(frozen=True)
class Encoder:
    """How one of ffmpeg's video encoders is asked for good quality."""

    codec: str  # canonical name of what it makes
    crf: int | None  # its usual constant quality; None: it has no such scale
    preset: str | None = None
    options: dict[str, str | int] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    deep_pix_fmt: str | None = "yuv420p10le"  # one that keeps 10 bits; None: it has none, or nobody knows
    even: bool = True  # sizes must be whole numbers of chroma samples
    rate_option: str | None = None  # a codec-private option that takes "fps=N/D"
    quality: tuple[str, ...] = ("crf",)  # the options that the constant quality goes into
    scale: Callable[[float], float] = float  # from --crf, where lower is better, to their scale
    hardware: bool = False


ENCODERS = {
    "libx264": Encoder("h264", 18, "medium", rate_option="x264-params"),
    "libopenh264": Encoder("h264", None, options={"b:v": "12M"}, deep_pix_fmt=None),
    "libx265": Encoder("hevc", 20, "medium", {"x265-params": "log-level=error:pools=4:frame-threads=2"}),
    "libvpx-vp9": Encoder("vp9", 24, None, {"b:v": 0, "deadline": "good", "cpu-used": 2, "row-mt": 1}, even=False),
    "libsvtav1": Encoder("av1", 28, "8", {"svtav1-params": "lp=4"}, even=True),
    "libaom-av1": Encoder("av1", 26, None, {"b:v": 0, "cpu-used": 6, "row-mt": 1}, even=False),
    "prores_ks": Encoder("prores", None, options={"profile:v": 3}, pix_fmt="yuv422p10le"),
    "ffv1": Encoder("ffv1", None, options={"level": 3}, pix_fmt="yuv444p", deep_pix_fmt="yuv444p10le", even=False),
    "mpeg4": Encoder("mpeg4", None, options={"q:v": 2}, deep_pix_fmt=None),
}
# Hardware, each with a quality about that of the software above; taken only by its name. Which of them work, only the
# machine tells (see check_encoder).
_NVENC: dict[str, str | int] = {"rc": "vbr", "b:v": 0, "tune": "hq"}
_QSV: dict[str, Any] = {"pix_fmt": "nv12", "quality": ("global_quality",), "hardware": True}
_AMF: dict[str, Any] = {"options": {"rc": "cqp"}, "pix_fmt": "nv12", "quality": ("qp_i", "qp_p"), "hardware": True}
_APPLE: dict[str, Any] = {
    "quality": ("q:v",),
    "scale": lambda crf: max(1, round(100 - crf * 100 / 51)),  # its scale runs from 1 to 100, the best
    "hardware": True,
}
ENCODERS |= {
    "h264_nvenc": Encoder("h264", 20, "p5", _NVENC, quality=("cq",), hardware=True),
    "hevc_nvenc": Encoder("hevc", 22, "p5", _NVENC, quality=("cq",), hardware=True),
    "av1_nvenc": Encoder("av1", 30, "p5", _NVENC, quality=("cq",), hardware=True),
    "h264_qsv": Encoder("h264", 20, "medium", **_QSV),
    "hevc_qsv": Encoder("hevc", 22, "medium", **_QSV),
    "av1_qsv": Encoder("av1", 30, "medium", **_QSV),
    "h264_amf": Encoder("h264", 20, "quality", **_AMF),
    "hevc_amf": Encoder("hevc", 22, "quality", **_AMF),
    "av1_amf": Encoder("av1", 30, "quality", **_AMF, scale=lambda crf: 4 * crf),
    "h264_videotoolbox": Encoder("h264", 20, **_APPLE),
    "hevc_videotoolbox": Encoder("hevc", 22, **_APPLE),
}
# Encoders that take frames on the graphics card only, under a name that ends so.
ON_CARD = ("_vaapi", "_vulkan", "_d3d12va")

ALIASES = {
    "avc": "h264",
    "h265": "hevc",
    "x264": "libx264",
    "x265": "libx265",
    "vp9": "vp9",
    "prores": "prores",
}


def container_of(path: Path) -> Container:
    """By the ending of the name, which must be one of CONTAINERS."""
    return CONTAINERS[path.suffix.lower()]


def choose_encoder(program: Ffmpeg, container: Container, codec: str) -> tuple[str, list[str]]:
    """(ffmpeg's encoder, notes) for "auto", a codec ("h264", "vp9") or an encoder ("libx264").

    Raises OutputError when this ffmpeg lacks it or the container does not hold it.
    """
    available = encoders(program)
    codec = ALIASES.get(codec, codec)
    if codec.endswith(ON_CARD):
        raise OutputError(f"{codec} takes frames from the graphics card, which are not put there; choose another codec")
    if codec == "auto":
        return _usual_encoder(available, container)
    if codec not in available or codec in container.video:
        named = [name for name in _software(codec) if name in available]
        if not named:
            raise OutputError(f"ffmpeg {program.version} has no encoder for {codec!r}; see `ffmpeg -encoders`")
        codec = named[0]
    made = ENCODERS[codec].codec if codec in ENCODERS else codec.partition("_")[0]
    if made not in container.video:
        raise OutputError(f"{container.muxer} does not hold {made}; it holds {', '.join(container.video)}")
    return codec, []


def _usual_encoder(available: frozenset[str], container: Container) -> tuple[str, list[str]]:
    usual = container.video[0]
    wanted = [name for codec in container.video for name in _software(codec)]
    for name in wanted:
        if name in available:
            notes = [] if name == wanted[0] else [f"this ffmpeg has no {wanted[0]} ({usual}): {name} is used"]
            return name, notes
    raise OutputError(f"this ffmpeg has no encoder for {container.muxer}; install one with libx264 or libvpx")


def _software(codec: str) -> list[str]:
    """The encoders of a codec that work on every machine, the best first."""
    return [name for name, encoder in ENCODERS.items() if encoder.codec == codec and not encoder.hardware]


def encoder_settings(name: str) -> Encoder:
    """The line of the table; for an encoder that is not in it, its defaults."""
    return ENCODERS.get(name, Encoder(name.partition("_")[0], None, deep_pix_fmt=None))
