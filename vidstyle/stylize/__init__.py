"""Ways to paint a frame: one file per method, each a ``Stylizer`` (vidstyle.stylize.base)."""
