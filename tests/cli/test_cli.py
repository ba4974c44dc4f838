"""The command as a user meets it: exit codes, one line an error, data on stdout, stopping and going on."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from vidstyle.cli import main
from vidstyle.cli.stylize import stylize
from vidstyle.cli.values import StyleValue, Time
from vidstyle.config import METHODS, OTHER_NAMES
from vidstyle.media import probe

ROOT = Path(__file__).parents[2]
MOVIE = ROOT / "sample_videos" / "tiny.mp4"
STYLE = ROOT / "sample_videos" / "brushwork.jpg"
MUCH = "9" * 400
QUICK = ("--iterations", "1", "--first-iterations", "2", "--device", "cpu")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "vidstyle", *map(str, arguments)]


def vidstyle(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VIDSTYLE_CACHE": str(folder / "cache")}
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_movie_is_painted_shown_and_known_as_finished(tmp_path: Path) -> None:
    asked = ("stylize", MOVIE, "--style", STYLE, "-o", "out.mp4", *QUICK)
    dry = vidstyle(*asked, "--dry-run", "--json", folder=tmp_path)
    plan = json.loads(dry.stdout)
    assert (plan["shots"], plan["stages"][3]["to_do"]) == ([[0, 8], [8, 16]], 16)
    assert plan["seconds"] > 0
    assert not (tmp_path / "out.mp4").exists()

    painted = vidstyle(*asked, folder=tmp_path)
    assert (painted.returncode, painted.stdout) == (0, f"{tmp_path / 'out.mp4'}\n")
    assert "will take about" in painted.stderr
    assert probe(tmp_path / "out.mp4").audio

    again = vidstyle("resume", folder=tmp_path)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr

    (job,) = json.loads(vidstyle("status", "--json", folder=tmp_path).stdout)
    assert job["state"] == "finished"
    stages = json.loads(vidstyle("status", "out.mp4", "--json", folder=tmp_path).stdout)["stages"]
    assert [stage["to_do"] for stage in stages] == [0] * 5


def test_ctrl_c_stops_after_the_frame_and_resume_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "VIDSTYLE_CACHE": str(tmp_path / "cache")}
    asked = command("stylize", MOVIE, "--style", STYLE, "-o", "out.mp4", "--first-iterations", 8, "--iterations", 8)
    running = subprocess.Popen(asked, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    painted = tmp_path / "cache" / "v2" / "stylize"
    deadline = time.monotonic() + 60
    while not list(painted.glob("*/*/00000/0*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "vidstyle resume" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out.mp4").exists()
    assert "of 16 frames painted" in vidstyle("status", folder=tmp_path).stdout
    assert vidstyle("resume", folder=tmp_path).returncode == 0
    assert (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stylize", "none.mp4", "--style", STYLE), "no such file"),
        (("stylize", "text.mp4", "--style", STYLE), "text.mp4"),
        (("stylize", "empty.mp4", "--style", STYLE), "empty"),
        (("stylize", MOVIE, "--style", "none.jpg"), "none.jpg"),
        (("stylize", MOVIE, "--style", "text.mp4"), "not a picture"),
        (("stylize", MOVIE, "--style", ROOT), "folder"),
        (("stylize", MOVIE), "no style given"),
        (("stylize", MOVIE, "--style", f"{STYLE},colour=red"), "no option 'colour'"),
        (("stylize", MOVIE, "--style", f"{STYLE},weight=-1"), "weight"),
        (("stylize", MOVIE, "--style", f"{STYLE},at=soon"), "not a time"),
        (("stylize", MOVIE, "--style", f"{STYLE},mask=none.png"), "none.png"),
        (("stylize", MOVIE, "--style", f"{STYLE},mask=text.mp4", "-o", "a.mp4"), "text.mp4"),
        (("stylize", MOVIE, "--style", STYLE, "--style-layers", "relu1_1=no"), "relu1_1"),
        (("stylize", MOVIE, "--style", STYLE, "--style-layers", "relu9_1", "-o", "a.mp4"), "relu9_1"),
        (("stylize", MOVIE, "--style", STYLE, "-o", "out.xyz"), ".xyz"),
        (("stylize", MOVIE, "--style", STYLE, "-o", "nowhere/out.mp4"), "nowhere"),
        (("stylize", MOVIE, "--style", STYLE, "-o", MOVIE), "replace the movie"),
        (("stylize", MOVIE, "--style", STYLE, "-o", "text.mp4"), "-y"),
        (("stylize", MOVIE, "--style", STYLE, "-o", ""), "the name is empty"),
        (("stylize", MOVIE, "--style", STYLE, "--start", "9"), "--start"),
        (("stylize", MOVIE, "--style", STYLE, "--start", "soon"), "not a time"),
        (("stylize", MOVIE, "--style", STYLE, "--iterations", "0"), "iterations"),
        (("stylize", MOVIE, "--style", STYLE, "--device", "gpu"), "--device"),
        (("stylize", MOVIE, "--style", STYLE, "--encoder-weights", "text.mp4"), "text.mp4"),
        (("stylize", MOVIE, "-c", "none.toml"), "none.toml"),
        (("stylize", MOVIE, "-c", "bad.toml"), "iterations"),
        (("stylize", MOVIE, "-c", "much.toml"), "much.toml"),
        (("stylize", MOVIE, "--style", STYLE, "--scenes", "much.txt"), "much.txt, line 1"),
        (("stylize", MOVIE, "--style", STYLE, "--scenes", "much.csv"), "much.csv, line 2"),
        (("stylize", MOVIE, "--style", STYLE, "--within", MUCH + "m"), "--within is a time such as 90s"),
        (("stylize", MOVIE, "--style", STYLE, "--iterations", MUCH), "[stylize] iterations"),
        (("stylize", MOVIE, "--style", STYLE, "--width", MUCH), "width"),
        (("stylize", MOVIE, "--style", STYLE, "--crf", MUCH), "crf"),
        (("stylize", MOVIE, "--style", STYLE, "--fps", "1e5000"), "not a rate"),
        (("stylize", MOVIE, "--style", STYLE, "--fps", "1e9999999999"), "not a rate"),
        (("stylize", MOVIE, "--style", STYLE, "--end", MUCH), "not a time"),
        (("stylize", MOVIE, "--style", f"{STYLE},at={MUCH}"), "not a time"),
        (("stylize", MOVIE, "--style", STYLE, "--long-term", f"1,{MUCH}"), "not a list of frames"),
        (("stylize", MOVIE, "--style", STYLE, "--cache-limit", MUCH + "G"), "no disk is larger"),
        (("stylize", MOVIE, "--style", STYLE, "--passes", "100000000000"), "--passes is at least 1 and at most 100"),
        (("stylize", MOVIE, "--style", MUCH), "File name too long"),
        (("cache", "prune", "--older-than", MUCH + "w"), "not an age"),
        (("texture", STYLE, "--scale", "1e9"), "--scale is at least"),
        (("texture", STYLE, "--iterations", MUCH), "--iterations is at least"),
        (("texture", STYLE, "--seed", MUCH), "--seed is at least"),
        (("train", STYLE, "-o", "a.safetensors", "--photos", ".", "--steps", MUCH), "--steps is at least"),
        (("train", STYLE, "-o", "a.safetensors", "--photos", ".", "--strokes", MUCH), "--strokes is at least"),
        (("stylize", MOVIE, "--style", STYLE, "--json"), "--json is for --dry-run"),
        (("resume",), "no job yet"),
        (("status", "none"), "no job"),
        (("paint",), "paint"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    arguments: tuple[object, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDSTYLE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.mp4").write_text("no movie")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "much.toml").write_text(f"[stylize]\niterations = {MUCH * 20}\n")
    (tmp_path / "much.txt").write_text(f"{MUCH}s\n")
    (tmp_path / "much.csv").write_text(f"Scene Number,Start Frame\n1,{MUCH}\n")
    (tmp_path / "bad.toml").write_text('styles = ["a.jpg"]\n[stylize]\niterations = "many"\n')
    with pytest.raises(SystemExit) as stop:  # in this process: a new one takes seconds to import torch
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert stop.value.code == 2, said.err
    assert said.out == ""
    lines = said.err.splitlines()
    assert says in lines[-1]
    # What was scanned before is said too; the error itself is one line.
    assert [line for line in lines if "scanning" not in line] == lines[-1:]


@pytest.mark.parametrize("where", ["movie", "style", "output"])
def test_what_may_not_be_looked_into_is_bad_input(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked, locked = Path.stat, tmp_path / "locked"
    locked.mkdir()

    def stat(self: Path, **options: bool) -> os.stat_result:
        if self.parent == locked:  # as for anybody but root
            raise PermissionError(13, "Permission denied", str(self))
        return looked(self, **options)

    monkeypatch.setattr(Path, "stat", stat)
    named = {"movie": MOVIE, "style": STYLE, "output": tmp_path / "out.mp4", where: locked / "a.mp4"}
    with pytest.raises(SystemExit) as stop:
        main(["stylize", str(named["movie"]), "--style", str(named["style"]), "-o", str(named["output"]), "-q"])
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and "ermission" in line and str(locked) in line


@pytest.mark.parametrize(
    ("text", "seconds"), [("12.5", 12.5), ("4s", 4), ("1:02.5", 62.5), ("1:02:03", 3723), ("0", 0)]
)
def test_times(text: str, seconds: float) -> None:
    assert Time().convert(text, None, None) == seconds


def test_a_style_is_a_path_with_options_after_commas(tmp_path: Path) -> None:
    convert = StyleValue().convert
    assert convert("a.jpg", None, None) == {"path": "a.jpg"}
    assert convert("a.jpg,at=1:02.5", None, None) == {"path": "a.jpg", "at": Fraction(125, 2)}
    assert convert("a.jpg,mask=m 1.mp4", None, None) == {"path": "a.jpg", "mask": "m 1.mp4"}
    assert convert("a,b.jpg,weight=0.5,scale=2", None, None) == {"path": "a,b.jpg", "weight": 0.5, "scale": 2.0}
    odd = tmp_path / "a,weight=2"
    odd.touch()
    assert convert(str(odd), None, None) == {"path": str(odd)}


def test_settings_that_ffmpeg_refuses_are_found_before_painting(tmp_path: Path) -> None:
    for option, value in (("--codec", "nonsense"), ("--pix-fmt", "nonsense"), ("--preset", "nonsense")):
        done = vidstyle("stylize", MOVIE, "--style", STYLE, "-o", "out.mp4", option, value, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "cache" / "v2").exists()


def test_resume_may_replace_what_the_job_might(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("an older picture of mine")
    asked = ("stylize", MOVIE, "--method", "none", "-o", "out.mp4")
    assert vidstyle(*asked, folder=tmp_path).returncode == 2
    (style := tmp_path / "style.toml").write_text("")
    assert vidstyle(*asked, "-y", "-c", style, folder=tmp_path).returncode == 0
    # Once it is done, a file of that name is the user's own again.
    (tmp_path / "out.mp4").write_text("mine again")
    again = vidstyle("resume", folder=tmp_path)
    assert again.returncode == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("style", "before", "after"),
    [("udnie", None, "PASSIVE"), ("a.pth", None, "PASSIVE"), ("udnie", "ACTIVE", "ACTIVE"), ("a.jpg", None, None)],
)
def test_threads_sleep_while_they_wait_where_a_network_paints(
    style: str, before: str | None, after: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(SystemExit):
        main(["stylize", str(tmp_path / "missing.mp4"), "--style", style])
    assert os.environ.get("OMP_WAIT_POLICY") == after


def test_every_setting_is_called_by_its_option_or_has_another_name() -> None:
    options = {option for parameter in stylize.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for kind in METHODS.values():
        for field in dataclasses.fields(kind):
            name = f"--{field.name.replace('_', '-')}"
            assert field.metadata.get("internal") or (name in options) != (field.name in OTHER_NAMES), name


@pytest.mark.parametrize("arguments", [(), ("cache",), ("inspect",), ("styles",)])
def test_a_group_without_a_command_shows_its_help(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*more: str) -> str:
        with pytest.raises(SystemExit):
            main([*arguments, *more])
        return "".join(capsys.readouterr())

    assert said() == said("--help")


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(*arguments: object, **more: object) -> None:
        raise MemoryError

    monkeypatch.setattr("vidstyle.cli.cli.main", failing)
    with pytest.raises(SystemExit) as stop:
        main(["status"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("vidstyle: too little memory")


def test_a_job_without_standard_streams_is_done(tmp_path: Path) -> None:
    asked = command("stylize", MOVIE, "--method", "none", "--end", "0.1", "-o", tmp_path / "out.mp4", "--no-cache")
    done = subprocess.run(["sh", "-c", f"{shlex.join(asked)} <&- >&- 2>&-"], timeout=60, check=False)
    assert done.returncode == 0
    assert probe(tmp_path / "out.mp4")


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback() -> None:
    code = """
import runpy, sys
class Interrupting:
    def find_spec(self, name, *rest):
        if name == "vidstyle.cli.stylize":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
runpy.run_module("vidstyle", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "")
