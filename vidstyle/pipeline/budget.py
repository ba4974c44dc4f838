"""The cache under a limit while a job runs: between frames, what is missed least is removed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from vidstyle.errors import StoreError
from vidstyle.pipeline.plan import Plan
from vidstyle.store import running_jobs, size_text
from vidstyle.store.contents import Contents, last_first, missed_least, read_contents, remove_if_empty, size
from vidstyle.store.prune import remove_empty_layouts

# The cache is looked through whenever it is full. So that this is seldom, more is removed than is needed now.
SPARE = 0.05  # of the limit

Files = Iterator[os.DirEntry[str] | Path]


class Budget:
    """Holds the whole cache folder under ``limit`` bytes.

    Bytes are counted as this process writes them. What others write is found when the cache is looked through
    again, which is whenever it seems to be full.
    """

    def __init__(self, plan: Plan, limit: int, say: Callable[[str], None]) -> None:
        self.plan, self.limit, self.say = plan, limit, say
        self.store = plan.stages.store
        self.before = read_contents(self.store.root).bytes - self.store.written
        self.seen = self.store.written
        self.step = 0  # bytes that one frame has taken at most
        self.look_at = 0  # bytes at which a full cache is looked through again

    @property
    def used(self) -> int:
        return self.before + self.store.written

    def hold(self, frame: int, needed: int, written: bool = False) -> bool:
        """Make room for what ``frame`` takes, before it is painted.

        Args:
            frame: all frames of the job before it are painted.
            needed: the first frame that it or later ones look back on.
            written: those before it are in the movie, too: as a last resort they may go.
        Returns:
            Whether it fits.
        """
        self.step = max(self.step, self.store.written - self.seen)
        self.seen = self.store.written
        if self.used + self.step > max(self.limit, self.look_at):
            self.make_room(frame, needed, written)
        return self.used + self.step <= self.limit

    def make_room(self, frame: int, needed: int, written: bool) -> None:
        """Look through the cache, and remove what is missed least until there is some room to spare."""
        contents = read_contents(self.store.root)
        self.before = contents.bytes - self.store.written
        spare = max(self.step, int(SPARE * self.limit))
        for file in itertools.chain(self.others(contents), self.ours(frame, needed, written)):
            if self.used + spare <= self.limit:
                break
            self.remove(file)
        remove_empty_layouts(self.store.root)
        self.look_at = 0
        if written and self.used + self.step > self.limit:
            self.look_at = self.used + spare  # nothing more is to be found soon
            self.say(
                f"the cache's limit of {size_text(self.limit)} is too small for what is being worked on: "
                f"it may take {size_text(self.used + self.step)}"
            )

    def remove(self, file: os.DirEntry[str] | Path) -> None:
        path = Path(file)
        try:
            length = path.lstat().st_size if isinstance(file, Path) else size(file)
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot remove {path} to keep to the cache's limit: {error.strerror}") from error
        self.before -= length

    def others(self, contents: Contents) -> Files:
        """What no running job uses: leftovers, then shelf by shelf."""
        yield from (leftover.path for leftover in contents.leftovers)
        running = {folder for job in running_jobs(self.store.root) for folder in job.uses}
        running |= {shelf.folder for shelf in self.plan.shelves}
        for shelf in missed_least(shelf for shelf in contents.shelves if shelf.folder not in running):
            yield from last_first(shelf.folder)
            self.before -= remove_if_empty(shelf.folder)

    def ours(self, frame: int, needed: int, written: bool) -> Files:
        """Of this job: what painted frames were made from, what later ones will be, then painted frames."""
        first, last = self.plan.frames
        stages = self.plan.stages
        made_from = [stages.decode.folder, stages.consistency.folder, stages.flow.folder]
        passes = [
            dict.fromkeys(stages.stylize(shot, number).folder for shot in self.plan.shots)
            for number in range(stages.schedule.passes)
        ]
        painted = list(passes.pop())
        for folder in made_from:
            # Frames themselves are looked at again; flow and masks are of the later frame of their pair.
            start = needed if folder == stages.decode.folder else frame
            yield from (file for file in last_first(folder) if not start <= frame_of(file) < last)
        for folder in itertools.chain(*passes):  # of shots that are done
            yield from (file for file in last_first(folder) if frame_of(file) < frame)
        for folder in made_from:
            yield from (file for file in last_first(folder) if frame_of(file) > frame)
        for folder in painted:
            yield from (file for file in last_first(folder) if not first <= frame_of(file) < last)
        if written:
            self.say(
                f"the painted frames do not all fit in the cache's limit of {size_text(self.limit)}: "
                "after a stop, those that were not kept are painted again"
            )
        for folder in reversed(painted) if written else ():
            yield from (file for file in last_first(folder) if frame_of(file) < needed)


def frame_of(file: os.DirEntry[str]) -> int:
    """The frame of an artifact; the later one, of a pair."""
    return max(int(number) for number in file.name.split("-"))
