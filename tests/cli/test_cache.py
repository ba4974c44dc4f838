"""``vidstyle cache`` and the options about the cache, as a user meets them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_cli import MOVIE, QUICK, STYLE
from vidstyle.cli import main
from vidstyle.cli.values import Age, Size

PASS_THROUGH = ("stylize", str(MOVIE), "--method", "none", "-q")


class Shell:
    """Runs commands in this process, in a folder: a new process takes seconds to import torch."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.out, self.err = "", ""

    def __call__(self, *arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        self.out, self.err = self.capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code

    def json(self, *arguments: object, code: int = 0) -> dict:  # type: ignore[type-arg]
        assert self(*arguments, "--json") == code
        return json.loads(self.out)  # type: ignore[no-any-return]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """With a cache that holds one finished job, which passed the movie through."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDSTYLE_CACHE", str(tmp_path / "cache"))
    run = Shell(capsys)
    assert run(*PASS_THROUGH, "-o", "out.mp4") == 0
    return run


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def artifact(tmp_path: Path, stage: str) -> Path:
    return next(file for file in sorted((tmp_path / "cache/v2" / stage).rglob("0*")) if file.is_file())


def test_what_is_there_is_listed(shell: Shell, tmp_path: Path) -> None:
    rows = shell.json("cache", "ls")
    assert {row["stage"]: row["artifacts"] for row in rows} == {"scan": 1, "decode": 16, "stylize": 16, "encode": 1}
    assert {row["movie"] for row in rows} == {str(MOVIE)}
    assert shell("cache", "ls", "--stage", "decode") == 0
    (header, line) = shell.out.splitlines()
    assert header.split()[:2] == ["stage", "key"]
    assert line.split()[:4] == ["decode", rows[1]["key"][:8], "tiny.mp4", "16"]
    assert shell.err == ""
    assert len(shell.json("cache", "ls", "out.mp4")) == 4
    assert shell("cache", "ls", "another") == 2


@pytest.mark.parametrize("by", ["stage", "movie"])
def test_sizes_add_up(by: str, shell: Shell, tmp_path: Path) -> None:
    document = shell.json("cache", "du", "--by", by)
    assert document["total"] == size(tmp_path / "cache")
    artifacts = [file for file in (tmp_path / "cache/v2").rglob("*") if file.is_file() and file.name != "about.json"]
    assert sum(row["bytes"] for row in document[f"by_{by}"]) == sum(file.stat().st_size for file in artifacts)
    assert shell("cache", "du", "--by", by) == 0
    assert shell.out.splitlines()[-1].split()[0] == "total"


def test_damage_is_found_and_ends_with_1(shell: Shell, tmp_path: Path) -> None:
    assert shell("cache", "verify") == 0
    assert shell.out == ""
    assert "34 artifacts" in shell.err
    damaged = artifact(tmp_path, "decode")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    found = shell.json("cache", "verify", code=1)
    (entry,) = found["damaged"]
    assert entry["path"] == str(damaged)
    assert entry["set_aside"] == f"{damaged}.corrupt-1"
    assert "1 of 34 artifacts are damaged" in shell.err.splitlines()[-1]
    assert shell("cache", "verify") == 0
    assert shell.out == f"{damaged}.corrupt-1: set aside\n"
    assert "cache prune --leftovers" in shell.err
    assert shell("cache", "prune", "--leftovers") == 0
    assert not Path(entry["set_aside"]).exists()
    assert shell("cache", "verify") == 0
    assert "33 artifacts" in shell.err


def test_pruning_says_what_it_frees(shell: Shell, tmp_path: Path) -> None:
    before = size(tmp_path / "cache")
    dry = shell.json("cache", "prune", "--stage", "decode", "--dry-run")
    assert size(tmp_path / "cache") == before
    done = shell.json("cache", "prune", "--stage", "decode")
    assert done["freed"] == dry["freed"] == {"decode": {"files": 16, "bytes": done["bytes"]}}
    # The folder's note goes with the folder.
    assert done["left"] == size(tmp_path / "cache") < before - done["bytes"]
    assert shell("cache", "prune", "--to", "100000") == 0
    assert size(tmp_path / "cache") <= 100_000
    assert "are freed" in shell.err
    assert shell("cache", "prune", "--job", "out.mp4", "--older-than", "1h") == 0
    assert shell("cache", "prune", "--all") == 0
    assert [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()] == ["CACHEDIR.TAG"]
    assert shell("status") == 0
    assert "no jobs yet" in shell.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--older-than, --stage, --job, --to, --leftovers or --all"),
        (("--all", "--stage", "flow"), "no other choice"),
        (("--to", "20"), "20G"),
        (("--to", "many"), "not a size"),
        (("--older-than", "30"), "30d"),
        (("--stage", "paint"), "paint"),
        (("--job", "none"), "no job"),
    ],
)
def test_what_prune_does_not_understand(arguments: tuple[str, ...], says: str, shell: Shell) -> None:
    assert shell("cache", "prune", *arguments) == 2
    assert says in shell.err.splitlines()[-1]
    assert shell.out == ""


def test_where_there_is_no_cache(shell: Shell, tmp_path: Path) -> None:
    for command in (("ls",), ("du",), ("verify",), ("prune", "--all")):
        assert shell("cache", *command, "--cache-dir", tmp_path / "none") == 0
        assert "there is no cache" in shell.err
        assert not (tmp_path / "none").exists()


def test_what_cannot_be_the_cache_folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("cache", "prune", "--all"), ("status",), (*PASS_THROUGH, "-o", "other.mp4")):
        for name, says in (("", "the name is empty"), ("out.mp4", "a file is there; name a folder with --cache-dir")):
            assert shell(*command, "--cache-dir", name) == 2
            assert says in shell.err and len(shell.err.splitlines()) == 1
    monkeypatch.setenv("VIDSTYLE_CACHE", "out.mp4/cache")
    assert shell("status") == 2
    assert "name a folder with $VIDSTYLE_CACHE" in shell.err


def test_a_limit_from_everywhere(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = size(tmp_path / "cache")
    expected = Path("out.mp4").read_bytes()
    (tmp_path / "settings.toml").write_text('cache_limit = "150K"\n')
    for number, (options, variable) in enumerate(
        [(("--cache-limit", "150K"), ""), (("-c", "settings.toml"), ""), ((), "150K")]
    ):
        monkeypatch.setenv("VIDSTYLE_CACHE_LIMIT", variable)
        shutil.rmtree(tmp_path / "cache")
        assert shell(*PASS_THROUGH, "-o", f"{number}.mp4", *options) == 0
        assert Path(f"{number}.mp4").read_bytes() == expected
        assert size(tmp_path / "cache") <= 150_000 < whole
    monkeypatch.setenv("VIDSTYLE_CACHE_LIMIT", "lots")
    assert shell(*PASS_THROUGH, "-o", "bad.mp4") == 2
    assert "VIDSTYLE_CACHE_LIMIT" in shell.err
    (tmp_path / "settings.toml").write_text("cache_limit = 20\n")
    assert shell(*PASS_THROUGH, "-o", "bad.mp4", "-c", "settings.toml") == 2
    assert "cache_limit" in shell.err


def test_resume_keeps_to_the_limit_of_its_job(shell: Shell, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    assert shell(*PASS_THROUGH, "-o", "out.mp4", "-y", "--cache-limit", "150K") == 0
    (tmp_path / "out.mp4").unlink()
    shutil.rmtree(tmp_path / "cache/v2")
    assert shell("resume", "-q") == 0
    assert size(tmp_path / "cache") <= 150_000
    (tmp_path / "out.mp4").unlink()
    assert shell("resume", "-q", "--cache-limit", "10G") == 0
    assert size(tmp_path / "cache") > 150_000


def test_without_a_cache(shell: Shell, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    assert shell(*PASS_THROUGH, "-o", "other.mp4", "--no-cache", "--dry-run", "--json") == 0
    assert json.loads(shell.out)["stages"][0]["to_do"] == 16
    assert shell(*PASS_THROUGH, "-o", "other.mp4", "--no-cache") == 0
    assert Path("other.mp4").read_bytes() == Path("out.mp4").read_bytes()
    assert not (tmp_path / "cache").exists()
    assert shell(*PASS_THROUGH, "-o", "other.mp4", "--no-cache", "--cache-limit", "1G") == 2
    assert "--no-cache" in shell.err


def test_a_disk_that_fills_up_and_room_again(shell: Shell, small_disk: Path, tmp_path: Path) -> None:
    asked = ("stylize", MOVIE, "--style", STYLE, *QUICK, "-q", "-o", "painted.mp4", "--cache-dir", small_disk)
    assert shell(*asked) == 1
    assert len(shell.err.splitlines()) == 1
    assert "no space left" in shell.err
    assert not Path("painted.mp4").exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert shell("resume", "-q", "--cache-dir", small_disk) == 0
    assert shell(*asked[:-4], "-o", "again.mp4", "--no-cache") == 0
    assert Path("again.mp4").read_bytes() == Path("painted.mp4").read_bytes()


def test_sizes_and_ages() -> None:
    assert Size().convert("1.5M", None, None) == 1_500_000
    assert [Age().convert(text, None, None) for text in ("90m", "12h", "30d", "1.5w")] == [5400, 43200, 2592000, 907200]
