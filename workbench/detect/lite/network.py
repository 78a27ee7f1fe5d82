"""The lite student: RF-DETR's decoder on EfficientNet-Lite0, small enough for one CPU thread.

It takes pictures of one size (N, 3, 272, 480), as `lite0.normalised` gives them, and answers with
40 queries: a logit per class, and a box as centre and sides in shares of the picture. 1.6 M
parameters. Decoder, matching and set losses are transformers' RF-DETR; in place of its ViT stands
EfficientNet-Lite0 with a feature pyramid down to one map of stride 8.

In training every cell of that map is supervised, too (`losses_of`): a Gaussian around the middle of
each object as in CenterNet, and its box. Set losses alone teach a few queries per picture and a
small network hardly anything: after 75 s, AP50 of people .010 without and .128 with it.

The proposals of the two-stage head are 5 % of the picture wide: the same weights do not work at
another input size. Knows nothing about files.

Sources: RF-DETR (Robinson et al. 2025, arXiv:2511.09554), LW-DETR (arXiv:2406.03459), CenterNet
(arXiv:1904.07850), FPN (arXiv:1612.03144).
"""

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.training.lite0 import CHANNELS, Lite0

WIDTH_PX, HEIGHT_PX = 480, 272
STRIDE = 8  # pixels of a cell of the map
_STAGES = 5  # of the backbone
_WIDTH, _PYRAMID = 128, 96  # channels of the decoder, of the pyramid
_QUERIES = 40
_RARE = -math.log(99)  # logit of an object before anything is learned: 1 %
_MOST_LOGIT = 12.0  # losses take logarithms of shares: those of surer answers are infinite


class Answers(NamedTuple):
    """What the network says of N pictures."""

    logits: Tensor  # (N, 40, classes)
    boxes: Tensor  # (N, 40, 4) centre x, centre y, width, height in shares of the picture


class Labels(NamedTuple):
    """What is in one picture."""

    classes: Tensor  # (K,) places in the list of classes
    boxes: Tensor  # (K, 4) as in `Answers`
    unknown: Tensor  # (classes,) True: none is labelled, and yet there may be some


class LiteDetr(nn.Module):
    """The network with random weights; give a trained backbone where training starts.

    Args:
        classes: How many there are.
        backbone: EfficientNet-Lite0 with five stages.
    """

    def __init__(self, classes: int = 3, backbone: Lite0 | None = None) -> None:
        super().__init__()
        self.detr: Any = _rf_detr(classes, _Eye(backbone or Lite0(_STAGES)))

    def forward(self, pictures: Tensor) -> Answers:
        """Take pictures (N, 3, 272, 480)."""
        out = self.detr(pixel_values=pictures)
        return Answers(out.logits, out.pred_boxes)


class _Eye(nn.Module):
    """Backbone and pyramid, called as RF-DETR calls its encoder."""

    def __init__(self, backbone: Lite0) -> None:
        super().__init__()
        fine, *coarser = (CHANNELS[place] for place in (1, 2, 4))
        self.backbone = backbone
        self.beside = nn.ModuleList(nn.Conv2d(wide, _PYRAMID, 1) for wide in coarser)
        self.fine = nn.Conv2d(fine, _PYRAMID, 3, 2, 1)
        self.smooth = nn.Sequential(
            nn.Conv2d(_PYRAMID, _PYRAMID, 3, 1, 1), nn.GroupNorm(8, _PYRAMID), nn.ReLU(inplace=True)
        )
        self.out = nn.Sequential(
            nn.Conv2d(_PYRAMID, _WIDTH, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_WIDTH, _WIDTH, 1),
        )
        self.norm = nn.GroupNorm(1, _WIDTH)

    def forward(self, pictures: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map (N, 128, H/8, W/8) and that all of it counts."""
        maps = self.backbone(pictures)
        near, far = (layer(maps[at]) for layer, at in zip(self.beside, (2, 4), strict=True))
        far = F.interpolate(self.smooth(far), size=near.shape[-2:], mode="nearest")
        seen = self.norm(self.out(F.relu(near + far + self.fine(maps[1]))))
        every = torch.ones(seen.shape[0], *seen.shape[-2:], dtype=torch.bool, device=seen.device)
        return seen, every


def _rf_detr(classes: int, eye: nn.Module) -> Any:
    """Transformers' RF-DETR with another encoder, and one two-stage head for all query groups."""
    transformers: Any = import_module("transformers")  # untyped, and slow to import
    parts: Any = import_module("transformers.models.rf_detr.modeling_rf_detr")

    class _Model(parts.RfDetrModel):  # type: ignore[misc]
        """Keeps what it says of every cell, and says it once for all groups."""

        cells: tuple[Tensor, Tensor] | None = None

        def generate_topk_proposals(
            self, group_id: int, seen: Tensor, proposals: Tensor, invalid: Tensor, topk: int
        ) -> tuple[Tensor, Tensor, Tensor]:
            if group_id == 0:
                queries = self.enc_output_norm[0](self.enc_output[0](seen))
                logits = self.enc_out_class_embed[0](queries)
                boxes = parts.refine_bboxes(proposals, self.enc_out_bbox_embed[0](queries))
                best = logits.masked_fill(invalid, -math.inf).max(-1).values
                places = torch.topk(best, topk, dim=1).indices[..., None]
                self.cells = logits, boxes
                self._chosen = (
                    torch.gather(queries, 1, places.expand(-1, -1, queries.shape[-1])),
                    torch.gather(boxes, 1, places.expand(-1, -1, 4)),
                )
            chosen, boxes = self._chosen
            return chosen, boxes.detach(), boxes

    small = transformers.RfDetrDinov2Config(  # never used: the smallest that can be built
        hidden_size=16, num_hidden_layers=1, num_attention_heads=1, mlp_ratio=1, image_size=32,
        patch_size=16, num_windows=1, out_indices=[1], num_register_tokens=0,
    )  # fmt: skip
    config = transformers.RfDetrConfig(
        backbone_config=small, d_model=_WIDTH, num_queries=_QUERIES, group_detr=3,
        decoder_layers=2, decoder_ffn_dim=4 * _WIDTH, decoder_self_attention_heads=4,
        decoder_cross_attention_heads=8, decoder_n_points=4, dropout=0.0, num_labels=classes,
        c2f_num_blocks=1,
    )  # fmt: skip
    detr = transformers.RfDetrForObjectDetection(config)
    detr.model = _Model(config)
    detr.model.backbone = eye
    heads = detr.model
    for name in ("enc_output", "enc_output_norm", "enc_out_bbox_embed", "enc_out_class_embed"):
        setattr(heads, name, getattr(heads, name)[:1])
    for rare in (heads.enc_out_class_embed[0], detr.class_embed):
        nn.init.constant_(rare.bias, _RARE)
    for box in (heads.enc_out_bbox_embed[0], detr.bbox_embed):
        nn.init.zeros_(box.layers[-1].weight)
        nn.init.zeros_(box.layers[-1].bias)
    nn.init.zeros_(heads.reference_point_embed.weight)
    return detr


_WEIGHTS = {"set": 1.0, "heat": 1.0, "overlap": 2.0, "sides": 5.0}
_LEAST_SIGMA, _SIGMA = 0.7, 0.15  # cells; of an object's side


def losses_of(network: nn.Module, pictures: Tensor, labels: Sequence[Labels]) -> dict[str, Tensor]:
    """Means over a batch: "loss", and its parts "set", "heat", "overlap", "sides".

    Args:
        network: A `LiteDetr`, in training mode.
        pictures: (N, 3, 272, 480).
        labels: Of each picture.
    """
    own: Any = network
    detr = own.detr
    seen = detr.model(pictures)
    logits, boxes = detr.predict_class_and_boxes(
        seen.intermediate_hidden_states, seen.intermediate_reference_points
    )
    proposed = detr.model.enc_out_class_embed[0](seen.enc_outputs_class)
    unknown = torch.stack([one.unknown for one in labels])[:, None]
    with torch.autocast(pictures.device.type, enabled=False):
        logits, proposed = (
            x.float().clamp(-_MOST_LOGIT, _MOST_LOGIT).masked_fill(unknown, -_MOST_LOGIT)
            for x in (logits, proposed)
        )
        boxes, first = boxes.float(), seen.enc_outputs_coord_logits.float()
        parts = {"set": _set_loss(detr.config, (logits, boxes, proposed, first), labels)}
        cells, cell_boxes = (x.float() for x in detr.model.cells)
        parts |= _cell_losses(cells, cell_boxes, labels, unknown)
        loss = torch.stack([scale * parts[name] for name, scale in _WEIGHTS.items()]).sum()
    return {"loss": loss, **parts}


def _set_loss(config: Any, said: tuple[Tensor, ...], labels: Sequence[Labels]) -> Tensor:
    """RF-DETR's own: Hungarian matching of each decoder layer's and the proposals' queries."""
    loss_of: Any = import_module("transformers.loss.loss_lw_detr")
    logits, boxes, proposed, first = said
    targets = [{"class_labels": one.classes, "boxes": one.boxes} for one in labels]
    loss, _, _ = loss_of.LwDetrForObjectDetectionLoss(
        logits[-1], targets, logits.device, boxes[-1], config, logits, boxes, proposed, first
    )
    return torch.as_tensor(loss)


def _cell_losses(
    logits: Tensor, boxes: Tensor, labels: Sequence[Labels], unknown: Tensor
) -> dict[str, Tensor]:
    """Losses of every cell: CenterNet's focal loss, and overlap and L1 near the middles."""
    from torchvision.ops import box_convert, generalized_box_iou_loss

    heats, wholes, weights = zip(
        *(_targets(one, logits.shape[-1], logits.device) for one in labels), strict=True
    )
    heat, whole, weight = torch.stack(heats), torch.stack(wholes), torch.stack(weights)
    objects = sum(len(one.classes) for one in labels) or 1
    share = torch.sigmoid(logits)
    is_middle = heat == 1
    missed = -((1 - share) ** 2) * F.logsigmoid(logits)
    wrong = -((1 - heat) ** 4) * share**2 * F.logsigmoid(-logits)
    counts = ~is_middle & ~unknown
    near = weight > 0
    total = weight.sum().clamp(min=1e-6)
    said, true, by = boxes[near], whole[near], weight[near]
    corners = [box_convert(x, "cxcywh", "xyxy") for x in (said, true)]
    return {
        "heat": (missed[is_middle].sum() + wrong[counts].sum()) / objects,
        "overlap": (generalized_box_iou_loss(corners[0], corners[1]) * by).sum() / total,
        "sides": ((said - true).abs().sum(dim=1) * by).sum() / total,
    }


def _targets(labels: Labels, classes: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Heat (cells, classes), the box of each cell (cells, 4) and how much it counts (cells,)."""
    rows, columns = HEIGHT_PX // STRIDE, WIDTH_PX // STRIDE
    y = torch.arange(rows, device=device)[:, None] + 0.5
    x = torch.arange(columns, device=device)[None] + 0.5
    heat = torch.zeros(classes, rows, columns, device=device)
    whole = torch.zeros(rows, columns, 4, device=device)
    weight = torch.zeros(rows, columns, device=device)
    # Large ones first: where objects overlap, a cell is the smaller one's.
    order = (-labels.boxes[:, 2] * labels.boxes[:, 3]).argsort() if len(labels.boxes) else ()
    for place in order:
        box, kind = labels.boxes[place], int(labels.classes[place])
        middle_x, middle_y, wide, high = (box * box.new_tensor([columns, rows] * 2)).tolist()
        sigma_x, sigma_y = (max(_LEAST_SIGMA, _SIGMA * side) for side in (wide, high))
        gauss = torch.exp(
            -((x - middle_x) ** 2) / (2 * sigma_x**2) - (y - middle_y) ** 2 / (2 * sigma_y**2)
        )
        heat[kind] = torch.maximum(heat[kind], gauss.clamp(max=0.98))
        row = min(max(int(middle_y), 0), rows - 1)
        column = min(max(int(middle_x), 0), columns - 1)
        heat[kind, row, column] = 1
        near = gauss > 0.4
        near[row, column] = True
        whole[near] = box
        # Each object counts the same, whatever its size.
        weight[near] = 1 / near.sum()
    return heat.flatten(1).T, whole.flatten(0, 1), weight.flatten()
