"""Settings: their defaults make sense, bad values are refused in one line, and a request survives its job file."""

from __future__ import annotations

import dataclasses
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vidstyle import config
from vidstyle.config import METHODS, EncodeSettings, FlowSettings, NoneSettings, OptimizeSettings, ShotSettings
from vidstyle.config import StyleSettings as StageStyle
from vidstyle.errors import InputError
from vidstyle.pipeline.request import Request, Style, absolute, request_from_plain, request_to_plain

SETTINGS = [value for value in vars(config).values() if dataclasses.is_dataclass(value)]


def refused(**settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        OptimizeSettings(**settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_settings_are_frozen_and_can_be_told_apart(kind: type) -> None:
    required = {field.name: 32 for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    value = kind(**required)
    assert value == kind(**required)
    assert hash(value) == hash(kind(**required))
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_every_setting_but_the_size_has_a_default(kind: type) -> None:
    """A new setting empties nobody's cache only if it has one."""
    required = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    assert required == (["width", "height"] if kind is config.DecodeSettings else [])


def test_the_flow_methods_of_the_settings_are_those_that_there_are() -> None:
    from vidstyle.flow import FLOW_METHODS

    assert tuple(FLOW_METHODS) == config.FLOW_METHODS
    assert FlowSettings().method in FLOW_METHODS


def test_methods_have_each_their_own_settings() -> None:
    assert len(set(METHODS.values())) == len(METHODS)
    assert METHODS["optimize"] is OptimizeSettings
    assert METHODS["none"] is NoneSettings


@pytest.mark.parametrize("name", ["encoder", "pooling", "optimizer", "first_init", "init", "style_loss", "keep_colors"])
def test_an_unknown_choice_is_refused_with_the_known_ones(name: str) -> None:
    message = refused(**{name: "cubist"})
    assert message.startswith(f"--{name.replace('_', '-')} is one of ")
    assert getattr(OptimizeSettings(), name) in message
    assert message.endswith("not 'cubist'")


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("encoder", ("compact", "vgg19")),
        ("pooling", ("max", "average")),
        ("optimizer", ("lbfgs", "adam")),
        ("first_init", ("content", "noise")),
        ("init", ("warped", "previous", "content", "noise")),
        ("style_loss", config.STYLE_LOSSES),
        ("keep_colors", ("none", "luminance", "match")),
    ],
)
def test_every_known_choice_is_taken(name: str, choices: tuple[str, ...]) -> None:
    beside: dict[str, Any] = {"encoder": "vgg19"} if name == "pooling" else {}
    assert [getattr(OptimizeSettings(**{name: choice, **beside}), name) for choice in choices] == list(choices)


def test_what_only_vgg19_takes_is_refused_for_the_other_encoder() -> None:
    assert refused(pooling="average") == "--pooling is for --encoder vgg19, not for compact: leave it out"
    assert refused(normalized=True) == "--normalized is for --encoder vgg19, not for compact: leave it out"
    assert OptimizeSettings(encoder="vgg19", pooling="average", normalized=True).normalized


@pytest.mark.parametrize("name", ["first_iterations", "iterations", "history", "stop_window"])
@pytest.mark.parametrize("value", [0, -3])
def test_counts_begin_at_one(name: str, value: int) -> None:
    assert refused(**{name: value}).startswith(f"[stylize] {name} is at least 1 and at most ")
    assert refused(**{name: value}).endswith(f", not {value}")
    assert getattr(OptimizeSettings(**{name: 1}), name) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["content_weight", "style_weight", "temporal_weight", "tv_weight", "laplacian_weight", "stop_change"]
)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(name: str, value: float) -> None:
    assert refused(**{name: value}).startswith(f"[stylize] {name} is at least 0 and at most ")
    assert refused(**{name: value}).endswith(f", not {value}")
    assert getattr(OptimizeSettings(**{name: 0.0}), name) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_is_more_than_nothing(value: float) -> None:
    assert refused(learning_rate=value).startswith("[stylize] learning_rate is at least 1e-09 and at most 1000, not ")


MUCH = int("9" * 400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, MUCH) for name in ("iterations", "first_iterations", "history", "stop_window", "passes", "seed")),
        *((name, 1e308) for name in ("content_weight", "style_weight", "temporal_weight", "tv_weight", "stop_change")),
        ("passes", 100_000_000_000),
        ("seed", -MUCH),
        ("offsets", (1, MUCH)),
        ("learning_rate", 1e300),
        ("style_layers", ("relu1_1=1e308",)),
        ("style_layers", (f"relu1_1={MUCH}",)),
    ],
)
def test_numbers_have_a_most(name: str, value: Any) -> None:
    message = refused(**{name: value})
    assert len(message) < 120


def test_levels_may_have_weights() -> None:
    settings = OptimizeSettings(content_layers=("relu4_2=.5",), style_layers=("relu1_1", "relu3_1=2e1"))
    assert settings.content_levels == {"relu4_2": 0.5}
    assert settings.style_levels == {"relu1_1": 1.0, "relu3_1": 20.0}
    assert list(OptimizeSettings().style_levels) == list(config.STYLE_LAYERS)


def test_patches_have_levels_of_their_own_where_none_are_named() -> None:
    assert tuple(OptimizeSettings(style_loss="mrf").style_levels) == config.MRF_LAYERS
    assert list(OptimizeSettings(style_loss="mrf", style_layers=("relu2_1",)).style_levels) == ["relu2_1"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (("relu1_1=x",), "the weight of relu1_1 must be a number more than 0, not 'x'"),
        (("relu1_1=",), "the weight of relu1_1 must be a number more than 0, not ''"),
        (("relu1_1=-1",), "the weight of relu1_1 must be a number more than 0, not '-1'"),
        (("relu1_1=nan",), "the weight of relu1_1 must be a number more than 0, not 'nan'"),
        (("relu1_1", "relu1_1=2"), "names relu1_1 twice"),
    ],
)
def test_bad_weights_of_levels_are_refused(layers: tuple[str, ...], message: str) -> None:
    assert message in refused(style_layers=layers)


@pytest.mark.parametrize("name", ["content_layers", "style_layers"])
def test_a_term_needs_a_level(name: str) -> None:
    assert refused(**{name: ()}).startswith(f"{name} needs at least one level")


# ---- requests


def full_request() -> Request:
    """A request in which nothing is at its default."""
    return Request(
        movie="/films/a b.mp4",
        output="/films/out.mkv",
        styles=(
            Style("/styles/a.jpg", weight=0.7),
            Style("/styles/b.jpg", scale=1.5, at=Fraction(7, 2), mask="/films/m.mp4"),
        ),
        stylize=OptimizeSettings(
            encoder="vgg19", normalized=True, content_layers=("relu3_1", "relu4_2"), learning_rate=0.5, seed=2**40
        ),
        shots=ShotSettings(detect=False, threshold=0.25),
        flow=FlowSettings("raft-large", updates=20, precision="bfloat16", scale=0.5),
        consistency=config.ConsistencySettings(motion_boundaries=False, smooth=False),
        encode=EncodeSettings(codec="libx265", crf=23, preset="slow", pix_fmt="yuv444p"),
        width=640,
        height=360,
        start=Fraction(1, 3),
        end=Fraction(30000, 1001),
        fps=Fraction(24000, 1001),
        start_style="/nets/udnie.safetensors",
        why="a.jpg is a picture",
        encoder_weights="/nets/vgg.pth",
        flow_weights="/nets/raft.pth",
        flow_from="/films/flow",
        device="cuda:1",
    )


@pytest.mark.parametrize(
    "request_",
    [
        full_request(),
        Request("/a.mp4", "/b.mp4", styles=(Style("/s.jpg"),)),
        Request("/a.mp4", "/b.mp4", stylize=NoneSettings()),
    ],
    ids=["full", "default", "none"],
)
def test_a_request_survives_its_job_file(request_: Request) -> None:
    plain = json.loads(json.dumps(request_to_plain(request_)))
    again = request_from_plain(plain)
    assert again == request_
    assert type(again.stylize) is type(request_.stylize)
    assert request_to_plain(again) == plain


def test_the_full_request_is_full() -> None:
    default = Request("", "", styles=(Style("s"),))
    same = [f.name for f in dataclasses.fields(Request) if getattr(full_request(), f.name) == getattr(default, f.name)]
    assert same == []


def test_plain_requests_hold_times_exactly() -> None:
    plain = request_to_plain(full_request())
    assert (plain["start"], plain["end"]) == ("1/3", "30000/1001")
    assert plain["method"] == "optimize"
    assert plain["stylize"]["content_layers"] == ["relu3_1", "relu4_2"]


def minimal(**more: Any) -> dict[str, Any]:
    return {"movie": "a.mp4", "output": "b.mp4", "styles": [{"path": "s.jpg"}], **more}


def test_a_table_is_read_as_toml_gives_it() -> None:
    request = request_from_plain(
        minimal(start=1.5, end=4, stylize={"style_weight": 50, "style_layers": ["relu1_1"]}, shots={"threshold": 1})
    )
    assert (request.start, request.end) == (Fraction(3, 2), Fraction(4))
    assert isinstance(request.stylize, OptimizeSettings)
    assert request.stylize.style_weight == 50.0
    assert isinstance(request.stylize.style_weight, float)
    assert request.stylize.style_layers == ("relu1_1",)
    assert request.stylize.content_weight == OptimizeSettings().content_weight
    assert request.shots == ShotSettings(threshold=1.0)


def test_the_table_that_is_read_is_not_changed() -> None:
    table = minimal(method="none")
    request_from_plain(table)
    assert table == minimal(method="none")


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "me"))
    request = request_from_plain(minimal(output="~/b.mp4", encoder_weights="w.pth"))
    assert request.movie == str(Path.cwd() / "a.mp4")
    assert request.output == str(tmp_path / "me" / "b.mp4")
    assert request.styles[0].path == str(Path.cwd() / "s.jpg")
    assert request.encoder_weights == str(Path.cwd() / "w.pth")
    assert all(os.path.isabs(path) for path in (request.movie, request.output))  # noqa: PTH117


def test_the_content_key_sees_each_styles_options_but_not_its_path() -> None:
    request = request_from_plain(
        minimal(styles=[{"path": "a.jpg", "weight": 2}, {"path": "b.jpg", "scale": 0.5, "at": 4, "mask": "m.png"}])
    )
    settings = request.stylize_settings
    assert isinstance(settings, OptimizeSettings)
    assert settings.styles == (StageStyle(weight=2.0), StageStyle(scale=0.5, at=Fraction(4), masked=True))
    assert request.styles[1].mask == absolute("m.png")
    assert "a.jpg" not in repr(settings)
    assert request_from_plain(minimal(method="none")).stylize_settings == NoneSettings()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            minimal(method="cubist"),
            "--method is one of optimize, recurrent, predict, adain, wct, photo, none; not 'cubist'",
        ),
        (
            minimal(colour=1),
            "the settings has no 'colour'; it has method, within, quality, scenes, cache_limit, movie, output, styles, "
            "stylize, shots, flow, consistency, encode, width, height, start, end, start_style, encoder_weights, "
            "flow_weights, flow_from, device, fps",
        ),
        (minimal(encoder_weights="a.pth", method="none"), "--encoder-weights is for --method optimize, not for none"),
        (minimal(start_style="udnie", method="adain"), "--start-style is for --method optimize, not for adain"),
        (minimal(method="adain", stylize={"history": 2}), "[stylize] history is for --method optimize, not for adain"),
        (minimal(stylize={"sytle_weight": 1}), "[stylize] has no 'sytle_weight'; it has encoder, "),
        (minimal(method="none", stylize={"seed": 1}), "--seed is for --method optimize, not for none: leave it out"),
        (minimal(stylize=None), "[stylize] must be a table, not None"),
        (minimal(stylize={"seed": "one"}), "[stylize] seed must be a whole number, not 'one'"),
        (minimal(flow={"method": 3}), "the settings flow method must be a text, not 3"),
        (minimal(shots={"detect": 1}), "the settings shots detect must be true or false, not 1"),
        (minimal(styles="s.jpg"), "the settings styles must be a list, not 's.jpg'"),
        (minimal(styles=["s.jpg"]), "the settings styles must be a table, not 's.jpg'"),
        (minimal(styles=[{"weight": 1}]), "the settings styles needs 'path'"),
        (minimal(styles=[]), "no style given: add --style PAINTING.jpg"),
        (
            minimal(styles=[{"path": "s.jpg", "weight": 0}]),
            "--style s.jpg: weight is at least 1e-06 and at most 1000000, not 0",
        ),
        (
            minimal(styles=[{"path": "s.jpg", "scale": float("nan")}]),
            "--style s.jpg: scale is at least 0.01 and at most 20, not nan",
        ),
        (
            minimal(styles=[{"path": "s.jpg", "at": -1}]),
            "--style s.jpg: at is at least 0 and at most 100000000, not -1",
        ),
        ({"movie": "a.mp4"}, "the settings needs 'output'"),
        (minimal(start="soon"), "the settings start must be a time or ratio, not 'soon'"),
        (minimal(start="1/0"), "the settings start must be a time or ratio, not '1/0'"),
        (minimal(start=-1), "--start is at least 0 and at most 100000000, not -1"),
        (minimal(start=2, end=2), "--end must be later than --start"),
        (minimal(end=0), "--end must be later than --start"),
        (minimal(width=15), "--width is at least 16 and at most 32768, not 15"),
        (minimal(height=60_000), "--height is at least 16 and at most 32768, not 60000"),
        (minimal(width=MUCH), "the settings width must be a number of at most 19 digits"),
        (minimal(width=1 << 99_999), "the settings width must be a number of at most 19 digits"),
        (minimal(stylize={"style_weight": MUCH}), "[stylize] style_weight must be a number of at most 19 digits"),
        (minimal(start="1e99999999999"), "the settings start must be a time or ratio, not '1e99999999999'"),
        (minimal(end=1e300), "the settings end must be a time or ratio, not 1e+300"),
        (minimal(fps="1e30"), "--fps is at least 0.01 and at most 1000, not 1e+30"),
        (minimal(encode={"crf": 99}), "--crf is at least 0 and at most 63, not 99"),
        (minimal(styles=[{"path": "s.jpg", "weight": 1e308}]), "--style s.jpg: weight is at least 1e-06 and at most"),
        (minimal(styles=[{"path": "s.jpg", "scale": 1e9}]), "--style s.jpg: scale is at least 0.01 and at most 20"),
        (minimal(styles=[{"path": "s.jpg", "at": 1e9}]), "--style s.jpg: at is at least 0 and at most"),
        (minimal(consistency={"minimum_filter": 10**9 + 1}), "[consistency] minimum_filter is at least 0 and at most"),
        (minimal(flow={"method": "raft-small", "updates": 10**9}), "--flow-updates is at least 1 and at most"),
        (minimal(height=64.0), "the settings height must be a whole number, not 64.0"),
        (minimal(movie="a\nb", height="\n"), "the settings height must be a whole number, not '\\n'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_table_is_refused_in_one_line(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        request_from_plain(table)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


# ---- qualities


@pytest.mark.parametrize("quality", config.QUALITIES)
def test_a_quality_stands_for_settings_and_the_request_holds_those(quality: str) -> None:
    request = request_from_plain(minimal(quality=quality))
    assert request.stylize == OptimizeSettings(**config.QUALITIES[quality].get("stylize", {}))
    plain = request_to_plain(request)
    assert "quality" not in plain
    assert request_from_plain(plain) == request  # whatever the quality comes to stand for


def test_the_standard_quality_is_the_defaults() -> None:
    assert request_from_plain(minimal(quality="standard")) == request_from_plain(minimal())


def test_a_better_quality_is_more_work() -> None:
    asked = [request_from_plain(minimal(quality=name)).stylize for name in ("draft", "standard", "best")]
    counts = [(s.first_iterations, s.iterations) for s in asked if isinstance(s, OptimizeSettings)]
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


def test_what_is_given_otherwise_goes_before_the_quality() -> None:
    table = minimal(quality="draft", stylize={"iterations": 33, "tv_weight": 0.5})
    stylize = request_from_plain(table).stylize
    assert isinstance(stylize, OptimizeSettings)
    assert (stylize.iterations, stylize.tv_weight) == (33, 0.5)
    assert stylize.first_iterations == config.QUALITIES["draft"]["stylize"]["first_iterations"]
    assert table["stylize"] == {"iterations": 33, "tv_weight": 0.5}


def test_a_method_without_schedule_has_no_use_for_a_quality() -> None:
    assert request_from_plain(minimal(method="none", quality="best")).stylize == NoneSettings()


@pytest.mark.parametrize("method", ["optimize", "none"])
@pytest.mark.parametrize("quality", ["superb", 3, None, ["draft"]])
def test_an_unknown_quality_is_refused_with_the_known_ones(quality: Any, method: str) -> None:
    with pytest.raises(InputError, match="--quality is one of draft, standard, best; not"):
        request_from_plain(minimal(quality=quality, method=method))


@pytest.mark.parametrize("stylize", [3, ["a"], "fast"])
def test_a_section_that_is_no_table_is_refused_with_a_quality_too(stylize: Any) -> None:
    with pytest.raises(InputError, match="must be a table"):
        request_from_plain(minimal(quality="draft", stylize=stylize))
