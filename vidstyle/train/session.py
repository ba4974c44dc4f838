"""A whole training: from paintings and folders of photos to a file of styles, going on where it was stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from vidstyle.errors import InputError, Interrupted, OutputError, VidstyleError, write_error
from vidstyle.metrics import JUDGE_CONTENT_LAYER, JUDGE_STYLE_LAYERS
from vidstyle.nets.encoder import check_layers, find_weights, load_encoder
from vidstyle.nets.weights import file_sha256
from vidstyle.pipeline.devices import choose_device, training_precision
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.images import read_image, save
from vidstyle.pipeline.outputs import Inputs, check_file
from vidstyle.pipeline.styles import as_name
from vidstyle.store import Lock, printable, sweep
from vidstyle.train.checkpoint import begin_anew, read_checkpoint
from vidstyle.train.export import export_styles
from vidstyle.train.footage import Footage, listed, pictures_in, read_excerpts, read_photo
from vidstyle.train.preview import as_image, preview_sheet
from vidstyle.train.recurrent import Progress, Training, TrainSettings

T = TypeVar("T")

SHEET_SECONDS = 180.0  # between two sheets of what the network paints
WORKERS = 2  # pictures that a CPU works on at a time
PREVIEWS = 3  # photos on the sheet
MOST_PHOTOS = 2000  # in memory at once, some 300 kB each


def train(
    paintings: Sequence[Path],
    output: Path,
    photos: Path,
    settings: TrainSettings,
    monitor: Monitor,
    *,
    videos: Path | None = None,
    encoder: str = "compact",
    encoder_weights: Path | None = None,
    device: str = "auto",
    may_replace: Callable[[Path], bool] = lambda path: False,
    replace_own: bool = True,
    restart: bool = False,
) -> Path:
    """Train one network for all ``paintings`` and write its file of styles to ``output``.

    Checkpoint and sheet lie in a folder beside the output, ``NAME.training``: the same call goes on from there, also
    with other ``settings.steps``.

    Args:
        photos: a folder of pictures, the more the better; some hundred will do.
        videos: a folder of movies, or of folders of frames, for motion as it really is; None: photos are moved.
        may_replace: asked when the output exists; False raises OutputError.
        replace_own: do not ask where the output is what the same training has written, and goes on from.
        restart: begin anew; the checkpoint that is there gets another name.
    Returns:
        The absolute path of the output.
    Raises:
        InputError, OutputError, WeightsError: something that was asked for cannot be used; a checkpoint of other
            settings, photos or paintings, or of more steps, among them.
        PaintError: the loss grew without bound.
        StoreError: another process is at the same training.
        Interrupted: the monitor wished to stop; the checkpoint has all that was learned.
    """
    output = output.expanduser().absolute()
    checkpoint = output.with_suffix(".training") / "checkpoint.pt"
    own = replace_own and not restart

    def granted(path: Path) -> bool:
        return (own and is_written_by(path, checkpoint, monitor)) or may_replace(path)

    inputs = [*((f"painting {path}", path) for path in paintings), ("encoder's weights", encoder_weights)]
    check_output(output, granted, inputs)
    pictures = {name: torch.from_numpy(read_image(path)) for name, path in named(paintings).items()}
    where = choose_device(device)
    weights = find_weights(encoder, encoder_weights, monitor.note)
    judge = load_encoder(encoder, weights, where, precision=training_precision(settings.precision, where.type))
    check_layers(judge, (*JUDGE_STYLE_LAYERS, JUDGE_CONTENT_LAYER))
    footage = read_footage(photos, videos, monitor)
    with Lock(checkpoint.with_name("lock"), no_folder).hold(printable(output), report=monitor.note):
        prepare(checkpoint, restart, monitor)
        training = Training(
            *(settings, pictures, footage, judge, where, checkpoint),
            workers=WORKERS if where.type == "cpu" else 1,
            made_from={"encoder": file_sha256(weights), **digests(pictures, footage)},
            say=monitor.note,
        )
        if training.step:
            monitor.note(f"going on from step {training.step} of {settings.steps} ({checkpoint.parent})")
        training.run(Watch(training, pictures, footage, checkpoint.with_name("sheet.jpg"), monitor))
        export_styles(training, footage.photos[0].float() / 255, output)
        note_export(training, output)
    return output


def is_written_by(output: Path, checkpoint: Path, monitor: Monitor) -> bool:
    """Whether a file is what the training of this checkpoint has written."""
    saved = read_checkpoint(checkpoint, monitor.note)
    return output.is_file() and saved is not None and saved.get("exported") == file_sha256(output)


def note_export(training: Training, output: Path) -> None:
    """Let the checkpoint say that the output is this training's, which may replace it."""
    written = file_sha256(output)
    if training.exported != written:
        training.exported = written
        training.save()


def digests(pictures: Mapping[str, Tensor], footage: Footage) -> dict[str, str]:
    """What is trained on, as the network sees it: a digest of each part by its name in messages."""
    return {
        **{f"painting {name}": digest([picture]) for name, picture in pictures.items()},
        "photos": digest(footage.photos),
        "videos": digest(frame for excerpt in footage.excerpts for frame in excerpt),
    }


def digest(tensors: Iterable[Tensor]) -> str:
    """sha256 of tensors on the CPU, their shapes and order included."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        hashed.update(repr(tuple(tensor.shape)).encode())
        hashed.update(tensor.contiguous().numpy().data)
    return hashed.hexdigest()


def no_folder(error: OSError, folder: Path) -> VidstyleError:
    """The error for a folder of a training that cannot be made or written to."""
    return write_error(error, printable(folder))


def prepare(checkpoint: Path, restart: bool, monitor: Monitor) -> None:
    """Clear the folder of a training of what was killed, and with ``restart`` of its checkpoint."""
    sweep(checkpoint.parent)
    aside = begin_anew(checkpoint) if restart else None
    if aside is not None:
        monitor.note(f"beginning anew; the checkpoint before is now {aside}")


class Watch:
    """Told after every step: shows how far the training is, keeps a sheet up to date, and stops when asked to."""

    def __init__(
        self, training: Training, pictures: Mapping[str, Tensor], footage: Footage, sheet: Path, monitor: Monitor
    ) -> None:
        self.training, self.pictures, self.sheet, self.monitor = training, pictures, sheet, monitor
        self.photos = [photo.float() / 255 for photo in footage.photos[:PREVIEWS]]
        self.drawn_at = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        self.monitor.progress("train", progress.step, progress.steps, progress.seconds_left)
        now, done = time.monotonic(), progress.step == progress.steps
        if done or now - self.drawn_at >= SHEET_SECONDS:
            self.drawn_at = now
            save(as_image(preview_sheet(self.training.network, self.pictures, self.photos)), self.sheet)
            losses = ", ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
            self.monitor.note(f"step {progress.step}: {losses}; what it paints now: {self.sheet}")
        if not done and self.monitor.should_stop():
            self.training.save()
            raise Interrupted(f"stopped after step {progress.step}: run the same command again to go on")


def named(paintings: Sequence[Path]) -> dict[str, Path]:
    """The paintings by the names that their styles will have: those of the files. InputError where two are alike."""
    found: dict[str, Path] = {}
    for path in paintings:
        name = as_name(path.stem)
        if name in found:
            raise InputError(f"{found[name]} and {path} would both be called {name}: rename one")
        found[name] = path
    if not found:
        raise InputError("no painting given: name at least one picture")
    return found


def check_output(output: Path, may_replace: Callable[[Path], bool], inputs: Inputs) -> None:
    """As ``check_file``, for a file of styles."""
    if output.suffix.lower() != ".safetensors":
        raise OutputError(f"{output.name} is no name of a file of styles: let it end in .safetensors")
    check_file(output, "file", may_replace, inputs)


def read_footage(photos: Path, videos: Path | None, monitor: Monitor) -> Footage:
    """All photos and movies of two folders, scaled down; what cannot be read is left out, which is said."""
    paths = pictures_in(photos)
    if len(paths) > MOST_PHOTOS:
        monitor.note(f"{photos} holds {len(paths)} pictures: {MOST_PHOTOS} of them are used")
        paths = [paths[number * len(paths) // MOST_PHOTOS] for number in range(MOST_PHOTOS)]
    read = readable(paths, read_photo, monitor)
    if not read:
        raise InputError(f"{photos} holds no pictures: training needs photos, some hundred or more")
    excerpts = [] if videos is None else readable(movies_in(videos), read_excerpts, monitor)
    if videos is not None and not excerpts:
        raise InputError(f"{videos} holds no movies: leave out --videos, or name a folder of movies")
    return Footage(read, [excerpt for movie in excerpts for excerpt in movie])


def movies_in(folder: Path) -> list[Path]:
    """What may be movies in a folder: files, and folders of frames."""
    return [path for path in listed(folder) if not path.name.startswith(".")]


def readable(paths: Sequence[Path], read: Callable[[Path], T], monitor: Monitor) -> list[T]:
    """What ``read`` makes of each path; those that it cannot read are left out, and that is said."""
    found = []
    for number, path in enumerate(paths):
        monitor.check()
        monitor.progress("read", number, len(paths))
        try:
            found.append(read(path))
        except InputError as error:
            monitor.note(f"left out: {error}")
    return found
