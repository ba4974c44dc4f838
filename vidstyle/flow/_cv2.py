"""The one place that imports OpenCV, so that its failure to load is said in one line.

Use ``from vidstyle.flow._cv2 import cv2``. The wheel with windows (``opencv-contrib-python``) needs system libraries
such as libGL, which servers and containers often lack; the headless wheel has everything that vidstyle uses.
"""

from __future__ import annotations

from vidstyle.errors import VidstyleError

try:
    import cv2
except Exception as error:  # its loader raises whatever it meets
    reason = (str(error) or type(error).__name__).splitlines()[0]
    headless = "opencv-contrib-python-headless"
    # Both wheels own the same folder: what the other left must be written again.
    advice = f"pip uninstall opencv-contrib-python, then pip install --force-reinstall --no-deps {headless}"
    if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
        advice = f"pip install {headless}"
    raise VidstyleError(f"OpenCV cannot be loaded ({reason}): {advice}") from error

__all__ = ["cv2"]
