"""What is written beside the painting is written in order, and what fails there is not lost."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tests.pipeline.conftest import Work
from vidstyle.errors import MediaError
from vidstyle.media.write import MovieWriter
from vidstyle.pipeline.run import Beside


def fail() -> None:
    raise MediaError("the disk is full")


def test_one_thing_after_the_other_in_a_thread_of_its_own() -> None:
    done: list[tuple[int, int]] = []
    with Beside() as beside:
        for number in range(20):
            beside.do(partial(lambda n: done.append((n, threading.get_ident())), number))
    assert [number for number, _ in done] == list(range(20))
    assert threading.get_ident() not in {thread for _, thread in done}


@pytest.mark.parametrize("others", [0, 1])
def test_what_fails_is_raised_by_the_next_or_in_the_end(others: int) -> None:
    with pytest.raises(MediaError, match="disk is full"), Beside() as beside:
        beside.do(fail)
        for _ in range(others):
            beside.do(lambda: None)


def test_what_fails_outside_is_what_is_raised() -> None:
    with pytest.raises(KeyError, match="stop"), Beside() as beside:
        beside.do(fail)
        raise KeyError("stop")


def test_a_frame_that_cannot_be_written_ends_the_job_in_one_line(empty: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    write = MovieWriter._write

    def failing(self: MovieWriter, turn: int, number: int, image: object) -> None:
        if number == 4:
            fail()
        write(self, turn, number, image)  # type: ignore[arg-type]

    monkeypatch.setattr(MovieWriter, "_write", failing)
    with pytest.raises(MediaError, match="disk is full"):
        empty.paint()
    assert list(empty.output.parent.iterdir()) == []
    monkeypatch.undo()
    assert empty.paint().exists()
