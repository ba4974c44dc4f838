"""The one place that imports OpenCV, so that its failure to load is said in one line.

Use ``from vidstyle.flow._cv2 import cv2``. The wheel with windows (``opencv-contrib-python``) needs libGL,
which servers and containers often lack; the headless wheel has everything that vidstyle uses.
"""

from __future__ import annotations

from vidstyle.errors import VidstyleError

try:
    import cv2
except ImportError as error:
    raise VidstyleError(
        f"OpenCV cannot be loaded ({str(error).splitlines()[0]}): "
        "pip uninstall opencv-contrib-python, then pip install opencv-contrib-python-headless"
    ) from error

__all__ = ["cv2"]
