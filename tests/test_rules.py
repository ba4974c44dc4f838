"""The rules of the house, read from its sources: who imports whom, who prints, and what a file looks like."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "vidstyle"
FILES = sorted(PACKAGE.rglob("*.py"))

MATHS = ("flow", "nets", "losses", "stylize", "metrics")
DISK_AND_MEDIA = ("store", "media")
#: The one place of the maths that finds and reads files.
READS_FILES = "nets/weights.py"
#: Pass the path of a weight file from their caller to ``READS_FILES``: may name the type, may not touch the disk.
NAMES_PATHS = ("nets/encoder.py", "nets/predictor.py", "nets/style_file.py")
#: ``python -m vidstyle`` is the command line by another name.
COMMAND_LINE = ("cli", "__main__")

MEDIA_LIBRARIES = {"av", "ffmpeg", "imageio_ffmpeg"}
DISK_LIBRARIES = {"pathlib", "os", "io", "shutil", "tempfile", "glob", "platformdirs", "safetensors", "PIL"}
DISK_CALLS = {
    *("open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "touch", "rename"),
    *("exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "stat", "resolve", "imread", "imwrite", "tofile"),
}
LONGEST_FUNCTION = 70  # lines
#: Lines of what needs no sentence, because its name, its types and the comments on its fields say it all.
LONGEST_CLASS_WITHOUT_DOCSTRING, LONGEST_FUNCTION_WITHOUT_DOCSTRING = 6, 14
UNFINISHED = ("TO" + "DO", "FIX" + "ME")  # in two parts, so that this file does not break its own rule


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def part_of(file: Path) -> str:
    """The part of the house that a file belongs to: "flow" for vidstyle/flow/dis.py and for vidstyle/flow.py."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def files_of(*parts: str) -> list[Path]:
    found = [file for file in FILES if part_of(file) in parts]
    assert {part_of(file) for file in found} == set(parts), "a part of the house is gone"
    return found


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imports_in(module: ast.Module, package: str = "") -> set[str]:
    """Every module that is imported, at any depth: absolute, and with names that may be modules themselves."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            found |= {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
    return found


def imports(file: Path) -> set[str]:
    package = ".".join(["vidstyle", *file.relative_to(PACKAGE).parts[:-1]])
    return imports_in(tree(file), package)


def libraries(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(file)}


def ours(file: Path) -> set[str]:
    """The parts of vidstyle that a file imports."""
    return {name.split(".")[1] for name in imports(file) if name.startswith("vidstyle.")}


def called(node: ast.Call) -> str:
    """The last part of what is called: "exit" for sys.exit(2)."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def calls_in(module: ast.Module) -> Iterator[tuple[str, int]]:
    """What is called, in full where it is a name: ("sys.exit", line)."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def assert_none(offences: Iterable[str]) -> None:
    """Fails with one offence a line."""
    found = sorted(offences)
    assert not found, "\n" + "\n".join(found)


# ---- who imports whom


def test_imports_are_found_however_they_are_written() -> None:
    code = """
import os.path as p
from vidstyle import media
def later():
    from .base import x
    from ..store import keys
    import_module("vidstyle.cli")
"""
    assert imports_in(ast.parse(code), "vidstyle.flow") == {
        "os.path",
        *("vidstyle", "vidstyle.media", "vidstyle.flow.base", "vidstyle.flow.base.x"),
        *("vidstyle.store", "vidstyle.store.keys", "vidstyle.cli"),
    }


def test_maths_knows_no_command_line_no_ffmpeg_and_none_of_the_parts_above() -> None:
    above = {"store", "media", "pipeline", "cli", "view", "train", "structure"}
    offences = []
    for file in files_of(*MATHS):
        offences += [f"{name_of(file)} imports {name}" for name in libraries(file) & {"click", *MEDIA_LIBRARIES}]
        offences += [f"{name_of(file)} imports vidstyle.{name}" for name in ours(file) & above]
    assert_none(offences)


def test_maths_knows_no_files_but_those_of_weights() -> None:
    offences = []
    for file in files_of(*MATHS):
        allowed = {READS_FILES: DISK_LIBRARIES, **{name: {"pathlib"} for name in NAMES_PATHS}}.get(name_of(file), set())
        offences += [f"{name_of(file)} imports {name}" for name in libraries(file) & DISK_LIBRARIES - allowed]
        if name_of(file) != READS_FILES:
            offences += [
                f"{name_of(file)}:{line} calls {name}"
                for name, line in calls_in(tree(file))
                if name.rsplit(".", 1)[-1] in DISK_CALLS or name in ("torch.load", "torch.save", "np.load", "np.save")
            ]
    assert_none(offences)


def test_disk_and_media_know_no_torch_and_no_command_line() -> None:
    above = {*MATHS, "pipeline", "cli", "view", "train"}
    offences = []
    for file in files_of(*DISK_AND_MEDIA):
        offences += [f"{name_of(file)} imports {name}" for name in libraries(file) & {"torch", "torchvision", "click"}]
        offences += [f"{name_of(file)} imports vidstyle.{name}" for name in ours(file) & above]
    assert_none(offences)


def test_disk_and_media_do_not_know_each_other() -> None:
    assert_none(name_of(file) for file in files_of("store") if "media" in ours(file))
    assert_none(name_of(file) for file in files_of("media") if "store" in ours(file))


def test_only_media_knows_ffmpeg() -> None:
    others = [file for file in FILES if part_of(file) != "media"]
    assert_none(f"{name_of(file)} imports {name}" for file in others for name in libraries(file) & MEDIA_LIBRARIES)


def test_settings_and_errors_import_nothing_of_ours() -> None:
    assert ours(PACKAGE / "errors.py") == set()
    assert ours(PACKAGE / "config.py") <= {"errors"}


def test_nobody_imports_the_command_line_but_itself() -> None:
    others = [file for file in FILES if part_of(file) not in COMMAND_LINE]
    assert_none(name_of(file) for file in others if ours(file) & set(COMMAND_LINE))
    assert_none(name_of(file) for file in others if "click" in libraries(file))


def test_pictures_are_not_made_by_the_pipeline() -> None:
    assert_none(name_of(file) for file in files_of("view") if ours(file) & {"pipeline", "cli", "train"})
    assert_none(name_of(file) for file in files_of("pipeline") if ours(file) & {"cli", "train"})


# ---- who prints and exits


def test_only_the_command_line_prints_or_exits() -> None:
    forbidden = {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write", "click.echo"}
    assert_none(
        f"{name_of(file)}:{line} calls {name}"
        for file in FILES
        if part_of(file) not in COMMAND_LINE
        for name, line in calls_in(tree(file))
        if name in forbidden
    )


def test_only_the_command_line_raises_system_exit() -> None:
    names = ("SystemExit", "KeyboardInterrupt")
    assert_none(
        f"{name_of(file)}:{node.lineno}"
        for file in FILES
        if part_of(file) not in COMMAND_LINE
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).split("(")[0] in names
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["stylize", "--help"], ["status", "--help"]])
def test_help_comes_without_anything_heavy(arguments: list[str]) -> None:
    code = """
import json, sys
from vidstyle.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    heavy = ("torch", "torchvision", "cv2", "numpy", "scipy", "av")
    print(json.dumps([end.code or 0, [name for name in heavy if name in sys.modules]]), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip()
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]


# ---- what a file looks like


def public_parts(module: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


def lines(node: ast.AST) -> int:
    return (node.end_lineno or 0) - node.lineno + 1  # type: ignore[attr-defined]


def test_every_module_says_what_it_is() -> None:
    assert_none(name_of(file) for file in FILES if file.name != "__main__.py" and not ast.get_docstring(tree(file)))


def needs_docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    is_class = isinstance(node, ast.ClassDef)
    return lines(node) > (LONGEST_CLASS_WITHOUT_DOCSTRING if is_class else LONGEST_FUNCTION_WITHOUT_DOCSTRING)


def test_longer_public_classes_and_functions_say_what_they_are() -> None:
    assert_none(
        f"{name_of(file)}:{node.lineno} {node.name}, {lines(node)} lines"
        for file in FILES
        for node in public_parts(tree(file))
        if needs_docstring(node) and not ast.get_docstring(node)
    )


def test_no_function_is_long() -> None:
    assert_none(
        f"{name_of(file)}:{node.lineno} {node.name} has {lines(node)} lines"
        for file in FILES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines(node) > LONGEST_FUNCTION
    )


@cache
def tracked_texts() -> dict[str, str]:
    """Every tracked text file, by name."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    texts = {}
    for name in listed.stdout.decode().split("\0"):
        file = CHECKOUT / name
        if name and file.is_file():
            content = file.read_bytes()
            if b"\0" not in content:
                texts[name] = content.decode()
    assert "pyproject.toml" in texts
    return texts


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_for_later_in_the_sources(word: str) -> None:
    assert_none(name for name, text in tracked_texts().items() if word in text)


def test_no_file_names_a_folder_of_some_machine() -> None:
    folders = [f"/{top}/" for top in ("work", "home", "Users", "root")]
    assert_none(
        f"{name}:{number} {line.strip()[:80]}"
        for name, text in tracked_texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        for folder in folders
        # "../home/x" and "https://host/home/x" are no such folders.
        if any(not before[-1:].isalnum() and before[-1:] not in {".", "-", "_"} for before in line.split(folder)[:-1])
    )
