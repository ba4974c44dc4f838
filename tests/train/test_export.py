"""From a training to a file of styles that paints as the network did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.train.test_recurrent import SETTINGS, STYLES, footage, noise
from vidstyle.errors import PaintError
from vidstyle.nets.encoder import find_weights, load_encoder
from vidstyle.nets.style_file import read_styles
from vidstyle.train.export import export_styles
from vidstyle.train.recurrent import Training


def test_a_training_becomes_a_file_of_styles(tmp_path: Path) -> None:
    encoder = load_encoder("compact", find_weights("compact"), torch.device("cpu"))
    training = Training(SETTINGS, STYLES, footage(), encoder, torch.device("cpu"))
    training.run(lambda progress: None, until=2)
    path = tmp_path / "mine.safetensors"
    export_styles(training, noise(3, 80, 100), path, {"photos": "noise"})
    file = read_styles(path)
    assert file.names == ("red", "grey") and set(file.previews) == {"red", "grey"}
    assert file.notes["step"] == 2 and file.notes["settings"]["seed"] == 1 and file.notes["photos"] == "noise"
    frame, nothing = noise(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    training.network.eval()
    with torch.no_grad():
        expected = training.network(frame, frame, nothing, file.share("red")[None])
    painted = file.network(frame, frame, nothing, file.share("red")[None])
    torch.testing.assert_close(painted, expected, atol=2e-3, rtol=0)


def test_weights_without_bound_are_not_written(tmp_path: Path) -> None:
    encoder = load_encoder("compact", find_weights("compact"), torch.device("cpu"))
    training = Training(SETTINGS, STYLES, footage(), encoder, torch.device("cpu"))
    with torch.no_grad():
        next(training.network.parameters()).fill_(1e5)  # more than the file's float16 holds
    with pytest.raises(PaintError, match="grew without bound"):
        export_styles(training, noise(3, 80, 100), tmp_path / "mine.safetensors")
    assert list(tmp_path.iterdir()) == []
