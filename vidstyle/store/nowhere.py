"""No cache: a store whose shelves keep nothing, for those who want no trace on the disk.

Whoever works with it gets the same bytes, because every value is used as it would be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vidstyle.store.artifact import Meta
from vidstyle.store.codecs import Codec
from vidstyle.store.store import Artifact, Shelf, Store

T = TypeVar("T")


class NoStore(Store):
    """Stands for a ``Store`` and touches no disk."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(Path(), report)

    @property
    def keeps(self) -> bool:
        return False

    @property
    def digests(self) -> Path | None:
        return None

    def shelf(self, stage: str, key: str, codec: Codec[T], describe: Mapping[str, Any] | None = None) -> Shelf[T]:
        return EmptyShelf(self, stage, Path(stage) / key, codec, describe)


class EmptyShelf(Shelf[T]):
    """Finds nothing, and forgets what it is given."""

    def has(self, name: str) -> bool:
        return False

    def load(self, name: str) -> Artifact[T] | None:
        return None

    def meta(self, name: str) -> Meta | None:
        return None

    def save(self, name: str, value: T, meta: Mapping[str, Any] | None = None) -> None:
        pass

    def names(self) -> Iterator[str]:
        return iter(())

    def touch(self) -> None:
        pass
