"""Files of trained styles: what is written is read again, and what does not fit is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vidstyle.errors import OutputError, WeightsError
from vidstyle.nets.encoder import find_weights
from vidstyle.nets.style_file import embedded_styles, read_styles, write_styles
from vidstyle.nets.transform import TransformNet


def network(styles: int = 2) -> TransformNet:
    torch.manual_seed(0)
    return TransformNet(styles, 16, 2)


def written(folder: Path) -> Path:
    path = folder / "mine.safetensors"
    write_styles(path, ["day", "night"], network(), {"day": b"\xff\xd8day"}, {"seed": 3, "losses": {"style": 0.5}})
    return path


def changed(path: Path, **entries: Any) -> Path:
    """The file with some of what it says of itself replaced."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["vidstyle"]) | entries
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    save_file(tensors, path, {"vidstyle": json.dumps(about)})
    return path


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_styles(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = read_styles(written(tmp_path))
    assert file.names == ("day", "night")
    assert file.previews == {"day": b"\xff\xd8day"}
    assert file.notes == {"seed": 3, "losses": {"style": 0.5}}
    assert (file.network.styles, file.network.width, file.network.blocks) == (2, 16, 2)
    assert len(file.digest) == 64
    assert not file.network.training and not any(p.requires_grad for p in file.network.parameters())
    for name, value in network().state_dict().items():
        assert torch.equal(file.network.state_dict()[name], value.half().float())


@pytest.mark.parametrize("hidden", [4, 16])
def test_blocks_are_as_wide_inside_as_the_file_has_them(tmp_path: Path, hidden: int) -> None:
    wide = TransformNet(1, 16, 2, hidden=hidden)
    write_styles(tmp_path / "wide.safetensors", ["day"], wide)
    assert read_styles(tmp_path / "wide.safetensors").network.hidden == hidden


def test_a_name_stands_for_its_share(tmp_path: Path) -> None:
    file = read_styles(written(tmp_path))
    assert file.share("night").tolist() == [0, 1]
    with pytest.raises(WeightsError, match="it has day, night"):
        file.share("dusk")


def test_the_same_styles_give_the_same_bytes(tmp_path: Path) -> None:
    first = written(tmp_path).read_bytes()
    assert written(tmp_path).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]


def test_another_weight_file_is_told_from_a_file_of_styles() -> None:
    assert "holds no trained styles" in refused(find_weights("compact"))


def test_another_version_is_refused(tmp_path: Path) -> None:
    assert "version 9" in refused(changed(written(tmp_path), version=9))


@pytest.mark.parametrize(
    "entries",
    [{"names": ["one"]}, {"names": None}, {"width": 64}, {"blocks": "many"}, {"notes": 3}],
)
def test_what_does_not_fit_is_called_damaged(tmp_path: Path, entries: dict[str, Any]) -> None:
    assert "damaged" in refused(changed(written(tmp_path), **entries))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors")


def test_names_must_fit_the_network(tmp_path: Path) -> None:
    for names in (["one"], ["one", "one"]):
        with pytest.raises(ValueError):
            write_styles(tmp_path / "x.safetensors", names, network())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_styles(tmp_path / "file" / "x.safetensors", ["a", "b"], network())


def test_the_styles_that_the_package_carries() -> None:
    path = embedded_styles()
    assert path.stat().st_size <= 3_000_000
    file = read_styles(path)
    assert file.names == (
        *("starry-night", "great-wave", "the-scream", "composition-vii"),
        *("udnie", "delaunay-portrait", "wheat-field", "woman-with-a-hat"),
    )
    assert set(file.previews) == set(file.names)
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in file.previews.values())
