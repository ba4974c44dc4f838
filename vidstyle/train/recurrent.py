"""Training of the recurrent network (Johnson et al. 2016; Ruder et al. 2018), for one style or several.

Half of a step's pictures are stills with an empty prior. The others are the last frames of clips, whose frames before
were painted by the network as it is: the prior is its own output (multi-frame training), of longer and longer clips.
Every picture is normed by its own statistics; movies are painted with statistics that are held (stylize/recurrent.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidstyle.config import BEGINNINGS, PRECISIONS, in_bounds, one_of
from vidstyle.errors import InputError, PaintError
from vidstyle.flow.warp import backward_warp
from vidstyle.nets.encoder import Encoder
from vidstyle.nets.predictor import style_picture
from vidstyle.nets.style_file import embedded_styles, read_styles
from vidstyle.nets.transform import BLOCKS, WIDTH, StyleNorm, TransformNet
from vidstyle.pipeline.devices import training_precision
from vidstyle.train.beginning import begin_with, own_parameters
from vidstyle.train.checkpoint import all_finite, read_checkpoint, write_checkpoint
from vidstyle.train.footage import Footage, make_clip
from vidstyle.train.motion import Clip
from vidstyle.train.perception import Perception


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained. ``steps`` may be changed when a training goes on: its phases are shares of it."""

    steps: int = 8000
    seed: int = 1
    width: int = WIDTH
    blocks: int = BLOCKS
    crop: int = 192  # side of the training pictures, a multiple of 16
    batch: int = 4  # pictures a step, half of them stills
    style_size: int = 384  # paintings are scaled to the area of a square of this side
    content_weight: float = 1.5
    style_weight: float = 10.0
    temporal_weight: float = 200.0  # of mean c·(x − prior)² in [0, 1]
    uncovered_weight: float = 200.0  # of mean (1 − c)·(x − x₀)², x₀: the frame painted with an empty prior
    learning_rate: float = 1.5e-3
    real_share: float = 0.4  # of the clips, where there are movies; the others are made from photos
    precision: str = "auto"  # of activations and features: float32, bfloat16, or auto, which is what is faster here
    begin: str = "random"  # with random weights, or "shipped": with those of the package's styles

    def __post_init__(self) -> None:
        for name, bounds in RANGES.items():
            in_bounds(option(name), getattr(self, name), *bounds)
        if self.crop % 16:
            raise InputError(f"--crop is a multiple of 16, not {self.crop}")
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--begin", self.begin, BEGINNINGS)
        if self.begin == "shipped" and (self.width, self.blocks) != (WIDTH, BLOCKS):
            raise InputError(f"--begin shipped needs --width {WIDTH} and --blocks {BLOCKS}; leave it out for others")


RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 10_000_000),
    "seed": (0, 2**32 - 1),
    "width": (2, 1024),
    "blocks": (1, 64),
    "crop": (64, 1024),
    "batch": (2, 1024),
    "style_size": (32, 2048),
    "content_weight": (0, 1_000_000),
    "style_weight": (0, 1_000_000),
    "temporal_weight": (0, 1_000_000),
    "uncovered_weight": (0, 1_000_000),
    "learning_rate": (1e-8, 1),
    "real_share": (0, 1),
}


def option(name: str) -> str:
    """What a setting is called on the command line."""
    return "--strokes" if name == "style_size" else f"--{name.replace('_', '-')}"


MARGIN = 16  # pixels at the border that style and content are not judged in
WARM_UP = 200  # steps until the full learning rate
STYLE_RAMP = 300  # steps until the full style weight
CLIPS_FROM = 0.4  # of all steps: from a quarter of a step's pictures to half of them are ends of clips
TEMPORAL_FROM, TEMPORAL_UNTIL = 0.2, 0.6  # of all steps: the temporal weight grows to its full size
RANGE_WEIGHT = 10.0  # of colours beyond black and white
NORM_RATE = 5.0  # learning rate of norms, which are all that many styles differ in, in units of the others'
DECAY_FROM = 0.6  # of all steps: from here on the learning rate falls to nearly zero
LENGTHS = ((0.25, (2,)), (0.5, (2, 3)), (0.75, (2, 3, 5)), (1.0, (2, 3, 5, 9)))  # frames of a clip, until when


@dataclass(frozen=True)
class Progress:
    """Where a training is: what its callback is told after every step."""

    step: int
    steps: int
    seconds: float  # of work so far, over all sessions
    losses: Mapping[str, float]  # style, content and temporal: averages over the last steps
    by_style: Mapping[str, tuple[float, float]]  # style and content, by style
    begin_at: int = 0  # what step was the first

    @property
    def seconds_left(self) -> float:
        return self.seconds / (self.step - self.begin_at) * (self.steps - self.step)


@dataclass(frozen=True)
class Outcome:
    """What came of painting some pictures."""

    gradients: Sequence[Tensor]  # one for each of the network's parameters
    styles: Sequence[str]  # of each picture
    measured: Sequence[Sequence[float]]  # of each picture: style, content, temporal


@dataclass(frozen=True)
class Scenes:
    """What a network is shown in training: stills, and the ends of clips whose frames before it painted itself."""

    settings: TrainSettings
    footage: Footage
    network: TransformNet
    device: torch.device

    def draw(self, step: int, numbers: Sequence[int], shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures ``numbers`` of a step, painted in ``shares`` (N, S): frames, priors and consistency, (N, …) each."""
        scenes = [self._scene(step, number, share) for number, share in zip(numbers, shares, strict=True)]
        frames, priors, consistencies = (
            torch.cat(values).contiguous(memory_format=torch.channels_last) for values in zip(*scenes, strict=True)
        )
        return frames, priors, consistencies

    def calibration(self) -> Tensor:
        """Stills of the training's photos, (24, 3, H, W), that losses are measured against."""
        rng = np.random.default_rng((self.settings.seed, 0, 3))
        clips = [make_clip(self.footage, self.settings.crop, 1, 0.0, rng) for _ in range(24)]
        return torch.cat([clip.frames for clip in clips]).to(self.device)

    def _scene(self, step: int, number: int, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        settings, done = self.settings, step / self.settings.steps
        rng = np.random.default_rng((settings.seed, step, number))
        allowed = next(lengths for until, lengths in LENGTHS if done < until or until == 1)
        # From the end of the batch, so that each part has its share.
        clips = settings.batch // (4 if done < CLIPS_FROM else 2) or 1
        length = 1 if number < settings.batch - clips else int(rng.choice(allowed))
        clip = make_clip(self.footage, settings.crop, length, settings.real_share, rng)
        return self._rollout(clip, share, rng)

    @torch.no_grad()
    def _rollout(self, clip: Clip, share: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Paint all frames of a clip but the last: the last frame, its prior and consistency, (1, …) each."""
        frames = clip.frames[:, None].to(self.device)
        prior, consistency = torch.zeros_like(frames[0]), torch.zeros_like(frames[0][:, :1])
        unsure = rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0  # estimated flow is off by as many pixels
        for t, flow in enumerate(clip.backward_flow):
            painted = self.network(frames[t], prior, consistency, share[None])
            flow = flow[None].to(self.device)
            if unsure:
                flow = flow + smooth_noise(flow.shape, unsure, rng).to(self.device)
            prior = backward_warp(painted.clamp(0, 1), flow, "sharp")
            consistency = clip.consistency[t][None].to(self.device)
        return frames[-1], prior, consistency


def inner(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) without their outermost ``MARGIN`` pixels.

    A network knows where the border is, which repeats. Were it judged there, it would paint a frame of what its style
    has and the picture has no place for.
    """
    return pictures[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def uncovered_loss(
    settings: TrainSettings,
    network: TransformNet,
    painted: Tensor,
    frames: Tensor,
    consistencies: Tensor,
    shares: Tensor,
) -> Tensor:
    """Mean (1 − c)·(x − x₀)² of pictures ``painted`` (N, 3, H, W), x₀: painted with an empty prior. (N,).

    Nothing where it has no weight, and nothing is painted for it.

    What comes into view is meant to look like it. Else a network puts there, as noise, what its style has in fine
    strokes and calm painting loses everywhere else: the style is compared over whole pictures.
    """
    fresh = painted.detach().clone()  # so that of stills, which are that, there is nothing to add
    clips = (consistencies > 0).any(3).any(2).any(1)
    if settings.uncovered_weight and clips.any():
        nothing = torch.zeros_like(frames[clips])
        with torch.no_grad():
            fresh[clips] = network(frames[clips], nothing, nothing[:, :1], shares[clips])
    return ((1 - consistencies) * (painted - fresh).square()).mean((1, 2, 3))


def weighted(
    settings: TrainSettings,
    step: int,
    painted: Tensor,
    style: Tensor,
    content: Tensor,
    temporal: Tensor,
    uncovered: Tensor,
) -> Tensor:
    """The loss of some pictures of a step, a scalar: ``painted`` (N, 3, H, W), and what it measures, (N,) each."""
    # Content comes first: a network that begins with the style finds colours that fit, and no picture.
    style_ramp = min(1.0, 0.2 + step / STYLE_RAMP)
    temporal_ramp = ramp(TEMPORAL_FROM, TEMPORAL_UNTIL, step / settings.steps, least=0.1)
    beyond = (painted - painted.clamp(0, 1)).square().mean((1, 2, 3))
    loss = style_ramp * settings.style_weight * style + settings.content_weight * content
    loss = loss + temporal_ramp * settings.temporal_weight * temporal + RANGE_WEIGHT * beyond
    loss = loss + temporal_ramp * settings.uncovered_weight * uncovered
    return loss.sum() / settings.batch


class Training:
    """A training that can be stopped at any step and goes on from its checkpoint as if it had not been.

    Args:
        styles: paintings by name, (3, h, w) in [0, 1].
        encoder: on ``device``; takes float32 frames and gives features in any precision.
        checkpoint: file to go on from, and to be written by ``save``; None: neither.
        made_from: digests by the names of what else makes the results: a checkpoint of others is refused.
        say: told of a checkpoint that cannot be read.
        only: train what these styles have of their own, and nothing else: the other styles stay as they are. Empty:
            everything is trained.
        begin_at: the number of the first step, where the beginning is as good as so many steps.
        workers: threads that share a step's pictures; more than half the batch is of no use. One thread of PyTorch's
            own each is best: on a busy machine they would wait for each other at every operation.
    Raises:
        InputError: the checkpoint is of a training with other settings, or of more steps.
    """

    def __init__(
        self,
        settings: TrainSettings,
        styles: Mapping[str, Tensor],
        footage: Footage,
        encoder: Encoder,
        device: torch.device,
        checkpoint: Path | None = None,
        workers: int = 1,
        made_from: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda text: None,
        only: Sequence[str] = (),
        begin_at: int = 0,
    ) -> None:
        self.settings, self.device, self.checkpoint = settings, device, checkpoint
        self.names, self.made_from = tuple(styles), dict(made_from or {})
        self.exported: str | None = None  # the digest of the file that this training was written to last
        torch.manual_seed(settings.seed)
        network = TransformNet(len(styles), settings.width, settings.blocks)
        network.precision = getattr(torch, training_precision(settings.precision, device.type))
        if settings.begin == "shipped":
            begin_with(network, self.names, read_styles(embedded_styles()))
        self.network = network.to(device).train()
        paintings = [style_picture(style, settings.style_size).to(device) for style in styles.values()]
        self.scenes = Scenes(settings, footage, self.network, device)
        self.perception = Perception(encoder, paintings, self.scenes.calibration())
        self.optimizer = torch.optim.Adam(parameter_groups(self.network), settings.learning_rate, betas=(0.9, 0.99))
        self.trained = [self.names.index(name) for name in only or self.names]
        own = own_parameters(self.network)
        self.parameters = [p for name, p in self.network.named_parameters() if not only or name in own]
        self.workers = ThreadPoolExecutor(workers)
        self.step = self.begin_at = begin_at
        self.seconds = 0.0
        self.averages: dict[str, list[float]] = {}
        saved = None if checkpoint is None else read_checkpoint(checkpoint, say)
        if saved is not None:
            self._go_on(saved)

    def run(self, report: Callable[[Progress], None], save_every: int = 250, until: int | None = None) -> None:
        """Train on to the end, or to step ``until``; ``report`` is called after every step and may raise to stop."""
        last = self.settings.steps if until is None else min(until, self.settings.steps)
        while self.step < last:
            started = time.monotonic()
            self._step()
            self.seconds += time.monotonic() - started
            if self.step % save_every == 0 or self.step == last:
                self.save()
            report(self.progress())

    def progress(self) -> Progress:
        by_style = {n: (v[0], v[1]) for n, v in self.averages.items() if n != "temporal"}
        losses = {
            "style": float(np.mean([v[0] for v in by_style.values()])) if by_style else 0.0,
            "content": float(np.mean([v[1] for v in by_style.values()])) if by_style else 0.0,
            "temporal": self.averages.get("temporal", [0.0])[0],
        }
        return Progress(self.step, self.settings.steps, self.seconds, losses, by_style, self.begin_at)

    # ---- one step

    def _step(self) -> None:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(settings, self.step)
        # A part is a still and, later, a clip: always the same parts, so that the number of workers changes nothing.
        half = settings.batch // 2
        parts = [range(number, settings.batch, half) for number in range(half)]
        outcomes = list(self.workers.map(self._part, parts))
        for parameter, *gradients in zip(self.parameters, *(o.gradients for o in outcomes), strict=True):
            parameter.grad = torch.stack(gradients).sum(0)
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimizer.step()
        self.step += 1
        if not all_finite([*self.network.parameters(), *(torch.tensor(o.measured) for o in outcomes)]):
            raise PaintError(
                f"the loss grew without bound in step {self.step}: begin anew (--restart) with smaller weights, or "
                "another seed; the last checkpoint is kept"
            )
        self._remember(outcomes)

    def _part(self, numbers: Sequence[int]) -> Outcome:
        """Paint and judge some of the step's pictures; in a thread of its own, so nothing here changes the network."""
        settings = self.settings
        shares = self._shares(numbers).to(self.device)
        frames, priors, consistencies = self.scenes.draw(self.step, numbers, shares)
        painted = self.network(frames, priors, consistencies, shares)
        style, content = self.perception(inner(painted), inner(frames), shares)
        temporal = (consistencies * (painted - priors).square()).mean((1, 2, 3))
        uncovered = uncovered_loss(settings, self.network, painted, frames, consistencies, shares)
        loss = weighted(settings, self.step, painted, style, content, temporal, uncovered)
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        measured = torch.stack([style, content, temporal], 1).tolist()
        return Outcome(gradients, [self.names[i] for i in shares.argmax(1).tolist()], measured)

    def _shares(self, numbers: Sequence[int]) -> Tensor:
        """Which styles this step's pictures are painted in, (N, S): every style as often, in random order."""
        styles = len(self.trained)
        chosen = []
        for number in numbers:
            position = self.step * self.settings.batch + number
            order = np.random.default_rng((self.settings.seed, position // styles, 7)).permutation(self.trained)
            chosen.append(int(order[position % styles]))
        return torch.eye(len(self.names))[chosen]

    def _remember(self, outcomes: Sequence[Outcome]) -> None:
        """Fold a step's losses into running averages."""
        for outcome in outcomes:
            for name, (style, content, _) in zip(outcome.styles, outcome.measured, strict=True):
                self._average(name, [style, content])
        moved = [measured[2] for outcome in outcomes for measured in outcome.measured if measured[2] > 0]
        if moved:
            self._average("temporal", [float(np.mean(moved))])

    def _average(self, name: str, new: list[float]) -> None:
        old = self.averages.get(name, new)
        self.averages[name] = [0.98 * a + 0.02 * b for a, b in zip(old, new, strict=True)]

    # ---- checkpoints

    def save(self) -> None:
        """Write the checkpoint. Raises OutputError, or VidstyleError where the disk is full."""
        if self.checkpoint is None:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "averages": self.averages,
            "names": list(self.names),
            "settings": asdict(self.settings),
            "made_from": self.made_from,
            "exported": self.exported,
        }
        write_checkpoint(self.checkpoint, state)

    def _go_on(self, saved: Mapping[str, Any]) -> None:
        assert self.checkpoint is not None
        differences = "; ".join(self._differences(saved))
        if differences:
            raise InputError(
                f"{self.checkpoint} is of a training with other settings ({differences}): "
                "give the same to go on, or begin anew with --restart or another output"
            )
        if saved["step"] > self.settings.steps:
            raise InputError(
                f"{self.checkpoint} is of step {saved['step']} already: give --steps {saved['step']} to take what it "
                "has learned, more to go on, or --restart to begin anew"
            )
        try:
            self.network.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.checkpoint} is of another version of vidstyle: begin anew with --restart"
            ) from error
        self.step, self.seconds, self.averages = saved["step"], saved["seconds"], saved["averages"]
        self.exported = saved.get("exported")

    def _differences(self, saved: Mapping[str, Any]) -> Iterator[str]:
        """What a checkpoint was made with otherwise. More steps are none."""
        if tuple(saved["names"]) != self.names:
            yield f"styles {', '.join(saved['names'])}, now {', '.join(self.names)}"
        for name, value in asdict(self.settings).items():
            was = saved["settings"].get(name, value)
            if name != "steps" and was != value:
                yield f"{option(name)} {was}, now {value}"
        known = saved.get("made_from", {})
        for name in sorted(known.keys() & self.made_from.keys()):
            if known[name] != self.made_from[name]:
                yield f"{name} changed"


def parameter_groups(network: TransformNet) -> list[dict[str, Any]]:
    """The network's parameters in Adam's form; ``rate``: how fast they learn, in units of the learning rate."""
    norms = [p for module in network.modules() if isinstance(module, StyleNorm) for p in module.parameters()]
    known = {id(p) for p in norms}
    others = [p for p in network.parameters() if id(p) not in known]
    return [{"params": others, "rate": 1.0}, {"params": norms, "rate": NORM_RATE}]


def ramp(start: float, end: float, done: float, least: float = 0.0) -> float:
    """From ``least`` at ``start`` to 1 at ``end``."""
    return min(1.0, max(least, (done - start) / (end - start)))


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Warm-up, a plateau, then straight down to a fiftieth."""
    left = (1 - step / settings.steps) / (1 - DECAY_FROM)
    return settings.learning_rate * min(1.0, (step + 1) / WARM_UP, max(0.02, left))


def smooth_noise(shape: Sequence[int], size: float, rng: np.random.Generator) -> Tensor:
    """Random fields (N, C, H, W) of standard deviation ``size`` that change over about 16 pixels."""
    coarse = torch.from_numpy(rng.normal(0, size, (*shape[:2], shape[2] // 16 + 2, shape[3] // 16 + 2)))
    return torch.nn.functional.interpolate(coarse.float(), size=tuple(shape[2:]), mode="bicubic")
