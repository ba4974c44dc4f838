"""Trained styles by name: those that the package carries, those of the user's folder, and files of them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch

from vidstyle.config import METHODS, OTHER_NAMES, TRAINED_ENDINGS
from vidstyle.errors import InputError, WeightsError
from vidstyle.nets import fast_neural_style, style_file
from vidstyle.nets.style_file import embedded_styles
from vidstyle.nets.weights import read_metadata, read_weights
from vidstyle.stylize.recurrent import StyleNetwork, TrainedStyle, only


@dataclass(frozen=True)
class KnownStyle:
    """A trained style that can be asked for by its name."""

    name: str
    path: Path  # of the file that holds it, maybe with others
    embedded: bool  # part of the package; else the user's


def styles_folder() -> Path:
    """Where the user's styles lie: $VIDSTYLE_STYLES, else a folder in the platform's place for data."""
    named = os.environ.get("VIDSTYLE_STYLES")
    return Path(named) if named else Path(platformdirs.user_data_dir("vidstyle", appauthor=False)) / "styles"


def known_styles() -> dict[str, KnownStyle]:
    """All styles by name, the package's first. Where both have a name, the user's own file is meant.

    Files that cannot be read are left out: ``broken_files`` has them.
    """
    found: dict[str, KnownStyle] = {}
    for path, embedded in style_files():
        with contextlib.suppress(WeightsError):
            found |= {name: KnownStyle(name, path, embedded) for name in read_names(path)}
    return found


def style_files() -> list[tuple[Path, bool]]:
    """The files that styles are looked for in, and which are the package's."""
    carried = embedded_styles()
    own = sorted(path for path in styles_folder().glob("*.safetensors") if not path.name.startswith("."))
    return [(carried, True)] * carried.exists() + [(path, False) for path in own]


def broken_files() -> dict[Path, str]:
    """Files of styles that cannot be read, and why."""
    found = {}
    for path, _ in style_files():
        try:
            read_names(path)
        except WeightsError as error:
            found[path] = str(error)
    return found


# ---- what a value of --style means


def is_bare(path: str) -> bool:
    """Whether this may be a style's name: no folder and no ending, as the names of pictures and files have them."""
    return not Path(path).suffix and not any(slash and slash in path for slash in ("/", os.sep, os.altsep))


def is_known(path: str) -> bool:
    return is_bare(path) and path in known_styles()


def is_trained(path: str) -> bool:
    """Whether this is the name of a trained style, or a file of them; else it is a picture."""
    return Path(path).suffix.lower() in TRAINED_ENDINGS or is_known(path)


def method_for(paths: Sequence[str]) -> str:
    """The method that paints in these styles. InputError where no one does."""
    trained = [path for path in paths if is_trained(path)]
    pictures = [path for path in paths if path not in trained]
    for path in pictures:
        if is_bare(path) and not Path(path).exists():
            raise InputError(unknown(path))
    if trained and pictures:
        raise InputError(
            f"{trained[0]} is a trained style and {pictures[0]} a picture: one job paints in either, leave out one"
        )
    return "recurrent" if trained else "optimize"


def check_method(method: str, paths: Sequence[str], settings: Any) -> None:
    """Raise InputError where a method does not go with the styles, or with settings of another one."""
    for path in paths if method != "none" else ():
        is_file_of_styles = Path(path).suffix.lower() in TRAINED_ENDINGS
        if method == "recurrent" and not is_bare(path) and not is_file_of_styles:
            raise InputError(
                f"--method recurrent paints in trained styles, and {path} is a picture: "
                "leave out --method, or choose a name that `vidstyle styles list` has"
            )
        if method != "recurrent" and (is_file_of_styles or (not Path(path).exists() and is_known(path))):
            raise InputError(f"--method {method} paints in pictures, and {path} is trained: leave out --method")
    for name in settings if isinstance(settings, Mapping) else ():
        takers = [other for other, kind in METHODS.items() if name in kind.__dataclass_fields__]
        if takers and method not in takers:
            option = OTHER_NAMES.get(name) or f"--{name.replace('_', '-')}"
            raise InputError(f"{option} is for --method {' or '.join(takers)}, not for {method}: leave it out")


def unknown(name: str) -> str:
    """What to say where there is no such style."""
    known = ", ".join(known_styles()) or "none yet"
    return f"there is no style {name!r}, and no picture of that name; trained styles: {known}"


# ---- files


@dataclass(frozen=True)
class Loaded:
    """The trained styles of a file: ours, or a checkpoint of fast_neural_style."""

    names: tuple[str, ...]
    network: StyleNetwork
    previews: dict[str, bytes] = field(default_factory=dict)  # JPEGs, by name; may lack some
    notes: dict[str, Any] = field(default_factory=dict)  # how they were trained

    def index(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"there is no style {name!r} in this file, which has {', '.join(self.names)}")
        return self.names.index(name)


def read_names(path: Path) -> tuple[str, ...]:
    """The names of the styles in a file, from its head alone. WeightsError where it is no such file."""
    about = about_file(path)
    if about.get("format") not in (style_file.FORMAT, fast_neural_style.FORMAT):
        raise WeightsError(f"{path} is no file of trained styles")
    return tuple(str(name) for name in about.get("names", ()))


def about_file(path: Path) -> dict[str, Any]:
    """What a ``.safetensors`` file says of the styles in it; empty where it says nothing."""
    return style_file.about(read_metadata(path))


def load_file(path: Path) -> Loaded:
    """The styles of a file. Raises WeightsError, in one line, where it holds anything else."""
    if path.suffix.lower() not in TRAINED_ENDINGS and path.exists():
        raise WeightsError(f"{path} is no file of trained styles: those end in {', '.join(TRAINED_ENDINGS)}")
    weights = read_weights(path)
    if not all(torch.isfinite(tensor).all() for tensor in weights.tensors.values()):
        raise WeightsError(f"{path} holds weights that are no numbers: its training failed")
    if fast_neural_style.is_fast_neural_style(weights):
        try:
            network = fast_neural_style.build_fast_neural_style(weights)
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from error
        names = read_names(path) if style_file.ABOUT in weights.metadata else (as_name(path.stem),)
        return Loaded(names, network, notes={"network": "fast_neural_style of pytorch/examples, frame by frame"})
    if style_file.ABOUT not in weights.metadata:
        raise WeightsError(
            f"{path} holds no trained style: neither a file of vidstyle's, nor a checkpoint of fast_neural_style "
            "of pytorch/examples (a state_dict with conv1.conv2d.weight, res1.…, deconv1.…)"
        )
    found = style_file.read_styles(path)
    return Loaded(found.names, found.network, found.previews, found.notes)


def find_file(path: str) -> Path:
    """The file of a style that is given as a file or by its name. InputError where there is none."""
    if not is_bare(path):
        return Path(path)
    known = known_styles().get(path)
    if known is None:
        raise InputError(unknown(path))
    return known.path


def trained_styles(styles: Sequence[tuple[str, str | None]]) -> list[TrainedStyle]:
    """The networks of styles, each given as a file or a name, and the name in the file; each file is read once.

    Raises:
        InputError, WeightsError: a style is not there, or cannot be read.
    """
    load = cache(load_file)
    found = []
    for path, name in styles:
        loaded = load(find_file(path))
        if name is None and len(loaded.names) > 1:
            raise InputError(f"{path} holds several styles: add ,name= and one of {', '.join(loaded.names)}")
        index = 0 if name is None else loaded.index(name)
        found.append(TrainedStyle(loaded.network, only(index, len(loaded.names))))
    return found


def as_name(text: str) -> str:
    """What a style is called whose file is called ``text``."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "style"
