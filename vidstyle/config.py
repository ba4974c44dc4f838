"""Settings of every stage, as frozen values.

A stage's settings go into its content key (fields that differ from their defaults), so a field added later with a
default empties nobody's cache. What does not change a stage's result (threads, progress, paths) does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from vidstyle.errors import InputError

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYERS = ("relu4_2",)

#: Of a field that users do not set by its own name.
INTERNAL = {"internal": True}

#: Frames per second of pictures as a movie.
FPS = Fraction(25)
#: The names that ``--style-loss`` chooses from; vidstyle.losses.style has what is behind them.
STYLE_LOSSES = (
    "gram", "mean-std", "mmd-linear", "mmd-polynomial", "mmd-gaussian", "centered-gram", "multiscale-gram",
    "shifted-gram", "histogram", "mrf", "wasserstein",
)  # fmt: skip
#: Patches are compared at these levels where no others are named: finer ones have too many, coarser ones too few.
MRF_LAYERS = ("relu3_1", "relu4_1")

#: What names of files end in that hold trained styles: ours, and checkpoints of PyTorch's.
TRAINED_ENDINGS = (".safetensors", ".pth", ".pt", ".model")

#: The longest side, in pixels, that a movie may be asked to be worked on at.
MOST_SIDE = 32_768
#: The latest time of a movie, and the longest to wait, in seconds: three years.
MOST_SECONDS = 10**8
MOST_STEPS = 1_000_000
MOST_WEIGHT = 1e12  # of a loss: well inside of what 32 bits hold when it is squared
MOST_PASSES = 100  # Ruder takes 15; what there is to paint, and to list, grows with them
#: Seeds are numbers of 64 bits.
SEEDS = (-(2**63), 2**63 - 1)
#: What a style's weight and scale may be. No disk and no memory holds a painting of larger strokes.
STYLE_WEIGHTS, STYLE_SCALES = (1e-6, 1e6), (0.01, 20.0)

#: What a training begins with: the weights of the package's styles, or random ones.
BEGINNINGS = ("shipped", "random")
#: Of a network's numbers; auto: what is faster here.
PRECISIONS = ("auto", "float32", "bfloat16")

#: The names that ``--flow`` chooses from; vidstyle.flow.methods has what is behind them.
FLOW_METHODS = ("dis", "raft-small", "raft-large")
DIS_PRESETS = ("ultrafast", "fast", "medium")
RAFT_METHODS = FLOW_METHODS[1:]
#: Settings of flow that only some methods take.
_FLOW_OPTIONS = {"preset": FLOW_METHODS[:1], "updates": RAFT_METHODS, "precision": RAFT_METHODS}


@dataclass(frozen=True)
class Cut:
    """A cut that the user names: one of the two."""

    frame: int | None = None  # the first of a shot
    time: Fraction | None = None  # seconds from the movie's start

    def __post_init__(self) -> None:
        if self.frame is not None:
            in_bounds("the frame of a cut", self.frame, 0, 10**9)
        if self.time is not None:
            in_bounds("the time of a cut", self.time, 0, MOST_SECONDS)


@dataclass(frozen=True)
class ShotSettings:
    """Where the movie is cut into shots."""

    detect: bool = True  # False: the movie is one shot
    threshold: float | None = None  # change, 0 to 100, by which a cut stands out; None: the built-in one
    cuts: tuple[Cut, ...] | None = None  # these and no others; None: as detected

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold <= 100:
            raise InputError(f"--cut-threshold is more than 0 and at most 100, not {self.threshold}")
        if self.cuts is not None and (not self.detect or self.threshold is not None):
            other = "--cut-threshold" if self.detect else "--no-cuts"
            raise InputError(f"--scenes names the cuts, so {other} has no place beside it: leave out one of them")


@dataclass(frozen=True)
class DecodeSettings:
    """The size that the movie is worked on at, in pixels as displayed, and how deep."""

    width: int
    height: int
    bit_depth: int = 8  # per component, 8 or 16


@dataclass(frozen=True)
class FlowSettings:
    """Optical flow between frames."""

    method: str = "dis"  # a name of FLOW_METHODS
    preset: str = "medium"  # DIS: ultrafast, fast or medium
    updates: int = 16  # RAFT: how often the flow is refined
    precision: str = "float32"  # RAFT: float32, or bfloat16, which takes half the memory
    scale: float = 1.0  # estimated on frames of this size, 1 = the size that the movie is worked on at

    def __post_init__(self) -> None:
        one_of("--flow", self.method, FLOW_METHODS)
        one_of("--flow-preset", self.preset, DIS_PRESETS)
        one_of("--flow-precision", self.precision, ("float32", "bfloat16"))
        in_bounds("--flow-scale", self.scale, 0.05, 1)
        in_bounds("--flow-updates", self.updates, 1, 1000)
        for option, methods in _FLOW_OPTIONS.items():
            is_given = getattr(self, option) != self.__dataclass_fields__[option].default
            if is_given and self.method not in methods:
                raise InputError(f"--flow-{option} is for --flow {' or '.join(methods)}, not for {self.method}")


@dataclass(frozen=True)
class ConsistencySettings:
    """Forward-backward check that says which flow can be trusted (Sundaram 2010), and what looks the same."""

    motion_boundaries: bool = True
    smooth: bool = True
    minimum_filter: int = 0  # side in pixels of the square whose least trusted pixel counts; odd, 0: none
    likeness: float = 6.0  # what looks the same to so many of 255 levels is trusted where flow is not sure; 0: nothing

    def __post_init__(self) -> None:
        in_bounds("[consistency] minimum_filter", self.minimum_filter, 0, 999)
        if self.minimum_filter and self.minimum_filter % 2 == 0:
            raise InputError(f"[consistency] minimum_filter is an odd number of pixels or 0, not {self.minimum_filter}")
        in_bounds("[consistency] likeness", self.likeness, 0, 255)


@dataclass(frozen=True)
class StyleSettings:
    """One style: the image, or the file of trained styles, is an input of the stage, by its digest."""

    weight: float = 1.0  # share among several styles
    scale: float = 1.0  # size of the style's strokes: 1 = the painting as large as the frame
    at: Fraction | None = None  # seconds of the movie, where the style is there alone; None: all the time
    masked: bool = False  # painted only where its mask is white; the mask is an input, by its digest
    name: str | None = None  # in a file of trained styles; None: a picture, or the only one of the file


@dataclass(frozen=True)
class OptimizeSettings:
    """Ruder, Dosovitskiy, Brox 2016: minimise content, style, temporal and total variation loss per frame."""

    encoder: str = "compact"  # compact or vgg19
    pooling: str = "max"  # vgg19 only: max or average
    normalized: bool = False  # vgg19 only: every filter scaled to a mean activation of 1
    content_weight: float = 5.0
    style_weight: float = 100.0
    temporal_weight: float = 0.03
    tv_weight: float = 1e-3
    content_layers: tuple[str, ...] = CONTENT_LAYERS  # each a name, or a name and its weight: "relu4_2=0.5"
    style_layers: tuple[str, ...] = STYLE_LAYERS  # likewise
    optimizer: str = "lbfgs"  # lbfgs or adam
    learning_rate: float | None = None  # None: 1 for L-BFGS, 0.02 for Adam
    history: int = 20  # L-BFGS only
    first_iterations: int = 120  # at most, for the first frame of a shot
    iterations: int = 25  # at most, for every later frame
    first_init: str = "content"  # content or noise
    init: str = "warped"  # later frames: warped, previous, content or noise
    offsets: tuple[int, ...] = (1,)  # how many frames back the temporal loss looks; Ruder's long term: 1, 10, 20, 40
    passes: int = 1  # more than one: alternately forward and backward through every shot
    temporal_pass: int | None = None  # first pass with a temporal loss, counted from 1; None: half of them
    stop_change: float = 1e-3  # stop when the loss changes by less than this share ...
    stop_window: int = 10  # ... over so many iterations
    precision: str = "auto"  # of the encoder: float32, bfloat16, or auto, which is what is faster here
    seed: int = 0
    styles: tuple[StyleSettings, ...] = field(default=(StyleSettings(),), metadata=INTERNAL)
    style_loss: str = "gram"  # a name of STYLE_LOSSES
    laplacian_weight: float = 0.0  # Lapstyle: keep the frame's edges and details
    keep_colors: str = "none"  # none; luminance: paint in grey; match: paint in styles of the frame's colours

    _BOUNDS: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("first_iterations", "iterations", "stop_window"), (1, MOST_STEPS)),
        **dict.fromkeys(("content_weight", "style_weight", "temporal_weight", "tv_weight"), (0, MOST_WEIGHT)),
        "laplacian_weight": (0, MOST_WEIGHT),
        "stop_change": (0, 1),
        "history": (1, 1000),
        "seed": SEEDS,
    }

    def __post_init__(self) -> None:
        one_of("--encoder", self.encoder, ("compact", "vgg19"))
        one_of("--pooling", self.pooling, ("max", "average"))
        one_of("--optimizer", self.optimizer, ("lbfgs", "adam"))
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--first-init", self.first_init, ("content", "noise"))
        one_of("--init", self.init, ("warped", "previous", "content", "noise"))
        one_of("--keep-colors", self.keep_colors, ("none", "luminance", "match"))
        one_of("--style-loss", self.style_loss, STYLE_LOSSES)
        for name in ("pooling", "normalized"):
            is_given = getattr(self, name) != self.__dataclass_fields__[name].default
            if is_given and self.encoder != "vgg19":
                raise InputError(f"--{name} is for --encoder vgg19, not for {self.encoder}: leave it out")
        for name, (least, most) in self._BOUNDS.items():
            in_bounds(f"[stylize] {name}", getattr(self, name), least, most)
        for name in ("content_layers", "style_layers"):
            if not getattr(self, name):
                raise InputError(f"{name} needs at least one level; to do without it set its weight to 0")
            level_weights(name, getattr(self, name))
        self.check_passes()
        if self.learning_rate is not None:
            in_bounds("[stylize] learning_rate", self.learning_rate, 1e-9, 1000)

    def check_passes(self) -> None:
        """Raise InputError for offsets and passes that cannot be painted with."""
        if not self.offsets or min(self.offsets) < 1 or list(self.offsets) != sorted(set(self.offsets)):
            raise InputError("--long-term is a rising list of frames, such as 1,10,20,40")
        in_bounds("--long-term", self.offsets[-1], 1, 100_000)
        in_bounds("--passes", self.passes, 1, MOST_PASSES)
        if self.passes > 1 and self.offsets != (1,):
            raise InputError("--long-term is for one pass: leave out --passes or --long-term")
        if self.temporal_pass is not None and not 2 <= self.temporal_pass <= self.passes:
            raise InputError(
                f"[stylize] temporal_pass is between 2 and passes ({self.passes}), not {self.temporal_pass}"
            )

    @property
    def content_levels(self) -> dict[str, float]:
        """The weight of each level at which content is compared."""
        return level_weights("content_layers", self.content_layers)

    @property
    def style_levels(self) -> dict[str, float]:
        """The weight of each level at which styles are compared."""
        is_default = self.style_layers == STYLE_LAYERS
        layers = MRF_LAYERS if self.style_loss == "mrf" and is_default else self.style_layers
        return level_weights("style_layers", layers)


@dataclass(frozen=True)
class RecurrentSettings:
    """Ruder, Dosovitskiy, Brox 2018: one pass through a trained network, which is shown its previous output, warped."""

    precision: str = "auto"  # of the network: float32, bfloat16, or auto, which is what is faster here
    styles: tuple[StyleSettings, ...] = field(default=(StyleSettings(),), metadata=INTERNAL)
    keep_colors: str = "none"  # none; luminance: only the light and dark of what is painted, in the frame's colours

    def __post_init__(self) -> None:
        one_of("--precision", self.precision, PRECISIONS)
        if self.keep_colors == "match":
            raise InputError("--keep-colors match is for pictures as styles: a trained style takes luminance")
        one_of("--keep-colors", self.keep_colors, ("none", "luminance"))


@dataclass(frozen=True)
class TransferSettings:
    """What all methods have in common that give a frame's features the statistics of any picture, in one pass."""

    levels: tuple[str, ...] = ("relu4_1",)  # of the compact encoder, in the order that they are changed in; /2: see wct
    transform: str = "adain"  # what becomes of the features: see vidstyle.stylize.moments
    strength: float = 1.0  # 0: the frame as the decoder gives it back; 1: all of the style
    fusion: float = 0.3  # share of the warped painting before in each frame, where it can be trusted
    precision: str = "auto"  # of the networks: float32, bfloat16, or auto, which is what is faster here
    styles: tuple[StyleSettings, ...] = field(default=(StyleSettings(),), metadata=INTERNAL)
    keep_colors: str = "none"  # none; luminance: only light and dark of what is painted; match: fit the styles' colours

    PAINTS: ClassVar[bool] = True  # strokes, as opposed to a photo
    _LEVELS: ClassVar[tuple[str, ...]] = ("relu4_1",)
    _TRANSFORMS: ClassVar[tuple[str, ...]] = ("adain",)

    def __post_init__(self) -> None:
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--keep-colors", self.keep_colors, ("none", "luminance", "match"))
        one_of("--transform", self.transform, self._TRANSFORMS)
        if not self.levels:
            raise InputError(f"--levels needs at least one of {', '.join(self._LEVELS)}")
        for level in self.levels:
            one_of("--levels", level, self._LEVELS)
        for name, most in (("strength", 1.0), ("fusion", 0.95)):
            in_bounds(f"--{name}", getattr(self, name), 0, most)


@dataclass(frozen=True)
class AdaInSettings(TransferSettings):
    """Huang, Belongie 2017: mean and deviation of every channel."""


@dataclass(frozen=True)
class WctSettings(TransferSettings):
    """Li et al. 2017: whitening and colouring, level by level."""

    levels: tuple[str, ...] = ("relu4_1", "relu4_1", "relu1_1")
    transform: str = "transport"
    strength: float = 0.9  # with all of it less is left of the frame, for hardly more style
    fusion: float = 0.33

    _LEVELS: ClassVar[tuple[str, ...]] = (*STYLE_LAYERS, *(f"{layer}/2" for layer in STYLE_LAYERS))
    _TRANSFORMS: ClassVar[tuple[str, ...]] = ("transport", "wct", "adain", "whiten", "color")


@dataclass(frozen=True)
class PhotoSettings(TransferSettings):
    """Li et al. 2018: whitening and colouring with unpooling, then what follows the frame's own edges."""

    levels: tuple[str, ...] = ("relu4_1", "relu3_1", "relu2_1")
    transform: str = "transport"
    fusion: float = 0.6
    smoothing: str = "guided"  # guided: a guided filter; closed-form: the paper's solve; none
    affinity: float = 0.999  # closed-form: how far pixels of alike colour are made alike, below 1

    PAINTS: ClassVar[bool] = False
    _LEVELS: ClassVar[tuple[str, ...]] = STYLE_LAYERS[1:4]
    _TRANSFORMS: ClassVar[tuple[str, ...]] = ("transport", "wct", "adain")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("--smoothing", self.smoothing, ("guided", "closed-form", "none"))
        if not 0 < self.affinity < 1:
            raise InputError(f"--affinity is more than 0 and less than 1, such as 0.999, not {self.affinity}")


@dataclass(frozen=True)
class PredictSettings:
    """Ghiasi et al. 2017: a recurrent network paints, with norms that another predicts from the styles' pictures."""

    precision: str = "auto"  # of the network that paints: float32, bfloat16, or auto, which is what is faster here
    styles: tuple[StyleSettings, ...] = field(default=(StyleSettings(),), metadata=INTERNAL)
    keep_colors: str = "none"  # none; luminance: only light and dark of what is painted; match: fit the styles' colours

    def __post_init__(self) -> None:
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--keep-colors", self.keep_colors, ("none", "luminance", "match"))


@dataclass(frozen=True)
class NoneSettings:
    """Pass every frame through unpainted: shows what the rest of the pipeline does to a movie."""


@dataclass(frozen=True)
class EncodeSettings:
    """The movie that is written. Its frames, times and sound come from elsewhere."""

    codec: str = "auto"  # auto: what suits the file type, H.264 for mp4
    crf: int | None = None  # None: the codec's own default of vidstyle
    preset: str | None = None
    pix_fmt: str | None = None

    def __post_init__(self) -> None:
        if self.crf is not None:
            in_bounds("--crf", self.crf, 0, 63)  # of most codecs the worst is less: ffmpeg says so


#: The settings of any method.
StylizeSettings = (
    OptimizeSettings | RecurrentSettings | PredictSettings | AdaInSettings | WctSettings | PhotoSettings | NoneSettings
)

#: The methods that ``--method`` chooses from, and the settings that each takes.
METHODS: dict[str, type[StylizeSettings]] = {
    "optimize": OptimizeSettings,
    "recurrent": RecurrentSettings,
    "predict": PredictSettings,
    "adain": AdaInSettings,
    "wct": WctSettings,
    "photo": PhotoSettings,
    "none": NoneSettings,
}

#: Settings of methods that no option is called like, and how users know them.
OTHER_NAMES = {
    "offsets": "--long-term",
    **{
        name: f"[stylize] {name}"
        for name in ("learning_rate", "history", "temporal_pass", "stop_change", "stop_window")
    },
}

#: Those that look at a picture of the style with the compact encoder, and take networks that were trained for it.
BY_ENCODER = (TransferSettings, PredictSettings)

#: Those that paint with a small network that takes up what it has painted.
RECURRENT = (RecurrentSettings, PredictSettings)

#: Those that paint a frame in one pass of a network, beside which flow and ffmpeg count.
IN_ONE_PASS = tuple(name for name, kind in METHODS.items() if kind not in (OptimizeSettings, NoneSettings))

#: Recurrent networks were trained with flow that is as fast as they are, and with a mask of its own (Ruder 2018):
#: whatever lies near an edge of what can be trusted is painted anew, and what moves differently from its neighbours is
#: not held against it.
_AS_TRAINED: dict[str, dict[str, Any]] = {
    "flow": {"preset": "fast"},
    "consistency": {"motion_boundaries": False, "smooth": False, "minimum_filter": 7},
}
#: Settings of other stages that a method goes best with, by section; those that are given go first.
METHOD_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "optimize": {},
    "recurrent": _AS_TRAINED,
    "predict": _AS_TRAINED,
    # Flow as fast as the painting.
    "adain": {"flow": {"preset": "fast"}},
    "wct": {"flow": {"preset": "fast"}},
    "photo": {"flow": {"preset": "fast"}},
    "none": {},
}


#: What ``--quality`` stands for: settings by section, beside which those that are given otherwise go first.
#: Flow takes a hundredth of the time of painting, and is the same for all.
QUALITIES: dict[str, dict[str, dict[str, Any]]] = {
    "draft": {"stylize": {"first_iterations": 40, "iterations": 10}},
    "standard": {},
    "best": {"stylize": {"first_iterations": 400, "iterations": 80, "stop_change": 1e-4}},
}


def with_defaults(table: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table of settings completed by others, both by section: what the table holds itself stays."""
    completed = dict(table)
    for section, values in defaults.items():
        given = table.get(section, {})
        if isinstance(given, Mapping):  # what is no table is refused where tables are read
            completed[section] = {**values, **given}
    return completed


def with_quality(table: Mapping[str, Any], quality: str) -> dict[str, Any]:
    """A table of settings as a name of ``QUALITIES`` completes it."""
    return with_defaults(table, QUALITIES[quality])


def with_method_defaults(table: Mapping[str, Any], method: str) -> dict[str, Any]:
    """A table of settings as ``METHOD_DEFAULTS`` complete it. Flow of another method has no preset."""
    defaults = METHOD_DEFAULTS[method]
    flow = table.get("flow", {})
    if isinstance(flow, Mapping) and flow.get("method", "dis") not in _FLOW_OPTIONS["preset"]:
        defaults = {section: values for section, values in defaults.items() if section != "flow"}
    return with_defaults(table, defaults)


def level_weights(setting: str, layers: tuple[str, ...]) -> dict[str, float]:
    """``("relu1_1", "relu3_1=0.5")`` as weights by name. InputError where a weight is no number, or a name is twice."""
    weights: dict[str, float] = {}
    for layer in layers:
        name, equals, text = layer.partition("=")
        try:
            weight = float(text) if equals else 1.0
        except ValueError:
            weight = 0.0
        if not 0 < weight <= MOST_WEIGHT:
            raise InputError(f"{setting}: the weight of {name} must be a number more than 0, not {text[:40]!r}")
        if name in weights:
            raise InputError(f"{setting} names {name} twice")
        weights[name] = weight
    return weights


def one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    """Raise InputError unless ``value`` is one of ``known``."""
    if value not in known:
        raise InputError(f"{option} is one of {', '.join(known)}; not {value!r}")


def in_bounds(option: str, value: float | Fraction, least: float | Fraction, most: float | Fraction) -> None:
    """Raise InputError unless ``least <= value <= most``."""
    if not least <= value <= most:
        raise InputError(f"{option} is at least {_text(least)} and at most {_text(most)}, not {_text(value)}")


def _text(number: float | Fraction) -> str:
    """A number as it goes into a message, however many digits it has."""
    try:
        return f"{float(number):.12g}"
    except OverflowError:
        return "a number of hundreds of digits"
