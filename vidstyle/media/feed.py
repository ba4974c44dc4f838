"""Raw frames on their way into a running ffmpeg, each with its own time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.error
from numpy.typing import NDArray

from vidstyle.media.process import Process

PIPE_BUFFER = 1 << 20  # bytes handed to ffmpeg at once


class Feed:
    """ffmpeg with frames going into its stdin, as raw video in NUT.

    `size` is (width, height), `pix_fmt` ffmpeg's name of how the frames lie in memory. `rate` is a hint. Never left
    running: call close() in the end, whatever happened.
    """

    def __init__(
        self, arguments: list[str], size: tuple[int, int], pix_fmt: str, time_base: Fraction, rate: Fraction
    ) -> None:
        self._time_base = time_base
        self._process = Process(arguments, stdin=True)
        self._container = av.open(
            self._process.stdin, "w", format="nut", options={"write_index": "0"}, buffer_size=PIPE_BUFFER
        )
        stream: Any = self._container.add_stream("rawvideo", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        self._stream = stream

    def write(self, image: NDArray[Any], pts: int) -> None:
        """Hands over a frame, shown from `pts` ticks on. What Process.failure says where ffmpeg has gone."""
        packet = av.Packet(image.tobytes())
        packet.stream = self._stream
        packet.time_base = self._time_base
        packet.pts = packet.dts = pts
        packet.is_keyframe = True
        try:
            self._container.mux(packet)
        except (OSError, av.error.FFmpegError) as error:
            self._process.kill()
            raise self._process.failure("ffmpeg ended while the movie was written") from error

    def finish(self, doing: str) -> None:
        """Says that there are no more, and waits; what Process.failure says unless ffmpeg ends well."""
        try:
            self._container.close()
            self._process.stdin.close()
        except (OSError, av.error.FFmpegError):
            pass  # ffmpeg went away; its exit status says why
        self._process.check(doing)

    def close(self) -> None:
        """Ends ffmpeg, if it still runs."""
        self._process.kill()
