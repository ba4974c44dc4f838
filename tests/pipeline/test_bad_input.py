"""What cannot be used is said in one line, before any work, and earlier work stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import TINY, Work, times
from vidstyle.errors import InputError, OutputError, VidstyleError, WeightsError
from vidstyle.nets.weights import embedded

Case = tuple[Callable[[Path], dict[str, Any]], type[VidstyleError]]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


BAD: dict[str, Case] = {
    "no such movie": (lambda tmp: {"movie": tmp / "nowhere.mp4"}, InputError),
    "a folder as movie": (lambda tmp: {"movie": folder(tmp / "movies")}, InputError),
    "text named mp4": (lambda tmp: {"movie": write(tmp / "text.mp4", b"a text file\n" * 99)}, InputError),
    "no bytes": (lambda tmp: {"movie": write(tmp / "zero.mp4", b"")}, InputError),
    "half a movie": (lambda tmp: {"movie": write(tmp / "half.mp4", TINY.read_bytes()[:2000])}, InputError),
    "a picture as movie": (lambda tmp: {"movie": write(tmp / "x.mp4", b"\xff\xd8\xff\xe0" + bytes(99))}, InputError),
    "no such style": (lambda tmp: {"style": tmp / "nowhere.jpg"}, InputError),
    "text as style": (lambda tmp: {"style": write(tmp / "style.jpg", b"a text file")}, InputError),
    "no bytes as style": (lambda tmp: {"style": write(tmp / "style.jpg", b"")}, InputError),
    "a movie as style": (lambda tmp: {"style": TINY}, InputError),
    "a folder as style": (lambda tmp: {"style": folder(tmp / "styles")}, InputError),
    "no style": (lambda tmp: {"style": ()}, InputError),
    "no output folder": (lambda tmp: {"output": tmp / "nowhere" / "out.mp4"}, OutputError),
    "a folder as output": (lambda tmp: {"output": folder(tmp / "out.mp4")}, OutputError),
    "unknown type": (lambda tmp: {"output": tmp / "out.xyz"}, OutputError),
    "no type": (lambda tmp: {"output": tmp / "painted"}, OutputError),
    "the movie as output": (lambda tmp: {"output": TINY, "overwrite": True}, InputError),
    "a mask as output": (
        lambda tmp: {
            "style": {
                "path": str(TINY.with_name("brushwork.jpg")),
                "mask": str(write(tmp / "mask.mp4", TINY.read_bytes())),
            },
            "output": tmp / "mask.mp4",
            "overwrite": True,
        },
        InputError,
    ),
    "a link to the movie as output": (
        lambda tmp: {"output": link(tmp / "out.mp4", TINY), "overwrite": True},
        InputError,
    ),
    "unknown codec": (lambda tmp: {"encode": {"codec": "betamax"}}, OutputError),
    "unknown method": (lambda tmp: {"method": "magic"}, InputError),
    "unknown setting": (lambda tmp: {"stylize": {"iteration": 3}}, InputError),
    "a setting of another type": (lambda tmp: {"stylize": {"iterations": "many"}}, InputError),
    "no iterations": (lambda tmp: {"stylize": {"iterations": 0}}, InputError),
    "unknown flow": (lambda tmp: {"flow": {"method": "guess"}}, InputError),
    "unknown preset": (lambda tmp: {"flow": {"preset": "slowest"}}, InputError),
    "no flow folder": (lambda tmp: {"flow_from": tmp / "nowhere"}, InputError),
    "an empty flow folder": (lambda tmp: {"flow_from": folder(tmp / "flow")}, InputError),
    "weights without a network": (lambda tmp: {"flow_weights": tmp / "raft.pth"}, InputError),
    "no such flow weights": (
        lambda tmp: {"flow": {"method": "raft-small"}, "flow_weights": tmp / "nowhere.pth"},
        VidstyleError,
    ),
    "weights of another network": (
        lambda tmp: {"flow": {"method": "raft-small"}, "flow_weights": embedded("compact-encoder.safetensors")},
        WeightsError,
    ),
    "start after the end": (lambda tmp: {"start": "100"}, InputError),
    "no height": (lambda tmp: {"height": 0}, InputError),
    "no such device": (lambda tmp: {"device": "abacus"}, InputError),
    "no such weights": (lambda tmp: {"encoder_weights": str(tmp / "nowhere.safetensors")}, VidstyleError),
}


def refused(work: Work, kind: type[VidstyleError], asked: dict[str, Any]) -> VidstyleError:
    """The error; everything that was in the cache must still be there, and the output not."""
    before = times(work.cache)
    with pytest.raises(kind) as error:
        work.paint(**asked)
    assert str(error.value).strip()
    assert "\n" not in str(error.value)
    assert error.value.exit_code in (1, 2)
    after = times(work.cache)
    assert {name: after[name] for name in before} == before
    assert list(work.output.parent.iterdir()) == []
    return error.value


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what: str, painted: Work, tmp_path: Path) -> None:
    ask, kind = BAD[what]
    movie = TINY.read_bytes()
    refused(painted, kind, ask(tmp_path))
    assert TINY.read_bytes() == movie


def test_a_broken_movie(painted: Work, data: Path) -> None:
    refused(painted, InputError, {"movie": data / "clips" / "awkward" / "broken.mp4"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(painted: Work, tmp_path: Path) -> None:
    locked = folder(tmp_path / "locked")
    locked.chmod(0o500)
    refused(painted, OutputError, {"output": locked / "out.mp4"})


def test_after_bad_input_the_job_goes_on(painted: Work, reference: Work, tmp_path: Path) -> None:
    before = times(painted.cache)
    refused(painted, InputError, {"movie": tmp_path / "nowhere.mp4"})
    painted.paint()
    assert times(painted.cache) == before
    assert painted.output.read_bytes() == reference.output.read_bytes()
