import pytest
import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.video import r2plus1d_18

from workbench.actions.models import build_model
from workbench.actions.r2plus1d import fold_temporal_convolutions
from workbench.actions.x3d import X3D
from workbench.errors import WorkbenchError

# (frames, kernel, stride, padding, dilation, groups, bias)
SHAPES = [
    (8, 3, 1, 1, 1, 1, False),
    (8, 3, 2, 1, 1, 1, True),
    (2, 3, 1, 1, 1, 1, False),  # fewer frames than taps: where bf16 gradients went wrong
    (3, 5, 1, 2, 1, 1, True),
    (1, 3, 1, 1, 1, 1, False),
    (9, 3, 1, 2, 2, 1, False),
    (6, 3, 1, 1, 1, 4, True),
]
IDS = [f"T{s[0]}-k{s[1]}-stride{s[2]}-dil{s[4]}-groups{s[5]}" for s in SHAPES]


def _pair(shape):
    frames, kernel, stride, padding, dilation, groups, bias = shape
    torch.manual_seed(0)
    plain = nn.Conv3d(
        48,
        32,
        (kernel, 1, 1),
        (stride, 1, 1),
        (padding, 0, 0),
        (dilation, 1, 1),
        groups=groups,
        bias=bias,
    )
    return plain, torch.randn(4, 48, frames, 8, 9)


def _run(conv, clips, dtype=None):
    """Output and gradients, by name, of a loss that weighs every output differently."""
    conv.zero_grad()
    clips = clips.clone().requires_grad_()
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
        output = conv(clips)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    (output.float() * weights).sum().backward()
    gradients = {name: p.grad.clone() for name, p in conv.named_parameters()}
    return {"output": output.detach().float(), "clips": clips.grad, **gradients}


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_folded_convolution_equals_conv3d(shape, layout):
    plain, clips = _pair(shape)
    clips = clips.contiguous(memory_format=layout)
    expected = _run(plain, clips)
    assert fold_temporal_convolutions(plain) == 1
    got = _run(plain, clips)
    assert got.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-4, atol=1e-4, msg=name)


@pytest.mark.parametrize("shape", SHAPES, ids=IDS)
def test_bf16_gradients_are_close_to_fp32(shape):
    plain, clips = _pair(shape)
    expected = _run(plain, clips)
    # Freed memory full of NaN: what an uninitialised gradient would be made of.
    for size in (1 << power for power in range(8, 20, 2)):
        del [torch.full((size,), float("nan")) for _ in range(4)][:]
    fold_temporal_convolutions(plain)
    got = _run(plain, clips, torch.bfloat16)
    for name in expected:
        assert torch.isfinite(got[name]).all(), name
        error = (got[name] - expected[name]).norm() / expected[name].norm()
        assert error < 0.02, (name, float(error))


def test_folding_leaves_names_values_and_outputs_of_torchvision_as_they_were():
    torch.manual_seed(0)
    network = r2plus1d_18(num_classes=4).eval()
    clips = torch.rand(1, 3, 4, 32, 32)
    before, names = network(clips), list(network.state_dict())
    parameters = {name: id(p) for name, p in network.named_parameters()}

    folded = fold_temporal_convolutions(network)

    assert folded == 1 + 16  # the stem's, and two per block
    assert list(network.state_dict()) == names
    assert {name: id(p) for name, p in network.named_parameters()} == parameters
    torch.testing.assert_close(network(clips), before, rtol=1e-4, atol=1e-5)
    assert fold_temporal_convolutions(network) == 0


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv3d(4, 4, (3, 3, 3), padding=1),
        nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1)),
        nn.Conv3d(4, 4, 1),
        nn.Conv3d(4, 4, (3, 1, 1), (1, 2, 2), (1, 0, 0)),
        nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 1, 1)),
        nn.Conv3d(4, 4, (3, 1, 1), padding="same"),
        nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0), padding_mode="circular"),
    ],
    ids=str,
)
def test_other_convolutions_stay(conv):
    network = nn.Sequential(conv)
    assert fold_temporal_convolutions(network) == 0
    assert network[0] is conv


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("slim", {}),
        ("r2plus1d_18", {"difference": True}),
        ("mc3_18", {"dropout": 0.1}),
        ("swin3d_t", {}),
        ("x3d_xs", {"difference": True}),
        ("regnet_y_400mf", {"over_time": "recurrent"}),
        ("efficientnet_b0", {"over_time": "transformer"}),
    ],
)
def test_networks_score_the_frames_as_stored(name, settings):
    torch.manual_seed(0)
    network = build_model(name, classes=5, **settings).eval()
    frames = torch.randint(0, 256, (2, 4, 32, 40, 3), dtype=torch.uint8)
    scores = network(frames)
    assert scores.shape == (2, 5)
    torch.testing.assert_close(network(frames.float()), scores)
    assert fold_temporal_convolutions(network) == 0


def test_slim_sees_motion_as_change_between_frames():
    network = build_model("slim", classes=2).eval()
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    frames = torch.randint(0, 256, (1, 8, 16, 16, 3), dtype=torch.uint8)
    network(frames)
    colour, change = seen[0][:, :3], seen[0][:, 3:]
    torch.testing.assert_close(change[:, :, :-1], colour[:, :, 1:] - colour[:, :, :-1])
    still = frames[:, :1].expand(-1, 8, -1, -1, -1)
    network(still)
    assert seen[1][:, 3:].abs().max() == 0


def test_weights_of_a_file_fill_the_body_and_leave_the_head(tmp_path):
    torch.manual_seed(1)
    published = r2plus1d_18(num_classes=400)
    torch.save(published.state_dict(), tmp_path / "kinetics.pth")
    network = build_model("r2plus1d_18", classes=4, weights=tmp_path / "kinetics.pth")
    body = network.backbone.state_dict()
    wider = build_model("r2plus1d_18", 4, weights=tmp_path / "kinetics.pth", difference=True)
    first = wider.backbone.state_dict()["stem.0.weight"]
    torch.testing.assert_close(first[:, :3], published.stem[0].weight)
    assert first[:, 3:].abs().max() == 0  # colours say nothing of the change between frames
    assert body["fc.weight"].shape == (4, 512)
    for name, value in published.state_dict().items():
        if not name.startswith("fc."):
            torch.testing.assert_close(body[name], value, msg=name)


def test_x3d_is_the_published_network(tmp_path):
    """As many parameters as PyTorchVideo's, under its names, from a file as it publishes them."""
    published = X3D(classes=400).state_dict()
    assert sum(value.numel() for name, value in published.items() if "running" not in name) == (
        3_794_274 + sum(name.endswith("tracked") for name in published)
    )
    named = {
        "blocks.0.conv.conv_xy.weight": (24, 1, 5, 1, 1),
        "blocks.1.res_blocks.0.branch1_conv.weight": (24, 24, 1, 1, 1),
        "blocks.2.res_blocks.0.branch1_norm.weight": (48,),
        "blocks.3.res_blocks.4.branch2.norm_b.1.block.0.weight": (16, 216, 1, 1, 1),
        "blocks.4.res_blocks.6.branch2.conv_b.weight": (432, 1, 3, 3, 3),
        "blocks.5.pool.post_conv.weight": (2048, 432, 1, 1, 1),
        "blocks.5.proj.weight": (400, 2048),
    }
    assert {name: tuple(published[name].shape) for name in named} == named
    torch.save({"model_state": published}, tmp_path / "X3D_S.pyth")
    body = build_model("x3d_s", 4, weights=tmp_path / "X3D_S.pyth").backbone.state_dict()
    torch.testing.assert_close(
        body["blocks.4.res_blocks.6.branch2.conv_b.weight"],
        published["blocks.4.res_blocks.6.branch2.conv_b.weight"],
    )


def test_weights_of_pictures_fill_a_network_of_frames(tmp_path):
    published = get_model("regnet_y_400mf")
    torch.save(published.state_dict(), tmp_path / "imagenet.pth")
    network = build_model("regnet_y_400mf", 4, weights=tmp_path / "imagenet.pth")
    body = network.backbone.state_dict()
    assert body.keys() == published.state_dict().keys() - {"fc.weight", "fc.bias"}
    torch.testing.assert_close(body["stem.0.weight"], published.stem[0].weight)


@pytest.mark.parametrize(
    ("name", "weights", "settings", "problem"),
    [
        ("resnet", None, {}, "no model is called 'resnet'"),
        ("slim", "kinetics400", {}, "no kinetics400 weights are published for slim"),
        ("resnet50", "kinetics400", {}, "no kinetics400 weights"),
        ("resnet50", None, {"over_time": "median"}, "over_time 'median'"),
        ("timm/resnet51", None, {}, "timm"),
        ("slim", "absent.pth", {}, "absent.pth does not exist"),
        ("slim", None, {"depth": 3}, "depth"),
        ("r2plus1d_18", None, {"width": 8}, "width"),
    ],
)
def test_what_cannot_be_built_says_why(name, weights, settings, problem):
    with pytest.raises(WorkbenchError, match=problem):
        build_model(name, 4, weights=weights, **settings)


@pytest.mark.parametrize("content", ["noise", "list", "other network", "other width"])
def test_files_that_are_no_such_weights_are_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content == "noise":
        path.write_bytes(b"not a checkpoint")
    elif content == "list":
        torch.save([1, 2], path)
    elif content == "other network":
        torch.save(nn.Linear(2, 2).state_dict(), path)
    else:
        torch.save(build_model("slim", 4, width=8).backbone.state_dict(), path)
    with pytest.raises(WorkbenchError, match=r"weights\.pth"):
        build_model("slim", 4, weights=path)


def test_missing_download_names_the_remedy(monkeypatch, tmp_path):
    def refuse(*_args, **_kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(WorkbenchError, match=r"r2plus1d_18-91a641e6\.pth"):
        build_model("r2plus1d_18", 4, weights="kinetics400")
