"""The numbers of a job, shot by shot: measured once, before anything is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vidstyle.pipeline.inspect import Inspection
from vidstyle.view.exhibits import Exhibit
from vidstyle.view.numbers import Numbers, frame_table, worst_frames


class Survey:
    """What is known of the frames that were asked for, and of the rest of their shots. Keeps no pictures.

    Args:
        wanted: frames that were asked for; all, where it is empty.
        watch: called with every frame that was measured.
    """

    def __init__(
        self, inspection: Inspection, exhibit: Exhibit, wanted: set[int], watch: Callable[[int], None]
    ) -> None:
        self.inspection, self.exhibit, self.wanted = inspection, exhibit, wanted
        self.numbers: dict[int, Numbers] = {}
        self.scales: dict[int, float | None] = {}  # by shot
        for shot, (first, last) in enumerate(inspection.shots):
            frames = range(first + 1 if exhibit.pairs else first, last)
            if not frames or (wanted and wanted.isdisjoint(frames)):
                continue
            # All of the shot, also for a single picture: it has the colours that it has on the sheet.
            for frame in frames:
                self.numbers[frame] = exhibit.numbers(frame)
                watch(frame)
            self.scales[shot] = exhibit.scale(self.of_shot(shot).values())
        self.asked = {frame: n for frame, n in self.numbers.items() if not wanted or frame in wanted}
        self.worst = {} if wanted else worst_frames(exhibit.measures, self.numbers)

    def of_shot(self, shot: int) -> dict[int, Numbers]:
        first, last = self.inspection.shots[shot]
        return {frame: self.numbers[frame] for frame in range(first, last) if frame in self.numbers}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show of what was asked for."""
        return not any(self.exhibit.is_there(n) for n in self.asked.values())

    def absent(self) -> dict[str, int]:
        """What is not there of what was asked for, and how often."""
        counts: dict[str, int] = {}
        for numbers in self.asked.values():
            for thing in self.exhibit.absent(numbers):
                counts[thing] = counts.get(thing, 0) + 1
        return counts

    def clock(self, frame: int) -> str:
        minutes, seconds = divmod(float(self.inspection.time(frame)), 60)
        return f"{int(minutes)}:{seconds:05.2f}"

    def frame_rows(self) -> list[tuple[str, ...]]:
        """Per frame, for people and programs; the first row is the header."""
        return frame_table(
            self.exhibit.measures,
            self.asked,
            self.worst,
            lambda frame: (self.clock(frame), str(self.inspection.shot_of(frame) + 1)),
        )

    def shot_rows(self) -> list[tuple[str, ...]]:
        """Per shot, for people; the first row is the header."""
        rows = [("shot", "frames", "time", *self.exhibit.columns)]
        for shot in self.scales:
            members = {frame: n for frame, n in self.of_shot(shot).items() if frame in self.asked}
            shown = str(min(members)) if len(members) == 1 else f"{min(members)} to {max(members)}"
            rows.append((str(shot + 1), shown, self.clock(min(members)), *self.exhibit.summary(members)))
        return rows

    def document(self, file_of: dict[int, str], files: list[str]) -> dict[str, Any]:
        """Everything, for programs. ``file_of``: the picture that a frame is on."""
        inspection, exhibit = self.inspection, self.exhibit
        return {
            "job": inspection.job.id,
            "kind": exhibit.name,
            "movie": inspection.plan.request.movie,
            "output": inspection.plan.request.output,
            "width": inspection.size[0],
            "height": inspection.size[1],
            "missing": self.absent(),
            "worst": self.worst,
            "shots": [
                {"shot": shot + 1, "first": inspection.shots[shot][0], "last": inspection.shots[shot][1] - 1}
                | ({} if scale is None else {"scale": scale})
                for shot, scale in self.scales.items()
            ],
            "frames": [
                {
                    "frame": frame,
                    "time": round(float(inspection.time(frame)), 6),
                    "shot": inspection.shot_of(frame) + 1,
                    **exhibit.record(numbers),
                    "file": file_of.get(frame),
                }
                for frame, numbers in self.asked.items()
            ],
            "files": files,
        }
