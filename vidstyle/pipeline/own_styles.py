"""What ``vidstyle styles`` does with trained styles: adds and removes the user's own, describes and shows them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from vidstyle.errors import InputError, OutputError
from vidstyle.nets import fast_neural_style, style_file
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.weights import read_weights, write_weights
from vidstyle.pipeline.images import check_picture, read_image, save
from vidstyle.pipeline.styles import (
    KnownStyle,
    as_name,
    find_file,
    is_bare,
    known_styles,
    load_file,
    read_names,
    style_files,
    styles_folder,
    unknown,
)
from vidstyle.store import quantize_frame
from vidstyle.stylize.recurrent import RecurrentStylizer, TrainedStyle, only


def add_styles(path: Path, name: str | None = None) -> list[KnownStyle]:
    """Copy a file of trained styles into the user's folder, as a whole or not at all.

    Args:
        name: what its style is called; None: as in the file, or as the file.
    Raises:
        WeightsError: it holds no styles. InputError: a name is taken, or none. OutputError: the folder is read-only.
    """
    loaded = load_file(path)
    names = loaded.names if name is None else (name,)
    if len(names) != len(loaded.names):
        raise InputError(f"--name is for files of one style; {path} holds {', '.join(loaded.names)}")
    for new in names:
        if not is_bare(new) or as_name(new) != new:
            raise InputError(f"{new!r} is no name for a style: take letters, digits, - and _, as in great-wave")
        if new in known_styles():
            raise InputError(f"there is a style {new} already: give this one another name with --name")
    target = styles_folder() / f"{names[0]}.safetensors"
    if target.exists():
        raise InputError(f"{target} is there already, and holds something else: move it away, or take another --name")
    if isinstance(loaded.network, style_file.TransformNet):
        pairs = zip(loaded.names, names, strict=True)
        previews = {new: loaded.previews[old] for old, new in pairs if old in loaded.previews}
        style_file.write_styles(target, names, loaded.network, previews, loaded.notes)
    else:
        about = json.dumps({"format": fast_neural_style.FORMAT, "names": names})
        write_weights(target, fast_neural_style.used_tensors(read_weights(path)), {style_file.ABOUT: about})
    return [KnownStyle(new, target, embedded=False) for new in names]


def remove_styles(names: Sequence[str]) -> list[Path]:
    """Delete files of the user's folder; styles that share a file only together. Returns what was deleted.

    Raises:
        InputError: one is not there, part of the package, or shares its file with one that is not named.
    """
    known = known_styles()
    for name in names:
        if name not in known:
            raise InputError(unknown(name))
        if known[name].embedded:
            raise InputError(f"{name} is part of vidstyle and cannot be removed")
    files = list(dict.fromkeys(known[name].path for name in names))
    for path in files:
        if others := [other for other in read_names(path) if other not in names]:
            raise InputError(f"{path} holds {', '.join(others)} too: name all of its styles to remove it")
    for path in files:
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {error.strerror or error}") from error
    return files


def examine_style(name: str) -> dict[str, Any]:
    """What there is to know of a style, by its name or its file. InputError, WeightsError: it is not there."""
    path = find_file(name)
    loaded = load_file(path)
    own = name if is_bare(name) else None
    return {
        "name": own or ", ".join(loaded.names),
        "file": str(path),
        "embedded": (path, True) in style_files(),
        "beside": [other for other in loaded.names if own and other != own],
        "temporal": isinstance(loaded.network, style_file.TransformNet),
        "has_picture": bool(loaded.previews.get(own or loaded.names[0])),
        "notes": loaded.notes,
    }


def write_picture(name: str, output: Path, picture: Path | None, may_replace: Callable[[Path], bool]) -> None:
    """Write a picture of a style: of ``picture`` painted in it; else the one in its file, or one drawn by program.

    Raises:
        InputError, WeightsError: style or picture cannot be used. OutputError: the output cannot be written.
    """
    output = output.expanduser().absolute()
    file = find_file(name)
    check_picture(output, may_replace, [("style", file), ("picture", picture)])
    loaded = load_file(file)
    own = name if is_bare(name) else loaded.names[0]
    preview = loaded.previews.get(own)
    if picture is None and preview is not None:
        save(Image.open(io.BytesIO(preview)).convert("RGB"), output)
        return
    shown = dead_leaves(1, 256)[0] if picture is None else torch.from_numpy(read_image(picture))
    style = TrainedStyle(loaded.network, only(loaded.index(own), len(loaded.names)))
    painted = RecurrentStylizer([style], lambda frame: [1.0], torch.device("cpu")).picture(shown)
    save(Image.fromarray(quantize_frame(painted.numpy())), output)
