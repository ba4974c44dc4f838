"""The training: repeatable, resumable, and it does what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vidstyle.errors import InputError, PaintError
from vidstyle.nets.compact import CompactEncoder
from vidstyle.nets.encoder import find_weights, load_encoder
from vidstyle.nets.style_file import embedded_styles, read_styles
from vidstyle.nets.transform import TransformNet
from vidstyle.train import recurrent
from vidstyle.train.beginning import own_parameters
from vidstyle.train.footage import Footage, make_clip, pictures_in, read_excerpts, read_photo
from vidstyle.train.preview import jpeg, paint_clip, preview_sheet
from vidstyle.train.recurrent import (
    RANGES,
    Progress,
    Scenes,
    Training,
    TrainSettings,
    learning_rate,
    uncovered_loss,
    weighted,
)

SETTINGS = TrainSettings(steps=4, width=16, blocks=2, crop=64, style_size=64, precision="float32")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def footage() -> Footage:
    photos = [(noise(3, 80, 100, seed=seed) * 255).byte() for seed in range(3)]
    return Footage(photos, [[(noise(3, 70, 90, seed=seed) * 255).byte() for seed in range(10, 14)]])


@pytest.fixture(scope="module")
def encoder() -> CompactEncoder:
    found = load_encoder("compact", find_weights("compact"), torch.device("cpu"))
    assert isinstance(found, CompactEncoder)
    return found


STYLES = {
    "red": noise(3, 64, 64) * torch.tensor([1.0, 0.1, 0.1])[:, None, None],
    "grey": noise(1, 64, 64).expand(3, -1, -1),
}


def start(encoder: CompactEncoder, path: Path | None = None, workers: int = 1, **changes: object) -> Training:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return Training(settings, STYLES, footage(), encoder, torch.device("cpu"), path, workers)


def weights(training: Training) -> Mapping[str, Tensor]:
    return {name: value.clone() for name, value in training.network.state_dict().items()}


def equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def ignore(progress: Progress) -> None:
    pass


def test_a_training_is_repeatable_whatever_the_number_of_workers(encoder: CompactEncoder) -> None:
    results = []
    for workers in (1, 2):
        training = start(encoder, workers=workers)
        before = weights(training)
        training.run(ignore)
        results.append(weights(training))
        assert not equal(before, results[-1])
    assert equal(*results)


def test_resumed_it_ends_as_if_it_had_not_been_stopped(encoder: CompactEncoder, tmp_path: Path) -> None:
    whole = start(encoder)
    whole.run(ignore)
    path = tmp_path / "run" / "checkpoint.pt"
    start(encoder, path).run(ignore, until=2)
    resumed = start(encoder, path)
    assert resumed.step == 2 and resumed.seconds > 0
    resumed.run(ignore)
    assert equal(weights(whole), weights(resumed))
    assert whole.averages == resumed.averages


def test_another_training_in_the_same_folder_is_refused(encoder: CompactEncoder, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    start(encoder, path).save()
    with pytest.raises(InputError, match="--width 16, now 32"):
        start(encoder, path, width=32)
    with pytest.raises(InputError, match=r"--strokes 64, now 32; --style-weight 10\.0, now 5"):
        start(encoder, path, style_size=32, style_weight=5)
    with pytest.raises(InputError, match="styles red, grey, now blue"):
        Training(SETTINGS, {"blue": STYLES["red"]}, footage(), encoder, torch.device("cpu"), path)


def test_a_checkpoint_of_another_network_is_refused(encoder: CompactEncoder, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    training = start(encoder, path)
    state = training.network.state_dict
    training.network.state_dict = lambda: dict(list(state().items())[1:])  # type: ignore[method-assign]
    training.save()
    with pytest.raises(InputError, match="another version of vidstyle"):
        start(encoder, path)


def test_a_loss_without_bound_ends_the_training_and_leaves_the_last_checkpoint(
    encoder: CompactEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(settings: TrainSettings, step: int, *measured: Tensor) -> Tensor:
        return weighted(settings, step, *measured) * (float("nan") if step == 2 else 1)

    monkeypatch.setattr(recurrent, "weighted", spoilt)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(PaintError, match="without bound in step 3") as caught:
        start(encoder, path).run(ignore, save_every=1)
    assert caught.value.exit_code == 1
    assert start(encoder, path).step == 2


def test_what_is_uncovered_is_to_look_as_painted_from_nothing() -> None:
    network = TransformNet(2, 16, 2)
    frames, priors, shares = noise(2, 3, 32, 32), noise(2, 3, 32, 32, seed=1), torch.eye(2)
    consistency = torch.zeros(2, 1, 32, 32)
    consistency[1, :, :, :24] = 1  # the first is a still; of the second, a quarter is uncovered
    painted = network(frames, priors, consistency, shares)
    still, clip = uncovered_loss(SETTINGS, network, painted, frames, consistency, shares)
    fresh = network(frames[1:], torch.zeros_like(priors[1:]), torch.zeros(1, 1, 32, 32), shares[1:])[0]
    assert still == 0
    torch.testing.assert_close(clip, (painted[1] - fresh)[..., 24:].square().mean() / 4)
    clip.backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_beginning_counts_as_steps_but_not_as_time(encoder: CompactEncoder) -> None:
    training = Training(SETTINGS, STYLES, footage(), encoder, torch.device("cpu"), begin_at=2)
    said: list[Progress] = []
    training.run(said.append)
    assert [progress.step for progress in said] == [3, 4]
    assert said[0].seconds_left == said[0].seconds  # of one step, for the one that is left


def test_it_learns_a_colour(encoder: CompactEncoder) -> None:
    """A few steps are enough for the red style to be redder than the grey one, with little to hold the frame's own."""
    training = start(encoder, steps=24, learning_rate=0.1, content_weight=0.1)
    said: list[Progress] = []
    training.run(said.append)
    assert said[-1].step == 24 and said[-1].seconds_left == 0
    assert set(said[-1].by_style) == {"red", "grey"}
    training.network.eval()
    frame = noise(1, 3, 64, 64, seed=5)
    with torch.no_grad():
        red, grey = (
            training.network(frame, frame, torch.zeros(1, 1, 64, 64), share[None])[0].mean((1, 2))
            for share in torch.eye(2)
        )
    assert red[0] - red[1] > grey[0] - grey[1] + 0.2


def test_every_style_is_painted_as_often(encoder: CompactEncoder) -> None:
    training = start(encoder)
    chosen = []
    for training.step in range(6):
        chosen += training._shares(range(4)).argmax(1).tolist()
    assert chosen.count(0) == chosen.count(1) == 12


def test_it_may_begin_with_the_shipped_styles(encoder: CompactEncoder) -> None:
    settings = TrainSettings(steps=1, crop=64, style_size=64, precision="float32", begin="shipped")
    paintings = {"udnie": STYLES["red"], "new": STYLES["grey"]}
    network = Training(settings, paintings, footage(), encoder, torch.device("cpu")).network
    shipped = read_styles(embedded_styles())
    frame, nothing = noise(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
    known, new = (network.eval()(frame, nothing, nothing[:, :1], share[None]) for share in torch.eye(2))
    shares = torch.stack([shipped.share("udnie"), torch.full((8,), 1 / 8)])[:, None]
    for painted, share in zip((known, new), shares, strict=True):
        torch.testing.assert_close(painted, shipped.network(frame, nothing, nothing[:, :1], share), atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="--begin shipped needs --width 64"):
        replace(SETTINGS, begin="shipped")


def test_what_one_style_has_of_its_own_can_be_trained_alone(encoder: CompactEncoder) -> None:
    training = Training(SETTINGS, STYLES, footage(), encoder, torch.device("cpu"), only=["grey"])
    before = weights(training)
    training.run(ignore)
    for name, value in weights(training).items():
        if name in own_parameters(training.network):
            assert torch.equal(value[0], before[name][0]) and not torch.equal(value[1], before[name][1]), name
        else:
            assert torch.equal(value, before[name]), name


def test_borders_are_not_judged(encoder: CompactEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network would paint a frame there."""
    training, seen = start(encoder, steps=1), []
    frames, priors, consistencies = noise(2, 3, 64, 64), torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    monkeypatch.setattr(Scenes, "draw", lambda *_: (frames, priors, consistencies))

    def judge(painted: Tensor, shown: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(shown)
        return painted.mean((1, 2, 3)), painted.mean((1, 2, 3))

    monkeypatch.setattr(training, "perception", judge)
    training.run(ignore)
    assert all(torch.equal(shown, frames[..., 16:48, 16:48]) for shown in seen) and seen


def test_the_schedule() -> None:
    settings = replace(SETTINGS, steps=1000)
    rates = [learning_rate(settings, step) for step in (0, 300, 800, 999)]
    assert rates[0] < rates[1] / 100 and rates[1] == settings.learning_rate
    assert rates[1] > rates[2] > rates[3] > 0


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 10**8 * 100])
def test_settings_without_bound_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match="at most") as caught:
        TrainSettings(**{name: value})
    assert "\n" not in str(caught.value)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 16"):
        TrainSettings(crop=100)
    with pytest.raises(InputError, match="photos"):
        Footage([])


def test_clips_come_from_movies_and_from_photos() -> None:

    for real in (0.0, 1.0):
        clip = make_clip(footage(), 64, 3, real, np.random.default_rng(0))
        assert clip.frames.shape == (3, 3, 64, 64)
        assert clip.backward_flow.shape == (2, 2, 64, 64)
        assert clip.consistency.shape == (2, 1, 64, 64)
        assert clip.frames.min() >= 0 and clip.frames.max() <= 1
        assert clip.consistency.min() >= 0 and clip.consistency.max() <= 1
    # No excerpt is as long: photos do.
    assert make_clip(footage(), 64, 5, 1.0, np.random.default_rng(0)).frames.shape[0] == 5


def test_photos_are_read_at_a_moderate_size(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(jpeg(noise(3, 600, 900), 90))
    (tmp_path / "a.txt").write_text("no picture")
    assert [path.name for path in pictures_in(tmp_path)] == ["b.jpg"]
    assert read_photo(tmp_path / "b.jpg").shape == (3, 288, 432)
    with pytest.raises(InputError, match="not a picture"):
        read_photo(tmp_path / "a.txt")
    with pytest.raises(InputError, match="no folder"):
        pictures_in(tmp_path / "nowhere")


def test_shots_of_a_movie_are_read_as_excerpts(tmp_path: Path) -> None:
    for number in range(30):  # two shots of 15 frames: dark, then bright
        picture = noise(3, 60, 80, seed=1) * 0.2 + (0.7 if number >= 15 else 0.0)
        (tmp_path / f"{number:03d}.jpg").write_bytes(jpeg(picture, 95))
    excerpts = read_excerpts(tmp_path, short_side=48)
    assert [len(excerpt) for excerpt in excerpts] == [15, 15]
    assert excerpts[0][0].shape == (3, 48, 64)
    assert excerpts[0][-1].float().mean() < 60 < 150 < excerpts[1][0].float().mean()


def test_a_sheet_has_a_row_for_each_style() -> None:
    network = TransformNet(2, 16, 2)
    sheet = preview_sheet(network, STYLES, [noise(3, 80, 100)] * 2)
    assert sheet.shape == (3, 3 * 224, 4 * 224)
    assert network.training
    assert jpeg(sheet, 80).startswith(b"\xff\xd8")


def test_a_clip_is_painted_with_what_was_painted_before() -> None:

    clip = make_clip(footage(), 64, 3, 0.0, np.random.default_rng(0))
    seen = []

    def network(frame: Tensor, prior: Tensor, consistency: Tensor) -> Tensor:
        seen.append((prior.mean().item(), consistency.mean().item()))
        return torch.full_like(frame, 0.5)

    assert len(list(paint_clip(network, clip))) == 3
    assert seen[0] == (0, 0) and all(prior == pytest.approx(0.5) and c > 0 for prior, c in seen[1:])
    seen.clear()
    list(paint_clip(network, clip, recurrent=False))
    assert seen == [(0, 0)] * 3
