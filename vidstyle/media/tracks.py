"""What of the original movie, besides its pictures, goes into the new file, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from vidstyle.media.containers import TEXT_SUBTITLES, Container
from vidstyle.media.ffmpeg import Ffmpeg, encoders, open_file
from vidstyle.media.probe import AudioStream, Movie
from vidstyle.media.read import SEEKABLE_CONTAINERS

BITS_PER_CHANNEL = 96_000  # per second, of audio that has to be encoded and whose own rate is not known
SEEK_BEFORE = Fraction(5)  # seconds before a cut at which audio decoding begins; decoders settle in
# Encoders for audio that is cut, by the codec that it had: the kind of sound stays what it was.
SAME_KIND = {
    "aac": "aac", "mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis", "flac": "flac", "ac3": "ac3",
    "eac3": "eac3", "alac": "alac", "mp2": "mp2", "pcm_s16le": "pcm_s16le",
}  # fmt: skip

NO_STREAM = "9999?"  # a stream number that no file has; "?" makes that no error


@dataclass
class Tracks:
    """ffmpeg-python streams to be muxed beside the video, the options for them, and what is to be said."""

    streams: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def whole_tracks(program: Ffmpeg, movie: Movie, container: Container, origin: Fraction) -> Tracks:
    """All tracks, copied where the container allows; the time `origin` (seconds) becomes zero."""
    tracks = Tracks()
    original = open_file(movie.path, **_shift(origin))
    for number, audio in enumerate(movie.audio):
        if container.audio is None or audio.codec in container.audio:
            tracks.streams.append(original[str(audio.index)])
            tracks.options[f"c:a:{number}"] = "copy"
        else:
            name = _available(program, container.audio_encoders)
            tracks.streams.append(original[str(audio.index)])
            _encode(tracks, number, audio, name)
            tracks.notes.append(f"audio track {number + 1}: {audio.codec} does not go into {container.muxer}: {name}")
    _add_text(tracks, movie, container, original)
    _add_globals(tracks, original)
    return tracks


def trimmed_tracks(program: Ffmpeg, movie: Movie, container: Container, start: Fraction, end: Fraction) -> Tracks:
    """All tracks between two times (seconds, the file's clock); audio is encoded anew, cut to the sample."""
    tracks = Tracks()
    shifted = open_file(movie.path, **_shift(start))
    _add_text(tracks, movie, container, shifted)
    if movie.audio:
        seek: dict[str, Any] = {}
        before = start - movie.clock_start - SEEK_BEFORE
        if before > 0 and movie.container.startswith(SEEKABLE_CONTAINERS):
            seek = {"ss": f"{float(before):.6f}", "noaccurate_seek": None}
        original = open_file(movie.path, **seek)
        for number, audio in enumerate(movie.audio):
            tracks.streams.append(_cut(original[str(audio.index)], audio, start, end))
            _encode(tracks, number, audio, _same_kind(program, container, audio))
        tracks.notes.append("audio is encoded anew, so that it begins and ends with the pictures")
    _add_globals(tracks, shifted)
    if movie.subtitles:
        # A text that is shown at the end must not make the movie longer.
        left = f"{float(end - start):.6f}/TB-PTS"
        tracks.options["bsf:s"] = f"setts=pts=PTS:dts=DTS:duration=min(DURATION\\,{left})"
    tracks.options["t"] = f"{float(end - start):.6f}"
    return tracks


def _shift(origin: Fraction) -> dict[str, Any]:
    return {"itsoffset": f"{float(-origin):.6f}"} if origin else {}


def _cut(stream: Any, audio: AudioStream, start: Fraction, end: Fraction) -> Any:
    """Samples from `start` to `end`, in time from zero; silence where the track begins later."""
    rate = audio.sample_rate
    first, last = round(start * rate), round(end * rate)
    stream = stream.filter("asettb", f"1/{rate}").filter("atrim", start_pts=first, end_pts=last)
    # async=1 fills or cuts at the beginning only; gaps further on keep their own times.
    return stream.filter("asetpts", f"PTS-{first}").filter("aresample", **{"async": 1, "first_pts": 0})


def _encode(tracks: Tracks, number: int, audio: AudioStream, encoder: str) -> None:
    tracks.options[f"c:a:{number}"] = encoder
    if not encoder.startswith(("pcm", "flac", "alac")):
        usual = BITS_PER_CHANNEL * max(1, audio.channels)
        tracks.options[f"b:a:{number}"] = max(audio.bit_rate or 0, usual) if audio.bit_rate else usual


def _same_kind(program: Ffmpeg, container: Container, audio: AudioStream) -> str:
    name = SAME_KIND.get(audio.codec)
    fits = container.audio is None or audio.codec in container.audio
    if container.is_mov and audio.codec in ("mp2", "mp3"):
        fits = False  # ffmpeg's muxer refuses the encoders' packets at low sample rates
    if name is not None and fits and name in encoders(program):
        return name
    return _available(program, container.audio_encoders)


def _available(program: Ffmpeg, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in encoders(program)), names[-1])


def _add_text(tracks: Tracks, movie: Movie, container: Container, original: Any) -> None:
    number = 0
    for subtitle in movie.subtitles:
        if subtitle.codec in container.subtitles:
            tracks.options[f"c:s:{number}"] = "copy"
        elif subtitle.codec in TEXT_SUBTITLES:
            tracks.options[f"c:s:{number}"] = container.subtitle_encoder
            tracks.notes.append(f"{subtitle.codec} subtitles become {container.subtitle_encoder}")
        else:
            tracks.notes.append(f"{subtitle.codec} subtitles do not go into {container.muxer}: left out")
            continue
        tracks.streams.append(original[str(subtitle.index)])
        number += 1
    if container.attachments:
        tracks.streams.append(original["t?"])
        tracks.options["c:t"] = "copy"


def _add_globals(tracks: Tracks, original: Any) -> None:
    # A stream that matches nothing, in front, makes the original ffmpeg's input number 1 in any case.
    tracks.streams.insert(0, original[NO_STREAM])
    tracks.options["map_metadata"] = 1
    tracks.options["map_chapters"] = 1
