"""Networks of monai in two and three dimensions, of few channels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from monai.networks import nets

from tests.survey.subjects import Made, Subject

Listed = tuple[str, Any, Any]  # name, factory, and shape of the image or what else it takes


def _listed(d: int) -> list[Listed | None]:
    s = 64 if d == 2 else 32
    size = (s,) * d
    return [
        (
            "AHNet",
            lambda: nets.AHNet(layers=(2, 2, 2, 2), spatial_dims=d, in_channels=1, out_channels=2, psp_block_num=3),
            (1, 1, *((128,) * d if d == 2 else (64,) * d)),
        ),
        ("AttentionUnet", lambda: nets.AttentionUnet(d, 1, 2, (4, 8, 16), (2, 2)), None),
        ("AutoEncoder", lambda: nets.AutoEncoder(d, 1, 2, (4, 8, 16), (2, 2, 2)), None),
        ("VarAutoEncoder", lambda: nets.VarAutoEncoder(d, (1, *size), 2, 4, (4, 8), (2, 2)), None),
        (
            "AutoencoderKL",
            lambda: nets.AutoencoderKL(d, 1, 1, (1, 1), (8, 8), (False, True), latent_channels=3, norm_num_groups=4),
            None,
        ),
        ("BasicUNet", lambda: nets.BasicUNet(d, 1, 2, (8, 8, 16, 16, 32, 8)), None),
        ("BasicUNetPlusPlus", lambda: nets.BasicUNetPlusPlus(d, 1, 2, (8, 8, 16, 16, 32, 8)), None),
        ("DenseNet121", lambda: nets.DenseNet121(d, 1, 3), (1, 1, *((96 if d == 2 else 64),) * d)),
        ("Discriminator", lambda: nets.Discriminator((1, *size), (4, 8), (2, 2)), None),
        ("DynUNet", lambda: nets.DynUNet(d, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 8, 16]), None),
        (
            "DynUNetDS",
            lambda: nets.DynUNet(
                d,
                1,
                2,
                [3, 3, 3, 3],
                [1, 2, 2, 2],
                [2, 2, 2],
                filters=[4, 8, 16, 16],
                deep_supervision=True,
                res_block=True,
            ),
            None,
        ),
        (
            "EfficientNetB0",
            lambda: nets.EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=d, in_channels=1),
            None,
        ),
        ("FlexibleUNet", lambda: nets.FlexibleUNet(1, 2, "efficientnet-b0", spatial_dims=d), None),
        ("HighResNet", lambda: nets.HighResNet(d, 1, 2), None),
        ("HoVerNet", lambda: nets.HoVerNet(), (1, 3, 256, 256)) if d == 2 else None,
        ("MedNeXt", lambda: nets.MedNeXt(d, 4, 1, 2, blocks_down=(1, 1, 1, 1), blocks_up=(1, 1, 1, 1)), None),
        ("PatchDiscriminator", lambda: nets.PatchDiscriminator(d, 8, 1), None),
        ("MultiScalePatchDiscriminator", lambda: nets.MultiScalePatchDiscriminator(2, 2, d, 4, 1), (1, 1, *(64,) * d)),
        ("Regressor", lambda: nets.Regressor((1, *size), (2,), (4, 8), (2, 2)), None),
        ("Classifier", lambda: nets.Classifier((1, *size), 2, (4, 8), (2, 2)), None),
        ("Critic", lambda: nets.Critic((1, *size), (4, 8), (2, 2)), None),
        ("ResNet18", lambda: nets.resnet18(spatial_dims=d, n_input_channels=1), None),
        ("ResNet50", lambda: nets.resnet50(spatial_dims=d, n_input_channels=1), None),
        ("SEResNet50", lambda: nets.SEResNet50(spatial_dims=d, in_channels=1), None),
        ("SENet154", lambda: nets.SENet154(spatial_dims=d, in_channels=1), None),
        ("SegResNet", lambda: nets.SegResNet(d, 4, 1, 2, norm=("GROUP", {"num_groups": 2})), None),
        ("SegResNetVAE", lambda: nets.SegResNetVAE(size, spatial_dims=d, init_filters=8, in_channels=1), None),
        ("SegResNetDS", lambda: nets.SegResNetDS(d, 4, 1, 2, blocks_down=(1, 1, 1)), None),
        ("SegResNetDS2", lambda: nets.SegResNetDS2(d, 4, 1, 2, blocks_down=(1, 1, 1)), None),
        (
            "SpadeAE",
            lambda: nets.SPADEAutoencoderKL(
                d, 2, 1, 1, (1, 1), (8, 8), (False, False), norm_num_groups=4, latent_channels=2
            ),
            "seg",
        ),
        (
            "SwinUNETR",
            lambda: nets.SwinUNETR(in_channels=1, out_channels=2, feature_size=12, spatial_dims=d, depths=(1, 1, 1, 1)),
            (1, 1, *(64,) * d),
        ),
        (
            "SwinUNETRv2",
            lambda: nets.SwinUNETR(
                in_channels=1, out_channels=2, feature_size=12, spatial_dims=d, depths=(2, 2, 1, 1), use_v2=True
            ),
            (1, 1, *(64,) * d),
        ),
        ("UNet", lambda: nets.UNet(d, 1, 2, (4, 8, 16), (2, 2), num_res_units=2), None),
        ("UNETR", lambda: nets.UNETR(1, 2, size, hidden_size=48, num_heads=4, mlp_dim=64, spatial_dims=d), None),
        ("ViT", lambda: nets.ViT(1, size, (16,) * d, 48, 64, 2, 4, classification=True, spatial_dims=d), None),
        (
            "ViTAutoEnc",
            lambda: nets.ViTAutoEnc(
                1, size, (16,) * d, hidden_size=48, mlp_dim=64, num_layers=2, num_heads=4, spatial_dims=d
            ),
            None,
        ),
        ("VNet", lambda: nets.VNet(d, 1, 2), None),
        (
            "VQVAE",
            lambda: nets.VQVAE(
                d,
                1,
                1,
                (8, 8),
                2,
                (8, 8),
                num_embeddings=16,
                embedding_dim=4,
                downsample_parameters=((2, 4, 1, 1),) * 2,
                upsample_parameters=((2, 4, 1, 1, 0),) * 2,
            ),
            None,
        ),
        (
            "DiNTS",
            lambda: nets.DiNTS(
                nets.TopologySearch(channel_mul=0.2, num_blocks=4, num_depths=3, spatial_dims=d), 1, 2, spatial_dims=d
            ),
            (1, 1, *(64,) * d),
        ),
        (
            "DiffusionModelUNet",
            lambda: nets.DiffusionModelUNet(
                d, 1, 1, (1, 1), (8, 8), (False, True), norm_num_groups=4, num_head_channels=4
            ),
            "t",
        ),
        ("DAF3D", lambda: nets.DAF3D(1, 2), (1, 1, 64, 64, 64)) if d == 3 else None,
        ("RegUNet", lambda: nets.RegUNet(d, 1, 4, 2), None),
        (
            "GlobalNet",
            lambda: nets.GlobalNet(image_size=[s] * d, spatial_dims=d, in_channels=1, num_channel_initial=4, depth=2),
            None,
        ),
        ("LocalNet", lambda: nets.LocalNet(d, 1, 4, (0, 1, 2)), None),
        ("VoxelMorph", lambda: nets.VoxelMorphUNet(d, 2, 16, (4, 8, 8, 8), (8, 8, 8, 8, 8, 4)), (1, 2, *(64,) * d)),
        ("MILModel", lambda: nets.MILModel(2, pretrained=False), (1, 2, 3, 64, 64)) if d == 2 else None,
        ("TorchVisionFCModel", lambda: nets.TorchVisionFCModel("resnet18", 2, pretrained=False), (1, 3, 224, 224))
        if d == 2
        else None,
        (
            "ResNetFeatures",
            lambda: nets.ResNetFeatures("resnet10", pretrained=False, spatial_dims=d, in_channels=1),
            None,
        ),
        ("DenseNet169", lambda: nets.DenseNet169(d, 1, 3), (1, 1, *(64,) * d)),
        (
            "ControlNet",
            lambda: nets.ControlNet(
                d,
                1,
                (1, 1),
                (8, 8),
                (False, True),
                norm_num_groups=4,
                num_head_channels=4,
                conditioning_embedding_num_channels=(8,),
            ),
            "cn",
        ),
    ]


def subjects() -> Iterator[Subject]:
    """All of the list in both numbers of dimensions."""
    for d in (2, 3):
        for listed in _listed(d):
            if listed is not None:
                name, make, given = listed
                yield Subject(f"monai:{name}({d}d)", name, partial(_made, make, given, d))


def _made(make: Any, given: Any, d: int) -> Made:
    module = make().eval()
    size = (64 if d == 2 else 32,) * d
    if given is None or isinstance(given, tuple):
        return Made(module, given or (1, 1, *size))
    with torch.device("cpu"):
        image = torch.zeros(1, 1, *size)
        inputs = {"x": image} | _others(given, size)
    return Made(module, tuple(image.shape), inputs=lambda: inputs, image="x")


def _others(given: str, size: tuple[int, ...]) -> dict[str, Any]:
    """What a model takes beside the image."""
    if given == "seg":
        return {"seg": torch.zeros(1, 2, *size)}
    steps = {"timesteps": torch.zeros(1, dtype=torch.long)}
    return steps if given == "t" else steps | {"controlnet_cond": torch.zeros(1, 1, *(2 * n for n in size))}
