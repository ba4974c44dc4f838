"""vidstyle: paint movies in the style of a painting, without flicker.

>>> import vidstyle
>>> vidstyle.stylize("movie.mp4", "out.mp4", style="starry.jpg", progress=print)
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"


class _Callable(ModuleType):
    """The package ``vidstyle.stylize`` (the methods) is also the function that paints a movie.

    A package and a function cannot both be ``vidstyle.stylize``, and both names are the ones people look for.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See ``vidstyle.pipeline.api.stylize``."""
        from vidstyle.pipeline.api import stylize

        return stylize(*args, **kwargs)


from vidstyle import stylize  # noqa: E402

sys.modules["vidstyle.stylize"].__class__ = _Callable

__all__ = ["__version__", "stylize"]
