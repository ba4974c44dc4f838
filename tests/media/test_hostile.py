"""Files that name other files or addresses: nothing else is opened, whatever they are called."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vidstyle.errors import VidstyleError
from vidstyle.media import probe, scan
from vidstyle.media.ffmpeg import command, find_ffmpeg, open_file

from .conftest import X264, lavfi


class Trap:
    """A pipe and a port of this machine that notice being opened."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary.ts"
        os.mkfifo(self.file)
        self.port = socket.create_server(("127.0.0.1", 0))
        self.port.settimeout(0.05)
        self.url = f"http://127.0.0.1:{self.port.getsockname()[1]}/canary.ts"
        self.sprung: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=watch) for watch in (self._watch_file, self._watch_port)]
        for thread in self._threads:
            thread.start()

    def _watch_file(self) -> None:
        while not self._over.wait(0.01):
            with contextlib.suppress(OSError):  # nobody reads it
                os.close(os.open(self.file, os.O_WRONLY | os.O_NONBLOCK))
                self.sprung.append("file")

    def _watch_port(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                self.port.accept()[0].close()
                self.sprung.append("port")

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.port.close()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    trap = Trap(tmp_path)
    yield trap
    trap.close()


def playlist(target: str, path: Path) -> None:
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n")


def concat(target: str, path: Path) -> None:
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")


def dash(target: str, path: Path) -> None:
    path.write_text(
        '<?xml version="1.0"?>'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
        f'<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    )


def session(target: str, path: Path) -> None:
    path.write_text(
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\na=control:{target}\nm=video 9 RTP/AVP 96\n"
    )


def postscript(target: str, path: Path) -> None:
    path.write_text(f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({target}) run\nshowpage\n")


def reference(target: str, path: Path) -> None:
    """A mov whose samples are said to lie in another file."""
    data = lavfi(path.with_name("plain.mov"), "testsrc2=s=32x32:d=0.2", *X264).read_bytes()
    at = data.index(b"url ", data.index(b"dref")) - 4
    text = target.encode() + b"\0"
    data = data[: at + 8] + b"\0\0\0\0" + text + data[at + 12 :]  # no "in this file" any more
    data = data[:at] + (12 + len(text)).to_bytes(4, "big") + data[at + 4 :]
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = data.rindex(box, 0, at) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(text)
        data = data[:start] + size.to_bytes(4, "big") + data[start + 4 :]
    path.write_bytes(data)


def chain(target: str, path: Path) -> None:
    """A Matroska file that names another as its next part, in the place of its writer's name."""
    lavfi(path.with_name("plain.mkv"), "testsrc2=s=32x32:d=0.2", *X264, "-metadata", "encoder=x")
    data = path.with_name("plain.mkv").read_bytes()
    at = data.index(b"\x57\x41")
    length = data[at + 2] & 0x7F
    name = target.encode()[-(length - 1) :].ljust(length - 1, b"\0")
    next_filename = b"\x3e\x83\xbb" + bytes([0x80 | (length - 1)]) + name
    path.write_bytes(data[:at] + next_filename + data[at + 3 + length :])


HOSTILE: dict[str, Callable[[str, Path], None]] = {
    "a playlist": playlist,
    "a concat list": concat,
    "a dash manifest": dash,
    "a session": session,
    "a program for printers": postscript,
    "a reference": reference,
    "a chain": chain,
}


@pytest.mark.parametrize("ending", [".mp4", ".png"])
@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_else_is_opened(trap: Trap, tmp_path: Path, what: str, ending: str) -> None:
    for number, target in enumerate((trap.url, f"file:{trap.file}", str(trap.file), trap.file.name)):
        path = tmp_path / f"hostile{number}{ending}"
        HOSTILE[what](target, path)
        with contextlib.suppress(VidstyleError):  # what is a movie for all that may be used as one
            scan(probe(path))
        # The program that reads it gets the same rules as the library that looks at it.
        arguments = command(find_ffmpeg(), open_file(path).output("-", format="null"))
        subprocess.run(arguments, check=False, capture_output=True, timeout=30)
    assert trap.sprung == []


def test_the_trap_works(trap: Trap, tmp_path: Path) -> None:
    concat(str(trap.file), tmp_path / "list")
    loose = ["-protocol_whitelist", "file,http,tcp", "-safe", "0", "-f", "concat", "-i", tmp_path / "list"]
    for source in (loose, ["-i", trap.url]):
        subprocess.run([find_ffmpeg().path, "-v", "quiet", *source, "-f", "null", "-"], check=False, timeout=30)
    assert {"file", "port"} <= set(trap.sprung)


@pytest.mark.parametrize(
    "name", ["concat:a.mp4|b.mp4", "{url}", "pipe:0", "data:video/mp4;base64,AAAA", "subfile,,:x.mp4"]
)
def test_names_are_names_of_files(
    trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Path], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    name = name.format(url=trap.url)
    with pytest.raises(VidstyleError, match="no such file"):
        probe(name)
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(make("narrow.mp4").read_bytes())
    assert len(scan(probe(name))) == 25
    assert trap.sprung == []
