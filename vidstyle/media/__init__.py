"""The only place that knows ffmpeg: probe, scan, read, write."""

from vidstyle.media.containers import CONTAINERS
from vidstyle.media.ffmpeg import Ffmpeg, encoders, find_ffmpeg
from vidstyle.media.movies import probe, read_chosen, read_frames, scan
from vidstyle.media.outputs import (
    Writer,
    check_count,
    check_output,
    check_place,
    check_settings,
    default_ending,
    is_folder,
    open_writer,
)
from vidstyle.media.pictures import Pictures, picture_files
from vidstyle.media.probe import AudioStream, Movie, SubtitleStream, working_size
from vidstyle.media.shots import find_cuts, rises, shots
from vidstyle.media.stills import as_seen, check_pixels, open_picture
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import MovieWriter, check_encoder
from vidstyle.media.write_pictures import PICTURE_ENDINGS

__all__ = [
    "CONTAINERS",
    "PICTURE_ENDINGS",
    "AudioStream",
    "Ffmpeg",
    "Movie",
    "MovieWriter",
    "Pictures",
    "SubtitleStream",
    "Timeline",
    "Writer",
    "as_seen",
    "check_count",
    "check_encoder",
    "check_output",
    "check_pixels",
    "check_place",
    "check_settings",
    "default_ending",
    "encoders",
    "find_cuts",
    "find_ffmpeg",
    "is_folder",
    "open_picture",
    "open_writer",
    "picture_files",
    "probe",
    "read_chosen",
    "read_frames",
    "rises",
    "scan",
    "shots",
    "working_size",
]
