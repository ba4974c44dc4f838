"""Looks at everything that painting needs here and says what is missing, whatever is broken.

Nothing heavy is imported above: each check imports what it looks at, and a check that fails is a finding, not an end.
Nothing is downloaded, and nothing is left on the disk.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vidstyle.errors import MediaError, VidstyleError

OK, NOTE, MISSING = "ok", "note", "missing"
LITTLE_DISK = 2 << 30
"""Bytes: with less, a movie of some minutes may not fit."""
_IMPORT_SECONDS = 120.0
_CACHE_ELSEWHERE = "--cache-dir or VIDSTYLE_CACHE puts the cache elsewhere"
_OPENCV = "vidstyle.flow._cv2"  # says in one line why OpenCV does not load, and what to do
#: Modules of compiled code that nothing can be painted without, and the packages that they come in.
_LIBRARIES = {
    "numpy": "numpy",
    "av": "av",
    "PIL.Image": "pillow",
    "safetensors": "safetensors",
    "zstandard": "zstandard",
    "numcodecs.blosc": "numcodecs",
    "xxhash": "xxhash",
}
#: All that may end the whole process when it is loaded: tried in one of its own.
_COMPILED = (*_LIBRARIES, "torch", "torchvision", _OPENCV)
_HOME = Path(__file__).resolve().parents[2]  # where the package lies


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    about: str  # a word or two
    state: str  # OK, NOTE (works, but know this) or MISSING
    found: str  # what is here
    advice: str = ""  # what to do about it
    essential: bool = False  # nothing can be painted without it
    facts: dict[str, Any] = field(default_factory=dict)  # for programs, as JSON

    @property
    def stops_painting(self) -> bool:
        return self.essential and self.state == MISSING


Check = Callable[[], Iterator[Finding]]
Loading = dict[str, str | None]  # by name of ``_COMPILED``: why it cannot be loaded; None: it can


def examine(root: Callable[[], Path], here: Callable[[], Path]) -> Iterator[Finding]:
    """Findings one by one, as they are made. Never raises.

    Args:
        root: gives the cache folder.
        here: gives the folder that movies are written to.
    """
    yield from guarded("Python", check_python)
    yield from guarded("packages", check_packages)
    loading = what_loads()
    checks: list[tuple[str, tuple[str, ...], Check]] = [
        ("libraries", (), partial(check_libraries, loading)),
        ("ffmpeg", ("av", "numpy"), check_ffmpeg),
        ("OpenCV", (), partial(check_opencv, loading)),
        ("torch", (), partial(check_torch, loading)),
        ("torchvision", (), partial(check_torchvision, loading)),
        ("networks", ("numpy", "safetensors", "torch"), partial(check_networks, loading)),
        ("trained styles", ("numpy", "safetensors", "torch", "zstandard"), check_styles),
        ("cache", ("numpy", "zstandard"), partial(check_cache, root)),
        ("disk here", ("numpy", "zstandard"), partial(check_disk, here)),
    ]
    for about, needs, check in checks:
        lost = [name for name in needs if loading[name] is not None]
        if lost:
            yield Finding(about, NOTE, f"not looked at, because {lost[0]} does not load")
        else:
            yield from guarded(about, check)


def guarded(about: str, check: Check) -> Iterator[Finding]:
    """The findings of a check; whatever it fails with is its last one."""
    try:
        yield from check()
    except VidstyleError as error:  # says itself what to do
        yield Finding(about, MISSING, str(error), essential=True)
    except (Exception, SystemExit) as error:
        yield Finding(about, MISSING, f"cannot be examined: {one_line(error)}", essential=True)


def one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# ---- Python and its packages


def check_python() -> Iterator[Finding]:
    """The interpreter and the machine."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    facts = {"version": platform.python_version(), "executable": sys.executable, "platform": platform.platform()}
    yield Finding("Python", OK, f"{platform.python_version()} at {sys.executable}; {machine}", facts=facts)


def check_packages() -> Iterator[Finding]:
    """That what vidstyle was installed with is still there; OpenCV comes in several packages and is looked at later."""
    try:
        needed = importlib.metadata.requires("vidstyle") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", NOTE, "vidstyle runs without being installed", "from a checkout: pip install -e .")
        return
    names = [re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in needed if "extra ==" not in line]
    versions: dict[str, str | None] = {}
    for name in names:
        if name.startswith("opencv-"):
            continue
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    if lost := [name for name, version in versions.items() if version is None]:
        advice = f"pip install {' '.join(lost)}"
        yield Finding("packages", MISSING, f"no {', '.join(lost)}", advice, essential=True, facts=dict(versions))
    else:
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield Finding("packages", OK, listed, facts=dict(versions))


def what_loads() -> Loading:
    """Which of ``_COMPILED`` can be loaded: all at once where nothing is wrong, else one by one."""
    if why_not_loaded(*_COMPILED) is None:
        return dict.fromkeys(_COMPILED)
    return {name: why_not_loaded(name) for name in _COMPILED}


def why_not_loaded(*modules: str) -> str | None:
    """Why modules cannot be imported, in one line; None where they can. Tried in another process."""
    code = f"import sys; sys.path.append(sys.argv[1]); import {', '.join(modules)}"
    try:
        # -P: as for the installed command, modules are not looked for in the working folder.
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(_HOME)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_IMPORT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return one_line(error)
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"ends the process with {signal.Signals(-done.returncode).name} when it is loaded"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ends the process with exit status {done.returncode} when it is loaded"


def check_libraries(loading: Loading) -> Iterator[Finding]:
    """That the libraries can be loaded: a line for each that cannot."""
    lost = {module: loading[module] for module in _LIBRARIES if loading[module] is not None}
    for module, problem in lost.items():
        advice = f"pip install --force-reinstall {_LIBRARIES[module]}"
        yield Finding(module, MISSING, str(problem), advice, essential=True)
    if not lost:
        yield Finding("libraries", OK, f"{', '.join(_LIBRARIES.values())} can be loaded")


# ---- ffmpeg


def check_ffmpeg() -> Iterator[Finding]:
    """The program, what it reads and writes, and the graphics card's encoders."""
    from vidstyle.media.abilities import OLDEST, abilities, is_too_old, unwritable
    from vidstyle.media.ffmpeg import find_ffmpeg

    try:
        program = find_ffmpeg()
    except MediaError as error:
        advice = "install ffmpeg, or unset VIDSTYLE_FFMPEG where it is set: imageio-ffmpeg brings one along"
        yield Finding("ffmpeg", MISSING, str(error), advice, essential=True)
        return
    facts = {"path": program.path, "version": program.version, "origin": program.origin}
    found = f"{program.version}, from {program.origin}: {program.path}"
    if is_too_old(program):
        oldest = ".".join(map(str, OLDEST))
        advice = f"vidstyle takes ffmpeg {oldest} or newer: install one, or set VIDSTYLE_FFMPEG to one"
        yield Finding("ffmpeg", MISSING, found, advice, essential=True, facts=facts)
        return
    yield Finding("ffmpeg", OK, found, facts=facts)
    able = abilities(program)
    for codec in able.codecs:
        yield codec_finding(codec.name, codec.encoders, codec.decoders)
    if problems := unwritable(program):
        essential = ".mp4" in problems
        advice = "install an ffmpeg with libx264 and libvpx"
        yield Finding("file types", MISSING, f"cannot write {', '.join(problems)}", advice, essential, dict(problems))
    yield filters_finding(able.filters)
    yield hardware_finding(program, able.hardware_encoders)


def codec_finding(name: str, encoders: tuple[str, ...], decoders: tuple[str, ...]) -> Finding:
    """Whether one codec can be read and written."""
    facts = {"encoders": list(encoders), "decoders": list(decoders)}
    reads = f"read by {', '.join(decoders)}" if decoders else "cannot be read"
    writes = f"written by {', '.join(encoders)}" if encoders else "cannot be written"
    state = OK if encoders and decoders else MISSING
    advice = "" if state == OK else "an ffmpeg with more codecs is found through PATH or VIDSTYLE_FFMPEG"
    return Finding(name, state, f"{reads}; {writes}", advice, facts=facts)


def filters_finding(filters: frozenset[str]) -> Finding:
    """Whether ffmpeg has the filters that we use."""
    from vidstyle.media.abilities import ALWAYS_USED, USED_FOR

    lost = [name for name in (*ALWAYS_USED, *USED_FOR) if name not in filters]
    facts = {name: name in filters for name in (*ALWAYS_USED, *USED_FOR)}
    if not lost:
        return Finding("filters", OK, ", ".join(facts), facts=facts)
    reasons = ", ".join(f"{name} (for {USED_FOR.get(name, 'every movie')})" for name in lost)
    essential = any(name in ALWAYS_USED for name in lost)
    return Finding("filters", MISSING, f"no {reasons}", "install a full build of ffmpeg", essential, facts)


def hardware_finding(program: Any, built: tuple[str, ...]) -> Finding:
    """Which encoders of graphics cards work with ``--codec``, out of those that ffmpeg was built with."""
    from vidstyle.media.abilities import that_open

    facts: dict[str, Any] = {"built_in": list(built), "work": that_open(program, built)}
    idle = [name for name in built if name not in facts["work"]]
    if facts["work"]:
        found = f"--codec {', '.join(facts['work'])} work; built in, but not working here: {', '.join(idle) or 'none'}"
        return Finding("hardware", OK, found, facts=facts)
    reason = f"built in, but not working here: {', '.join(idle)}" if idle else "none built in"
    return Finding("hardware", NOTE, reason, "movies are encoded by the processor", facts=facts)


# ---- OpenCV, torch and the networks


def check_opencv(loading: Loading) -> Iterator[Finding]:
    """That OpenCV loads, and which of its packages it is."""
    problem = loading[_OPENCV]
    if problem is not None:
        message = problem.removeprefix("vidstyle.errors.VidstyleError: ")
        found, _, advice = message.partition("): ")
        advice = advice or "pip install --force-reinstall opencv-contrib-python-headless"
        yield Finding("OpenCV", MISSING, f"{found})" if found != message else found, advice, essential=True)
        return
    from vidstyle.flow._cv2 import cv2

    packages = opencv_packages()
    facts = {"version": cv2.__version__, "packages": packages, "contrib": hasattr(cv2, "ximgproc")}
    found = f"{cv2.__version__} of {' and '.join(packages) or 'no package known to pip'}"
    if not hasattr(cv2, "DISOpticalFlow_create"):
        advice = "pip install --force-reinstall opencv-contrib-python-headless"
        yield Finding("OpenCV", MISSING, f"{found}: has no DIS flow", advice, essential=True, facts=facts)
    elif len(packages) > 1:
        advice = f"they overwrite each other: pip uninstall all of them, then install one of them again ({packages[0]})"
        yield Finding("OpenCV", NOTE, found, advice, facts=facts)
    else:
        yield Finding("OpenCV", OK, found, facts=facts)


def opencv_packages() -> list[str]:
    """The packages that OpenCV was installed from; each owns the same folder."""
    names = [f"opencv-{contrib}python{headless}" for contrib in ("contrib-", "") for headless in ("", "-headless")]
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_torch(loading: Loading) -> Iterator[Finding]:
    """PyTorch, its threads, and the devices that it can paint on."""
    problem = loading["torch"]
    if problem is not None:
        yield Finding("torch", MISSING, problem, "pip install --force-reinstall torch torchvision", essential=True)
        return
    import torch

    threads = torch.get_num_threads()
    facts: dict[str, Any] = {"version": torch.__version__, "threads": threads, "cuda": torch.version.cuda}
    yield Finding("torch", OK, f"{torch.__version__}, {threads} threads", facts=facts)
    processor = processor_facts()
    bfloat16 = "fast" if processor["bfloat16"] else "works, but is slow"
    found = f"{processor['name']}; {processor['instructions']}; bfloat16 {bfloat16}"
    yield Finding("cpu", OK, found, facts=processor)
    cards = []
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    for number, card in enumerate(cards):
        facts = {"name": card.name, "bytes": card.total_memory, "capability": [card.major, card.minor]}
        yield Finding(f"cuda:{number}", OK, f"{card.name}, {size(card.total_memory)}", facts=facts)
    if torch.backends.mps.is_available():
        yield Finding("mps", OK, "an Apple GPU: --device mps")
    elif not cards:
        why = f"this torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "this torch is for CPUs"
        yield Finding("gpu", NOTE, f"none that torch can use; {why}", "painting runs on the processor")


def processor_facts() -> dict[str, Any]:
    """What the processor is, and whether it computes in bfloat16 itself."""
    import torch

    instructions = torch.backends.cpu.get_cpu_capability()
    known: Mapping[str, Any] = {}
    if hasattr(torch.cpu, "get_capabilities"):  # not in older versions
        known = torch.cpu.get_capabilities()
    units = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if known.get(name)]
    name = known.get("cpu_name") or platform.processor() or platform.machine()
    return {"name": name, "instructions": ", ".join([instructions, *units]), "bfloat16": bool(units)}


def check_torchvision(loading: Loading) -> Iterator[Finding]:
    """torchvision: only RAFT needs it."""
    problem = loading["torchvision"]
    if problem is None:
        version = importlib.metadata.version("torchvision")
        yield Finding("torchvision", OK, version, facts={"version": version})
    else:
        advice = "pip install --force-reinstall torch torchvision, of versions that fit; --flow dis works without"
        yield Finding("torchvision", MISSING, problem, advice)


def check_networks(loading: Loading) -> Iterator[Finding]:
    """The weights that the package carries, and which of the published ones are here."""
    from vidstyle.nets.encoder import find_weights
    from vidstyle.nets.vgg import IMAGENET
    from vidstyle.nets.weights import EMBEDDED

    carried = sorted(EMBEDDED.glob("*.safetensors"))
    default = find_weights("compact")
    for path in carried if default in carried else [default, *carried]:
        yield carried_finding(path, essential=path == default)
    published = {"vgg19": (IMAGENET, "--encoder-weights")}
    if loading["torchvision"] is None:
        from vidstyle.nets.raft import RAFT_WEIGHTS

        published |= {name: (download, "--flow-weights") for name, download in RAFT_WEIGHTS.items()}
    for name, (download, option) in published.items():
        yield published_finding(name, download, option)


def carried_finding(path: Path, essential: bool) -> Finding:
    """Whether a weight file of the package is whole; the encoder that every painting needs is tried."""
    import torch

    from vidstyle.nets.encoder import load_encoder
    from vidstyle.nets.weights import read_weights

    try:
        weights = read_weights(path)
        if essential:
            encoder = load_encoder("compact", path, torch.device("cpu"))
            features = encoder(torch.full((1, 3, 32, 32), 0.5), encoder.layers)
            if not all(level.isfinite().all() for level in features.values()):
                raise VidstyleError(f"{path} gives what is no number")
    except VidstyleError as error:
        return Finding(path.stem, MISSING, str(error), "install vidstyle again", essential)
    facts = {"path": str(path), "sha256": weights.digest}
    return Finding(path.stem, OK, f"part of the package, sha256 {weights.digest[:8]}…", facts=facts)


def published_finding(name: str, download: Any, option: str) -> Finding:
    """Whether a published weight file is here; nothing is fetched."""
    from vidstyle.nets.weights import fetch

    facts = {"path": str(download.path), "url": download.url, "megabytes": download.megabytes}
    if not download.path.exists():
        found = f"not here: {download.megabytes} MB are fetched on first use, to {download.path}"
        advice = f"without a network: put the file there, or give one with {option}"
        return Finding(name, NOTE, found, advice, facts={**facts, "here": False})
    try:
        fetch(download)
    except VidstyleError as error:
        return Finding(name, MISSING, str(error), facts={**facts, "here": False})
    return Finding(name, OK, str(download.path), facts={**facts, "here": True})


def check_styles() -> Iterator[Finding]:
    """The trained styles that can be asked for by name, and files of them that cannot be read."""
    from vidstyle.pipeline.styles import broken_files, known_styles, styles_folder

    known = known_styles()
    own = [style.name for style in known.values() if not style.embedded]
    facts = {"styles": list(known), "own": own, "folder": str(styles_folder())}
    if known:
        yours = f"; of your own {', '.join(own)}, in {styles_folder()}" if own else ""
        carried = ", ".join(style.name for style in known.values() if style.embedded) or "none"
        yield Finding("trained styles", OK, f"part of the package: {carried}{yours}", facts=facts)
    else:
        advice = "`vidstyle styles add FILE` adds one; pictures need none"
        yield Finding("trained styles", NOTE, "no trained ones", advice, facts=facts)
    for path, problem in broken_files().items():
        yield Finding(
            "trained styles", MISSING, problem, f"remove {path}, or add the style again", facts={"path": str(path)}
        )


# ---- disk


def check_cache(find_root: Callable[[], Path]) -> Iterator[Finding]:
    """Where intermediate results lie, and whether they can be written there."""
    from vidstyle.store.health import examine_cache, folder_bytes

    root = find_root()
    health = examine_cache(root)
    used, is_all = folder_bytes(root) if health.exists else (0, True)
    facts = {"path": str(root), "exists": health.exists, "writable": health.problem is None}
    facts |= {"bytes": used, "bytes_are_all": is_all, "free": health.free, "locks": health.lock_problem is None}
    if health.problem is not None:
        yield Finding("cache", MISSING, health.problem, _CACHE_ELSEWHERE, essential=True, facts=facts)
        return
    holds = f"holds {'' if is_all else 'more than '}{size(used)}" if health.exists else "made on first use"
    yield Finding("cache", OK, f"{root}: {holds}", facts=facts)
    if health.lock_problem is not None:
        yield Finding("locks", NOTE, health.lock_problem)
    if health.free is not None:
        yield space_finding("cache's disk", health.free, _CACHE_ELSEWHERE)


def check_disk(find_here: Callable[[], Path]) -> Iterator[Finding]:
    """Space for the painted movie."""
    from vidstyle.store.health import free_bytes

    free = free_bytes(find_here())
    if free is not None:
        yield space_finding("disk here", free, "free some, or write the movie elsewhere with -o")


def space_finding(about: str, free: int, advice: str) -> Finding:
    facts = {"free": free}
    if free < LITTLE_DISK:
        return Finding(about, NOTE, f"only {size(free)} free", advice, facts=facts)
    return Finding(about, OK, f"{size(free)} free", facts=facts)


def size(count: int) -> str:
    """Bytes for people: 3.4 GB."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
