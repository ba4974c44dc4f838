"""How encoders are asked: quality in each one's own words, and hardware that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidstyle.errors import OutputError
from vidstyle.media import check_encoder
from vidstyle.media.containers import ENCODERS
from vidstyle.media.write import _encoder_options


def test_missing_hardware_is_one_line_before_any_work() -> None:
    """Where there is such hardware, it encodes."""
    for codec in ("h264_nvenc", "hevc_qsv", "h264_amf"):
        try:
            check_encoder(Path("x.mp4"), (256, 256), codec=codec, crf=20)
        except OutputError as error:
            assert codec in str(error)
            assert "\n" not in str(error)
    with pytest.raises(OutputError, match="graphics card"):
        check_encoder(Path("x.mp4"), (64, 64), codec="h264_vaapi")


def test_quality_reaches_every_encoder_in_its_own_words() -> None:
    asked = {name: _encoder_options(name, 10, None, None) for name, line in ENCODERS.items() if line.crf is not None}
    own = {name: {k: v for k, v in options.items() if k in ENCODERS[name].quality} for name, options in asked.items()}
    assert own["libx264"] == {"crf": "10"}
    assert own["hevc_nvenc"] == {"cq": "10"}
    assert own["h264_qsv"] == {"global_quality": "10"}
    assert own["av1_amf"] == {"qp_i": "40", "qp_p": "40"}
    assert own["h264_videotoolbox"] == {"q:v": "80"}
    assert all(own.values())
