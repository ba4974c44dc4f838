"""A folder of somebody's own flow files: which pairs of frames it holds, under which names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vidstyle.errors import InputError
from vidstyle.store.atomic import printable
from vidstyle.store.flowfile import Flow, Valid, read_flow
from vidstyle.store.keys import file_digest

Pair = tuple[int, int]

_ENDINGS = (".flo", ".png")
# As `inspect flow --export` names them: frames counted from 0, the flow leads from the first to the second.
_PAIR = re.compile(r"(?:.*[^0-9])?(\d+)-(\d+)")
# As the reference programs name them: frames counted from 1.
_REFERENCE = re.compile(r"(?:forward|backward)_(\d+)_(\d+)")
_NUMBER = re.compile(r"(?:.*[^0-9])?(\d+)")


class FlowFolder:
    """The flow files below ``folder``, ``.flo`` or KITTI's PNG.

    Three ways to name them are known, one in a folder:

    - ``…42-41.flo``: from frame 42 to frame 41, counted from 0;
    - ``forward_1_2.flo``, ``backward_2_1.flo``: the same, counted from 1;
    - ``…0001.flo``: a number only. In their order, the first leads from frame 0 to 1, the second from 1 to 2.

    Raises InputError, one line, where there is no such folder, no flow in it, or two files for one pair.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
        except OSError as error:
            raise InputError(f"--flow-from {printable(folder)}: {error.strerror or error}; name a folder") from error
        if not names:
            raise InputError(f"--flow-from {printable(folder)} holds no flow: .flo or KITTI PNG files")
        self.files = self._by_pair(names)

    def _by_pair(self, names: list[str]) -> dict[Pair, str]:
        stems = [Path(name).stem for name in names]
        for pattern, base in ((_REFERENCE, 1), (_PAIR, 0)):
            matches = [pattern.fullmatch(stem) for stem in stems]
            if all(matches):
                pairs = [(int(m[1]) - base, int(m[2]) - base) for m in matches if m]
                return self._unique(pairs, names)
        numbers = [_NUMBER.fullmatch(stem) for stem in stems]
        if not all(numbers):
            odd = next(name for name, match in zip(names, numbers, strict=True) if not match)
            raise InputError(
                f"--flow-from {printable(self.folder)}: {printable(odd)} does not say its frames; "
                "name files like 00000042-00000041.flo, for the flow from frame 42 to 41"
            )
        ordered = [name for _, name in sorted((int(m[1]), name) for m, name in zip(numbers, names, strict=True) if m)]
        return {(frame, frame + 1): name for frame, name in enumerate(ordered)}

    def _unique(self, pairs: list[Pair], names: list[str]) -> dict[Pair, str]:
        files: dict[Pair, str] = {}
        for pair, name in zip(pairs, names, strict=True):
            if pair in files:
                raise InputError(
                    f"--flow-from {printable(self.folder)}: {printable(files[pair])} and {printable(name)} "
                    "are of the same pair of frames; keep one"
                )
            files[pair] = name
        return files

    def read(self, source: int, target: int) -> tuple[Flow, Valid] | None:
        """Flow and valid as ``read_flow`` gives them; None for a pair that is not here. InputError: damaged."""
        name = self.files.get((source, target))
        return None if name is None else read_flow(self.folder / name)

    def digest(self, memo: Path | None = None) -> str:
        """What stands for all of it in a content key: of the pairs and the bytes of their files."""
        whole = hashlib.sha256()
        for pair, name in sorted(self.files.items()):
            whole.update(f"{pair} {file_digest(self.folder / name, memo)}\n".encode())
        return whole.hexdigest()
