"""Autoencoders of diffusers, of few channels."""

from __future__ import annotations

from typing import Any

import diffusers
import torch

B2 = ("DownEncoderBlock2D", "DownEncoderBlock2D")
U2 = ("UpDecoderBlock2D", "UpDecoderBlock2D")
z = torch.zeros

AUTOENCODERS: list[tuple[str, Any, Any]] = [
    (
        "AutoencoderKL",
        lambda: diffusers.AutoencoderKL(
            down_block_types=B2, up_block_types=U2, block_out_channels=(8, 16), norm_num_groups=4
        ),
        (1, 3, 32, 32),
    ),
    ("AutoencoderTiny", lambda: diffusers.AutoencoderTiny(), (1, 3, 64, 64)),
    (
        "AsymmetricAutoencoderKL",
        lambda: diffusers.AsymmetricAutoencoderKL(
            norm_num_groups=4,
            down_block_types=B2,
            down_block_out_channels=(8, 16),
            up_block_types=U2,
            up_block_out_channels=(8, 16),
        ),
        (1, 3, 32, 32),
    ),
    (
        "VQModel",
        lambda: diffusers.VQModel(
            down_block_types=B2, up_block_types=U2, block_out_channels=(8, 16), norm_num_groups=4
        ),
        (1, 3, 32, 32),
    ),
    (
        "AutoencoderDC",
        lambda: diffusers.AutoencoderDC(
            encoder_block_out_channels=(32,) * 6,
            decoder_block_out_channels=(32,) * 6,
            encoder_layers_per_block=(1,) * 6,
            decoder_layers_per_block=(1,) * 6,
            attention_head_dim=8,
        ),
        (1, 3, 64, 64),
    ),
    (
        "AutoencoderKLTemporalDecoder",
        lambda: diffusers.AutoencoderKLTemporalDecoder(down_block_types=B2, block_out_channels=(32, 32)),
        lambda: {"example_input": {"sample": z(2, 3, 32, 32), "num_frames": 2}},
    ),
    (
        "AutoencoderKLCogVideoX",
        lambda: diffusers.AutoencoderKLCogVideoX(
            block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=2
        ),
        (1, 3, 5, 32, 32),
    ),
    (
        "AutoencoderKLMochi",
        lambda: diffusers.AutoencoderKLMochi(
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
        ),
        (1, 3, 7, 32, 32),
    ),
    (
        "AutoencoderKLLTXVideo",
        lambda: diffusers.AutoencoderKLLTXVideo(
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        (1, 3, 9, 64, 64),
    ),
    (
        "AutoencoderKLHunyuanVideo",
        lambda: diffusers.AutoencoderKLHunyuanVideo(
            block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
        ),
        (1, 3, 9, 32, 32),
    ),
    (
        "AutoencoderKLWan",
        lambda: diffusers.AutoencoderKLWan(base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        (1, 3, 5, 32, 32),
    ),
    (
        "AutoencoderKLMagvit",
        lambda: diffusers.AutoencoderKLMagvit(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4),
        (1, 3, 9, 32, 32),
    ),
    (
        "AutoencoderKLQwenImage",
        lambda: diffusers.AutoencoderKLQwenImage(base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        (1, 3, 1, 32, 32),
    ),
    (
        "AutoencoderKLCosmos",
        lambda: diffusers.AutoencoderKLCosmos(
            encoder_block_out_channels=(8, 8, 8, 8), decode_block_out_channels=(8, 8, 8, 8), num_layers=1, resolution=64
        ),
        (1, 3, 9, 32, 32),
    ),
    (
        "AutoencoderOobleck",
        lambda: diffusers.AutoencoderOobleck(
            encoder_hidden_size=8,
            decoder_channels=8,
            decoder_input_channels=4,
            audio_channels=2,
            downsampling_ratios=[2, 4],
            channel_multiples=[1, 2],
        ),
        (1, 2, 512),
    ),
    (
        "ConsistencyDecoderVAE",
        lambda: diffusers.ConsistencyDecoderVAE(
            encoder_block_out_channels=(8, 8, 8, 8),
            encoder_norm_num_groups=4,
            decoder_block_out_channels=(32, 32, 32, 32),
            decoder_layers_per_block=1,
        ),
        (1, 3, 64, 64),
    ),
]
