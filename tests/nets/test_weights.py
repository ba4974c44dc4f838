"""Weight files: what is read, what is refused, and how one is fetched."""

from __future__ import annotations

import errno
import hashlib
import http.server
import os
import pickle
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vidstyle.errors import VidstyleError, WeightsError
from vidstyle.nets.encoder import find_weights
from vidstyle.nets.vgg import IMAGENET
from vidstyle.nets.weights import Download, fetch, read_weights, write_weights

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


def refused(path: Path) -> str:
    """The message that refuses a file, which is one line and names it."""
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def same(tensors: dict[str, Tensor]) -> bool:
    return tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_safetensors_are_read_with_their_notes_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, {"input": "BGR, 0-255"})
    read = read_weights(path)
    assert same(read.tensors)
    assert read.metadata == {"input": "BGR, 0-255"}
    assert read.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_safetensors_without_notes_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    assert read_weights(tmp_path / "w.safetensors").metadata == {}


@pytest.mark.parametrize("name", ["w.pth", "w.pt"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pytorchs_own_files_are_read(tmp_path: Path, name: str, zipped: bool) -> None:
    path = tmp_path / name
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    read = read_weights(path)
    assert same(read.tensors)
    assert read.metadata == {}
    assert read.digest == hashlib.sha256(path.read_bytes()).hexdigest()


class Payload:
    """Unpickled, it would create a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_code_in_a_pickle_does_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.pth", tmp_path / "it-ran"
    torch.save({**TENSORS, "extra": Payload(target)}, path)
    assert "holds more than tensors" in refused(path)
    assert not target.exists()
    path.write_bytes(pickle.dumps(Payload(target), protocol=2))
    refused(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())  # the payload is a live one
    assert target.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no weight file" in refused(tmp_path / "nowhere.safetensors")
    assert "no weight file" in refused(tmp_path)  # a folder


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"w{suffix}"
    tensors = {"weight": torch.arange(4096.0)}
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.bin"])
@pytest.mark.parametrize("content", [b"<html>\nnot found\n</html>\n", bytes(1000), b"\xff" * 1000])
def test_what_is_no_weight_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [torch.ones(3), [torch.ones(3)], {"step": 3, "net": torch.ones(3)}, {"net": TENSORS}, {1: torch.ones(3)}],
    ids=["a tensor", "a list", "a number among them", "a table in a table", "a numbered tensor"],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert "not a table of named tensors" in refused(tmp_path / "w.pth")


# ---- fetch

CONTENT = b"weights, for all that fetch knows" * 100
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Downloads go into the test's own folder, and to no proxy."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "torch"


said: list[str] = []  # what fetch announces


def published(tmp_path: Path, content: bytes = CONTENT) -> Download:
    source = tmp_path / "net-1234.pth"
    source.write_bytes(content)
    return Download(source.as_uri(), PREFIX, 1, "use --encoder compact")


def not_fetched(download: Download) -> str:
    """The message of a failed fetch, which leaves nothing behind."""
    with pytest.raises(WeightsError) as caught:
        fetch(download, said.append)
    message = str(caught.value)
    assert "\n" not in message
    assert list(download.path.parent.iterdir()) == []
    return message


def test_a_fetched_file_lies_where_torch_looks_for_it(tmp_path: Path, torch_home: Path) -> None:
    path = fetch(published(tmp_path), said.append)
    assert path == torch_home / "hub" / "checkpoints" / "net-1234.pth"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    download = published(tmp_path)
    first = fetch(download, said.append)
    (tmp_path / "net-1234.pth").unlink()
    assert fetch(download, said.append) == first


def test_a_download_with_another_sha256_is_not_kept(tmp_path: Path) -> None:
    download = published(tmp_path, CONTENT + b"!")
    assert download.url in not_fetched(download)


def test_a_damaged_file_is_said_and_not_touched(tmp_path: Path) -> None:
    download = published(tmp_path)
    path = fetch(download, said.append)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"damaged.*delete it") as caught:
        fetch(download, said.append)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == CONTENT[:-1]


def test_offline_the_file_its_place_and_the_way_around_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("<urlopen error [Errno -2] Name or service not known>\nmore")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(WeightsError) as caught:
        find_weights("vgg19", say=said.append)
    message = str(caught.value)
    assert "\n" not in message
    assert "Name or service not known" in message
    assert IMAGENET.url in message
    assert str(IMAGENET.path) in message
    assert IMAGENET.path.name == "vgg19-dcbb9e9d.pth"
    assert "--encoder compact" in message


def test_a_folder_that_cannot_be_made_is_said(torch_home: Path, tmp_path: Path) -> None:
    torch_home.write_text("a file where the folder should be")
    with pytest.raises(WeightsError) as caught:
        fetch(published(tmp_path), said.append)
    assert "\n" not in str(caught.value)


ANSWERS = {
    "whole": b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT,
    "not found": b"HTTP/1.0 404 Not Found\r\n\r\n",
    "cut short": b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT[:50],
    "cut in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + CONTENT[:50],
    "not http": b"hello\r\n\r\n",
    "nothing": b"",
}


@pytest.fixture
def serve() -> Iterator[Callable[[str], Download]]:
    """Gives the URL of a local server that answers in a way of ANSWERS."""
    servers = []

    def start(answer: str) -> Download:
        class Handler(http.server.BaseHTTPRequestHandler):
            def handle(self) -> None:
                self.rfile.readline()
                self.wfile.write(ANSWERS[answer])

        server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return Download(f"http://127.0.0.1:{server.server_address[1]}/net.pth", PREFIX, 1, "use --encoder compact")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_file_comes_over_http(serve: Callable[[str], Download]) -> None:
    assert fetch(serve("whole"), said.append).read_bytes() == CONTENT


@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "whole"])
def test_a_server_that_fails_leaves_nothing_behind(serve: Callable[[str], Download], answer: str) -> None:
    download = serve(answer)
    message = not_fetched(download)
    assert download.url in message
    assert str(download.path) in message
    assert "--encoder compact" in message


def test_nothing_is_fetched_in_silence(tmp_path: Path, torch_home: Path) -> None:
    download = published(tmp_path)
    with pytest.raises(WeightsError, match="not there yet"):
        fetch(download)
    assert not download.path.exists()
    lines: list[str] = []
    fetch(download, lines.append)
    assert lines == [f"fetching {download.url} (1 MB) to {download.path}"]


def test_a_full_disk_is_one_line_and_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.safetensors"
    write_weights(path, TENSORS, {})
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VidstyleError, match="no space left to write") as caught:
        write_weights(path, {"a": torch.zeros(9)}, {})
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == before
