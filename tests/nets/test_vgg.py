"""VGG-19 against torchvision's own network and against plain convolutions."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import vgg19

from tests.flow.data import data
from vidstyle.errors import WeightsError
from vidstyle.nets.calibration import dead_leaves
from vidstyle.nets.encoder import EncoderOptions, check_layers, load_encoder
from vidstyle.nets.teacher import EXACT_PLAN, exact_features
from vidstyle.nets.vgg import IMAGENET_MEAN, IMAGENET_STD, Vgg19Encoder, layer_plan
from vidstyle.nets.weights import WeightFile, read_weights

CAFFE_FILE = "weights/vgg19_caffe_conv1_1-conv3_4.safetensors"
LAYERS = tuple(name for name, _, _ in layer_plan())
DEEP = ("relu1_1", "relu2_2", "relu3_1", "relu4_2", "relu5_1", "relu5_4")


@pytest.fixture(scope="module")
def reference() -> nn.ModuleDict:
    """torchvision's network with random weights and biases, without its classifier's 120 million."""
    with torch.device("meta"):
        features = vgg19(weights=None).features
    features = features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.normal_(module.bias, std=0.1, generator=generator)
    return nn.ModuleDict({"features": features}).requires_grad_(False).eval()


def weight_file(reference: nn.ModuleDict, **changes: Tensor | None) -> WeightFile:
    """The reference's weights; ``changes`` replaces tensors, None takes one away."""
    tensors = {**reference.state_dict(), **changes}
    return WeightFile({name: value for name, value in tensors.items() if value is not None}, {}, "")


def frames(height: int = 32, width: int = 48) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def by_torchvision(reference: nn.ModuleDict, frames: Tensor, average: bool = False) -> dict[str, Tensor]:
    """Features after every ReLU, torchvision's layers run one by one."""
    x = (frames - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    features, names = {}, iter(LAYERS)
    for module in reference["features"]:
        if isinstance(module, nn.MaxPool2d) and average:
            x = nn.functional.avg_pool2d(x, 2)
        elif isinstance(module, nn.ReLU):
            x = torch.relu(x)
            features[next(names)] = x
        else:
            x = module(x)
    assert next(names, None) is None
    return features


def test_it_knows_all_sixteen_convolutions_by_name() -> None:
    assert len(LAYERS) == 16
    assert LAYERS[:3] == ("relu1_1", "relu1_2", "relu2_1")
    assert LAYERS[-1] == "relu5_4"
    assert [index for _, index, _ in layer_plan()] == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert [name for name, _, pooled in layer_plan() if pooled] == ["relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    assert tuple(layer_plan()[: len(EXACT_PLAN)]) == EXACT_PLAN


@pytest.mark.parametrize("average", [False, True], ids=["max", "average"])
def test_it_computes_what_torchvision_computes(reference: nn.ModuleDict, average: bool) -> None:
    encoder = Vgg19Encoder(weight_file(reference), "average" if average else "max")
    assert encoder.layers == LAYERS
    expected = by_torchvision(reference, frames(35, 50), average)  # odd: VGG drops the last row
    features = encoder(frames(35, 50), LAYERS)
    assert features.keys() == expected.keys()
    for layer, value in expected.items():
        torch.testing.assert_close(features[layer], value, rtol=1e-5, atol=1e-5 * value.max().item())


def test_max_and_average_pooling_differ_below_the_first_pooling_only(reference: nn.ModuleDict) -> None:
    maximum, average = (Vgg19Encoder(weight_file(reference), kind)(frames(), DEEP) for kind in ("max", "average"))
    assert torch.equal(maximum["relu1_1"], average["relu1_1"])
    assert not torch.allclose(maximum["relu2_2"], average["relu2_2"], rtol=0.01)


def test_it_runs_no_deeper_than_asked(reference: nn.ModuleDict) -> None:
    encoder, ran = Vgg19Encoder(weight_file(reference)), []
    for name, module in encoder.convolutions.items():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    assert list(encoder(frames(16, 16), ["relu2_1", "relu1_1"])) == ["relu1_1", "relu2_1"]
    assert ran == ["relu1_1", "relu1_2", "relu2_1"]


def test_small_frames_reach_the_deepest_level(reference: nn.ModuleDict) -> None:
    features = Vgg19Encoder(weight_file(reference))(frames(16, 16), ["relu5_1"])
    assert features["relu5_1"].shape == (1, 512, 1, 1)


def test_oxfords_own_weights_give_the_features_of_the_teacher() -> None:
    weights = read_weights(data(CAFFE_FILE))
    encoder = Vgg19Encoder(weights)
    layers = tuple(name for name, _, _ in EXACT_PLAN)
    assert encoder.layers == layers
    features, expected = encoder(frames(), layers), exact_features(load_file(data(CAFFE_FILE)), frames(), layers)
    for layer in layers:
        value = expected[layer]
        torch.testing.assert_close(features[layer], value, rtol=1e-4, atol=1e-5 * value.max().item())


def test_a_file_that_stops_early_says_what_it_reaches() -> None:
    encoder = load_encoder("vgg19", data(CAFFE_FILE), torch.device("cpu"))
    check_layers(encoder, ["relu3_4"])
    with pytest.raises(WeightsError, match=r"no relu4_1, relu5_1; they have relu1_1, .*relu3_4$") as caught:
        check_layers(encoder, ["relu1_1", "relu4_1", "relu5_1"])
    assert "\n" not in str(caught.value)


def test_options_reach_the_network() -> None:
    path, cpu = data(CAFFE_FILE), torch.device("cpu")
    layers = ["relu2_1"]
    plain = load_encoder("vgg19", path, cpu)(frames(), layers)["relu2_1"]
    average = load_encoder("vgg19", path, cpu, EncoderOptions(pooling="average"))(frames(), layers)["relu2_1"]
    normalized = load_encoder("vgg19", path, cpu, EncoderOptions(normalized=True))(frames(), layers)["relu2_1"]
    assert not torch.allclose(plain, average, rtol=0.01)
    assert normalized.mean() < 0.1 * plain.mean()  # Oxford's activations are large


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_normalized_filters_have_a_mean_activation_of_one(reference: nn.ModuleDict, pooling: str) -> None:
    encoder = Vgg19Encoder(weight_file(reference), pooling)
    pictures = dead_leaves(2, 64)
    plain = encoder(pictures, LAYERS)
    encoder.normalize_(pictures)
    for layer, value in encoder(pictures, LAYERS).items():
        fires = plain[layer].mean((0, 2, 3)) > 1e-6
        assert fires.any()
        means = value.mean((0, 2, 3))[fires]
        torch.testing.assert_close(means, torch.ones_like(means), rtol=1e-3, atol=1e-3)


def test_normalizing_changes_nothing_but_the_scale_of_each_filter(reference: nn.ModuleDict) -> None:
    encoder, pictures = Vgg19Encoder(weight_file(reference)), dead_leaves(2, 64)
    scales = {layer: value.mean((0, 2, 3)) for layer, value in encoder(pictures, LAYERS).items()}
    plain = encoder(frames(), LAYERS)  # other frames than it is measured on
    encoder.normalize_(pictures)
    for layer, value in encoder(frames(), LAYERS).items():
        scale = torch.where(scales[layer] > 1e-6, scales[layer], torch.ones(()))
        back = value * scale.view(1, -1, 1, 1)
        torch.testing.assert_close(back, plain[layer], rtol=1e-3, atol=1e-3 * plain[layer].max().item())


def test_a_filter_that_never_fires_stays_as_it_is(reference: nn.ModuleDict) -> None:
    bias = reference.state_dict()["features.0.bias"].clone()
    bias[5] = -1e6
    encoder = Vgg19Encoder(weight_file(reference, **{"features.0.bias": bias}))
    encoder.normalize_(dead_leaves(1, 32))
    features = encoder(frames(), ["relu1_1", "relu5_1"])
    assert (features["relu1_1"][:, 5] == 0).all()
    assert all(torch.isfinite(value).all() for value in features.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"features.0.weight": None},
        {"features.0.weight": torch.zeros(32, 3, 3, 3)},
        {"features.2.bias": None},
        {"features.2.bias": torch.zeros(7)},
        {"features.5.weight": torch.zeros(128, 7, 3, 3)},
        {"features.5.weight": torch.zeros(128)},
        {"features.2.weight": None},  # a hole: the layers behind it would get the wrong input
    ],
    ids=lambda changes: " ".join(f"{n} {'missing' if v is None else tuple(v.shape)}" for n, v in changes.items()),
)
def test_weights_of_another_network_are_refused_in_one_line(
    reference: nn.ModuleDict, changes: dict[str, Tensor | None]
) -> None:
    with pytest.raises(WeightsError, match="VGG-19") as caught:
        Vgg19Encoder(weight_file(reference, **changes))
    assert "\n" not in str(caught.value)
