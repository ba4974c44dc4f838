"""What painting a movie shares: its sources, its painters, and the method that was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vidstyle import __version__
from vidstyle.config import (
    BY_ENCODER,
    IN_ONE_PASS,
    RECURRENT,
    NoneSettings,
    OptimizeSettings,
    PredictSettings,
    RecurrentSettings,
    StyleSettings,
)
from vidstyle.errors import PaintError
from vidstyle.flow import FlowMethod, flow_method
from vidstyle.media import find_ffmpeg
from vidstyle.nets.autoencoder import Autoencoder, build_decoder
from vidstyle.nets.encoder import EncoderOptions, check_layers, load_compact, load_encoder
from vidstyle.nets.predictor import load_predicted
from vidstyle.nets.tiled import TiledEncoder
from vidstyle.nets.weights import read_weights
from vidstyle.pipeline.budget import Budget
from vidstyle.pipeline.demand import REMEMBERED, Ahead, Consistencies, Flows, Frames, Painter, Recent
from vidstyle.pipeline.devices import choose_device, choose_precision, one_core_left
from vidstyle.pipeline.events import Monitor
from vidstyle.pipeline.given_flow import GivenFlow
from vidstyle.pipeline.images import read_image
from vidstyle.pipeline.masks import Masks
from vidstyle.pipeline.painted import Painted
from vidstyle.pipeline.plan import Plan
from vidstyle.pipeline.request import PREDICT
from vidstyle.pipeline.stages import Shot, predict_weights
from vidstyle.pipeline.styles import is_bare, trained_styles
from vidstyle.stylize.base import Stylizer
from vidstyle.stylize.mixing import Shares, shares_at, weights_at
from vidstyle.stylize.none import NoneStylizer
from vidstyle.stylize.optimize import OptimizeStylizer
from vidstyle.stylize.predict import PredictStylizer
from vidstyle.stylize.recurrent import RecurrentStylizer
from vidstyle.stylize.schedule import Turn
from vidstyle.stylize.smoothing import finish_of
from vidstyle.stylize.transfer import TransferStylizer


class Studio(contextlib.AbstractContextManager["Studio"]):
    """What painting and writing share: sources by demand, one painter per shot, one stylizer for all."""

    def __init__(self, plan: Plan, monitor: Monitor, cache_limit: int | None = None) -> None:
        self.plan, self.monitor = plan, monitor
        self.budget = None if cache_limit is None else Budget(plan, cache_limit, monitor.note)
        self.has_room = plan.stages.store.keeps  # for what is painted next
        self.within = contextlib.ExitStack()
        self.device = choose_device(plan.request.device)
        tools = tool_versions()
        stages, request = plan.stages, plan.request
        depth = plan.movie.working_depth
        self.frames = Frames(stages.decode, plan.movie, plan.timeline, plan.frames[1], plan.size, depth, tools)
        method = cache(lambda: build_flow_method(plan, self.device))
        self.flows = Flows(stages.flow, self.frames, method, GivenFlow.of(plan, monitor.note), tools)
        self.consistencies = Consistencies(stages.consistency, self.flows, request.consistency, tools)
        self.masks = Masks(plan, tools)
        # Beside optimisation it would not be noticed: there flow takes a hundredth of the time.
        self.ahead = Ahead() if request.method in IN_ONE_PASS else None
        self.recent: Recent[Painted] = Recent()  # one for all shots, of which there may be many
        self.stylizer: Callable[[], Stylizer] = cache(
            lambda: build_stylizer(plan, self.device, self.masks, monitor.note)
        )
        self.painters = {
            shot[0]: Painter(
                shot=shot,
                schedule=stages.schedule,
                shelves=[stages.stylize(shot, number) for number in range(stages.schedule.passes)],
                seed_keys=[stages.seed_key(shot, number) for number in range(stages.schedule.passes)],
                recent=self.recent,
                frames=self.frames,
                consistencies=self.consistencies,
                stylizer=self.stylizer,
                device=self.device,
                timeline=plan.timeline,
                tools=tools,
                ahead=self.ahead,
            )
            for shot in plan.shots
        }

    def check(self) -> None:
        """Between frames: whether to stop."""
        self.monitor.check()

    def make_room(self, shot: Shot, turn: Turn, written: bool) -> bool:
        """Make room for ``turn``, on the disk (see ``Budget.hold``) or in memory. Whether there is room to keep it."""
        schedule = self.plan.stages.schedule
        needed = schedule.looks_back_to(turn, shot)
        if not self.plan.stages.store.keeps:
            for recent in (self.recent, self.frames.recent, self.flows.prepared):
                recent.size = max(REMEMBERED, turn.frame - needed + 1)
        elif self.budget is not None:
            self.plan.stages.store.settle()  # what is counted is what lies on the disk
            done = turn.frame if schedule.passes == 1 else shot[0]
            self.has_room = self.budget.hold(done, needed, written)
        return self.has_room

    def start_decoder(self, first: int, turn: Turn) -> None:
        """Let ffmpeg start, beside whatever comes next, where painting begins with ``turn`` of the shot at ``first``.

        Not where that needs flow: what is made ahead is not to disturb the trial of how long everything takes.
        """
        if self.ahead is not None and self.painters[first].kind(turn) == 0:
            self.ahead.begin(lambda: self.frames.get(turn.frame))

    def __enter__(self) -> Studio:
        self.within.enter_context(self.plan.stages.store.in_background())
        settings, precision = self.plan.request.stylize_settings, self.plan.stages.inputs.precision
        if isinstance(settings, RECURRENT) and precision == "bfloat16" == choose_precision("auto", self.device.type):
            self.within.enter_context(one_core_left())
        return self

    def __exit__(self, *error: Any) -> None:
        if self.ahead is not None:
            self.ahead.close()
        self.frames.close()
        self.masks.close()
        self.flows.close()
        self.within.__exit__(*error)


def build_flow_method(plan: Plan, device: torch.device) -> FlowMethod[Any]:
    """The flow method that was asked for, its network (where it has one) on ``device``."""
    weights = None if plan.weights.flow is None else read_weights(plan.weights.flow)
    return flow_method(plan.request.flow, weights, device)


def build_stylizer(plan: Plan, device: torch.device, masks: Masks, say: Callable[[str], None]) -> Stylizer:
    """The method that was asked for, with its networks on ``device``; ``say`` takes lines for the user."""
    settings = plan.request.stylize_settings
    if isinstance(settings, NoneSettings):
        return NoneStylizer()
    shares = style_shares(plan, settings.styles, masks, device)
    precision = plan.stages.inputs.precision
    if isinstance(settings, RecurrentSettings):
        trained = trained_styles([(style.path, style.trained_name) for style in plan.request.styles])
        keeps = settings.keep_colors == "luminance"
        return RecurrentStylizer(trained, shares, device, getattr(torch, precision), keeps)
    images = [torch.from_numpy(read_image(Path(s.path))).to(device) for s in plan.request.styles]
    assert plan.weights.encoder is not None
    if isinstance(settings, BY_ENCODER):
        assert plan.weights.painter is not None
        compact = load_compact(plan.weights.encoder)
        if isinstance(settings, PredictSettings):
            both = load_predicted(plan.weights.painter)
            return PredictStylizer(settings, both, compact, images, shares, device, getattr(torch, precision))
        decoder = build_decoder(plan.request.method, read_weights(plan.weights.painter))
        autoencoder = Autoencoder(compact, decoder, device, getattr(torch, precision))
        return TransferStylizer(settings, autoencoder, images, plan.size, shares, finish_of(settings, say))
    options = EncoderOptions(settings.pooling, settings.normalized)
    encoder = TiledEncoder(load_encoder(settings.encoder, plan.weights.encoder, device, options, precision))
    check_layers(encoder, (*settings.content_levels, *settings.style_levels))
    begin = start_painter(plan, settings, images, shares, device)
    return OptimizeStylizer(settings, encoder, images, plan.size, shares, begin)


def start_painter(
    plan: Plan,
    settings: OptimizeSettings,
    images: Sequence[torch.Tensor],
    shares: Callable[[int], Shares],
    device: torch.device,
) -> Callable[[torch.Tensor, int], torch.Tensor] | None:
    """What makes of a frame ``(3, H, W)``, and its number, the picture that its optimisation begins with; None: the
    frame itself."""
    path = plan.request.start_style
    if path is None:
        return None
    if path == PREDICT:
        compact, both = predict_weights()
        predicts = PredictSettings(styles=settings.styles)
        networks = load_predicted(both), load_compact(compact)
        return PredictStylizer(predicts, *networks, images, shares, device).picture
    trained = trained_styles([(path, path if is_bare(path) else None)])
    return RecurrentStylizer(trained, lambda frame: [1.0], device).picture


def style_shares(
    plan: Plan, styles: Sequence[StyleSettings], masks: Masks, device: torch.device
) -> Callable[[int], Shares]:
    """What each style has of a frame, by the frame's number."""

    def shares(frame: int) -> Shares:
        time = plan.timeline.time(frame) - plan.timeline.time(0)
        if not masks.any:
            return weights_at(styles, time)
        areas = [None if mask is None else torch.from_numpy(mask).to(device) for mask in masks.at(time)]
        return shares_at(styles, time, areas)

    return shares


def tool_versions() -> dict[str, str]:
    """What made an artifact: shown and warned about, not part of its key."""
    return {
        "vidstyle": __version__,
        "torch": torch.__version__,
        "ffmpeg": find_ffmpeg().version,
        "opencv": next((version(p) for p in OPENCV_PACKAGES if is_installed(p)), "unknown"),
    }


OPENCV_PACKAGES = ("opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python")


def is_installed(package: str) -> bool:
    with contextlib.suppress(ImportError):
        return bool(version(package))
    return False


SMALLER = "give a smaller --height, or a smaller scale of the style"


@contextlib.contextmanager
def enough_memory(size: tuple[int, int], advice: str = SMALLER) -> Iterator[None]:
    """Say in one line when there is too little memory, on a GPU or off it, and give ``advice``."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # Off the GPU torch raises a bare RuntimeError, as for many other things.
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        raise PaintError(f"too little memory to paint {size[0]}×{size[1]}: {advice}") from error
