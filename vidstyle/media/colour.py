"""Names and defaults of colour: how numbers in a file become matrix, range, primaries and transfer."""

from __future__ import annotations

# ITU-T H.273 code points, in ffmpeg's names. 2 is "unspecified"; what is absent here counts as that.
MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
}
RANGES = {1: "tv", 2: "pc"}
PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
HDR_TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# Matrices that ffmpeg's scaler converts exactly, by the name it has for them.
SCALER_MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
HD_LINES = 720  # untagged material with at least this many lines is taken as bt709, below as bt601


def assumed_matrix(matrix: str | None, lines: int, transfer: str | None = None) -> str:
    """The matrix of a movie, by its tag, or else by its transfer and size, in ffmpeg's name for tags."""
    if matrix in SCALER_MATRICES:
        return matrix
    if transfer in HDR_TRANSFERS:
        return "bt2020nc"
    return "bt709" if lines >= HD_LINES else "smpte170m"


def assumed_range(color_range: str | None, pixel_format: str) -> str:
    """ "tv" or "pc"; untagged YUV is taken as tv, as players do."""
    if color_range is not None:
        return color_range
    return "pc" if pixel_format.startswith("yuvj") else "tv"
