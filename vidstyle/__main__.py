"""The program. It is ready to be interrupted before everything else is imported, which takes a moment."""

from __future__ import annotations

import sys


def main() -> None:
    """``vidstyle.cli.main``; with exit code 130 where Ctrl-C comes before that is there."""
    try:
        from vidstyle.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
