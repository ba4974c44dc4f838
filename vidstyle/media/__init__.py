"""The only place that knows ffmpeg: probe, scan, read, write."""

from vidstyle.media.containers import CONTAINERS, check_output
from vidstyle.media.ffmpeg import Ffmpeg, encoders, find_ffmpeg
from vidstyle.media.probe import AudioStream, Movie, SubtitleStream, probe
from vidstyle.media.read import read_chosen, read_frames
from vidstyle.media.scan import scan
from vidstyle.media.shots import find_cuts, rises, shots
from vidstyle.media.timeline import Timeline
from vidstyle.media.write import MovieWriter, check_encoder

__all__ = [
    "CONTAINERS",
    "AudioStream",
    "Ffmpeg",
    "Movie",
    "MovieWriter",
    "SubtitleStream",
    "Timeline",
    "check_encoder",
    "check_output",
    "encoders",
    "find_cuts",
    "find_ffmpeg",
    "probe",
    "read_chosen",
    "read_frames",
    "rises",
    "scan",
    "shots",
]
