"""Reading every artifact to see whether it is as it was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidstyle.errors import StoreError
from vidstyle.store.artifact import CorruptArtifact, read_artifact
from vidstyle.store.contents import Contents, last_first
from vidstyle.store.store import set_aside


@dataclass(frozen=True)
class Damage:
    """An artifact that is not as it was written."""

    stage: str
    path: Path  # where it was
    reason: str
    aside: Path | None  # where it is now; None if it could not be renamed


@dataclass
class Verified:
    """What was read, and what of it is damaged."""

    artifacts: int = 0
    bytes: int = 0
    damage: list[Damage] = field(default_factory=list)


def verify(contents: Contents, stages: tuple[str, ...] = (), progress: Callable[[int], None] | None = None) -> Verified:
    """Read every artifact of these stages (none named: of all), and set aside what is damaged.

    ``progress`` is called with the artifacts that are done. StoreError if the disk cannot be read.
    """
    verified = Verified()
    for shelf in contents.shelves:
        if stages and shelf.stage not in stages:
            continue
        for file in last_first(shelf.folder):
            path = Path(file.path)
            try:
                _, payload = read_artifact(path)
                verified.bytes += len(payload)
            except FileNotFoundError:  # pruned or evicted meanwhile
                continue
            except CorruptArtifact as error:
                verified.damage.append(_put_away(shelf.stage, error))
            verified.artifacts += 1
            if progress is not None:
                progress(verified.artifacts)
    return verified


def _put_away(stage: str, error: CorruptArtifact) -> Damage:
    try:
        aside = set_aside(error.path)
    except StoreError:  # a read-only disk
        aside = None
    return Damage(stage, error.path, error.reason, aside)
