"""U-Nets, control networks and transformers of images of diffusers, of few channels; and its autoencoders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers
import torch

from tests.survey.libraries.diffusers_autoencoders import AUTOENCODERS
from tests.survey.subjects import Made, Subject

z = torch.zeros


def words(*shape: int) -> Any:
    """A text that attention reads; of zeros, or of one word, its queries would decide nothing."""
    return torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape)


def un(size: int = 16, context: int = 16) -> Any:
    """What a U-Net with a condition takes."""
    given = {"sample": z(1, 4, size, size), "timestep": torch.tensor(1), "encoder_hidden_states": words(1, 5, context)}
    return lambda: {"example_input": given}


UNETS: list[tuple[str, Any, Any]] = [
    (
        "UNet2DModel",
        lambda: diffusers.UNet2DModel(
            16,
            3,
            3,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
        ),
        lambda: {"example_input": {"sample": z(1, 3, 16, 16), "timestep": torch.tensor(1)}},
    ),
    (
        "UNet2DModelPlain",
        lambda: diffusers.UNet2DModel(
            32,
            3,
            3,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            add_attention=False,
            layers_per_block=1,
        ),
        lambda: {"example_input": {"sample": z(1, 3, 32, 32), "timestep": torch.tensor(1)}},
    ),
    (
        "UNet2DModelSkip",
        lambda: diffusers.UNet2DModel(
            32,
            3,
            3,
            block_out_channels=(32, 32),
            norm_num_groups=4,
            down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
            up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"),
            attention_head_dim=4,
        ),
        lambda: {"example_input": {"sample": z(1, 3, 32, 32), "timestep": torch.tensor(1)}},
    ),
    (
        "UNet2DModelResnet",
        lambda: diffusers.UNet2DModel(
            32,
            3,
            3,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("ResnetDownsampleBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "ResnetUpsampleBlock2D"),
            attention_head_dim=4,
        ),
        lambda: {"example_input": {"sample": z(1, 3, 32, 32), "timestep": torch.tensor(1)}},
    ),
    (
        "UNet2DCondition",
        lambda: diffusers.UNet2DConditionModel(
            16,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        un(),
    ),
    (
        "UNet2DConditionSimple",
        lambda: diffusers.UNet2DConditionModel(
            16,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            down_block_types=("SimpleCrossAttnDownBlock2D", "ResnetDownsampleBlock2D"),
            up_block_types=("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"),
        ),
        un(),
    ),
    (
        "UNet3DCondition",
        lambda: diffusers.UNet3DConditionModel(
            16,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        ),
        lambda: {
            "example_input": {
                "sample": z(1, 4, 4, 16, 16),
                "timestep": torch.tensor(1),
                "encoder_hidden_states": words(1, 5, 16),
            }
        },
    ),
    (
        "UNetMotion",
        lambda: diffusers.UNetMotionModel(
            16,
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            num_attention_heads=2,
            motion_num_attention_heads=2,
            down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
            up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
        ),
        lambda: {
            "example_input": {
                "sample": z(1, 4, 4, 16, 16),
                "timestep": torch.tensor(1),
                "encoder_hidden_states": words(4, 5, 16),
            }
        },
    ),
    (
        "UNetSpatioTemporal",
        lambda: diffusers.UNetSpatioTemporalConditionModel(
            sample_size=16,
            in_channels=4,
            block_out_channels=(32, 64),
            layers_per_block=1,
            cross_attention_dim=16,
            num_attention_heads=(2, 4),
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=24,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        ),
        lambda: {
            "example_input": {
                "sample": z(1, 2, 4, 16, 16),
                "timestep": torch.tensor(1),
                "encoder_hidden_states": words(1, 5, 16),
                "added_time_ids": z(1, 3),
            }
        },
    ),
    (
        "UNet1D",
        lambda: diffusers.UNet1DModel(sample_size=256, extra_in_channels=16, time_embedding_dim=16),
        lambda: {"example_input": {"sample": z(1, 2, 256), "timestep": torch.tensor([1])}},
    ),
    (
        "UVit2D",
        lambda: diffusers.UVit2DModel(
            hidden_size=32,
            use_bias=False,
            hidden_dropout=0,
            cond_embed_dim=16,
            micro_cond_encode_dim=4,
            micro_cond_embed_dim=20,
            encoder_hidden_size=16,
            vocab_size=10,
            codebook_size=8,
            in_channels=16,
            block_out_channels=16,
            num_res_blocks=1,
            block_num_heads=2,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            sample_size=8,
        ),
        lambda: {
            "example_input": {
                "input_ids": torch.zeros(1, 8, 8, dtype=torch.long),
                "encoder_hidden_states": words(1, 5, 16),
                "pooled_text_emb": z(1, 16),
                "micro_conds": z(1, 5),
            }
        },
    ),
    (
        "ControlNet",
        lambda: diffusers.ControlNetModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            conditioning_embedding_out_channels=(8, 8),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        ),
        lambda: {
            "example_input": {
                "sample": z(1, 4, 16, 16),
                "timestep": torch.tensor(1),
                "encoder_hidden_states": words(1, 5, 16),
                "controlnet_cond": z(1, 3, 32, 32),
            },
            "image": "sample",
        },
    ),
    ("T2IAdapter", lambda: diffusers.T2IAdapter(channels=[8, 8, 16, 16], num_res_blocks=1), (1, 3, 64, 64)),
    (
        "T2IAdapterXL",
        lambda: diffusers.T2IAdapter(
            channels=[8, 8, 16, 16], num_res_blocks=1, adapter_type="full_adapter_xl", downscale_factor=16
        ),
        (1, 3, 64, 64),
    ),
    (
        "DiT",
        lambda: diffusers.DiTTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            num_layers=2,
            sample_size=8,
            patch_size=2,
            num_embeds_ada_norm=10,
            norm_num_groups=4,
        ),
        lambda: {
            "example_input": {
                "hidden_states": z(1, 4, 8, 8),
                "timestep": torch.tensor([1]),
                "class_labels": torch.tensor([1]),
            }
        },
    ),
    (
        "PixArt",
        lambda: diffusers.PixArtTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            out_channels=8,
            num_layers=2,
            sample_size=8,
            patch_size=2,
            cross_attention_dim=16,
            caption_channels=8,
            use_additional_conditions=False,
        ),
        lambda: {
            "example_input": {
                "hidden_states": z(1, 4, 8, 8),
                "timestep": torch.tensor([1]),
                "encoder_hidden_states": words(1, 5, 8),
            }
        },
    ),
    (
        "SD3",
        lambda: diffusers.SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=16,
            caption_projection_dim=16,
            pooled_projection_dim=8,
            out_channels=4,
        ),
        lambda: {
            "example_input": {
                "hidden_states": z(1, 4, 8, 8),
                "timestep": torch.tensor([1]),
                "encoder_hidden_states": words(1, 5, 16),
                "pooled_projections": z(1, 8),
            }
        },
    ),
    (
        "UNetCascade",
        lambda: diffusers.models.unets.StableCascadeUNet(
            in_channels=4,
            out_channels=4,
            timestep_ratio_embedding_dim=8,
            patch_size=1,
            conditioning_dim=16,
            block_out_channels=(16, 16),
            num_attention_heads=(2, 2),
            down_num_layers_per_block=(1, 1),
            up_num_layers_per_block=(1, 1),
            down_blocks_repeat_mappers=(1, 1),
            up_blocks_repeat_mappers=(1, 1),
            block_types_per_layer=(("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),) * 2,
            clip_text_pooled_in_channels=16,
        ),
        lambda: {"example_input": {"sample": z(1, 4, 8, 8), "timestep_ratio": z(1), "clip_text_pooled": z(1, 1, 16)}},
    ),
]


def subjects() -> Iterator[Subject]:
    """All of the list."""
    for name, make, given in (*AUTOENCODERS, *UNETS):
        family = "autoencoder" if "Auto" in name or "VAE" in name or "VQ" in name else "unet"
        yield Subject(f"diffusers:{name}", family, partial(_made, make, given))


def _made(make: Any, given: Any) -> Made:
    module = make().eval()
    if isinstance(given, tuple):
        return Made(module, given)
    with torch.device("cpu"):
        options = given()
    inputs = options["example_input"]
    image = options.get("image") or next(iter(inputs))
    return Made(module, tuple(inputs[image].shape), inputs=lambda: inputs, image=image)
