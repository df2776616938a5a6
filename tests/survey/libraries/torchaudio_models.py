"""Models of torchaudio, of waveforms and of spectrograms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torchaudio import models

from tests.survey.subjects import Made, Subject

MODELS: list[tuple[str, Any, tuple[int, ...]]] = [
    ("ConvTasNet", lambda: models.ConvTasNet(), (1, 1, 8000)),
    ("conv_tasnet_base", lambda: models.conv_tasnet_base(), (1, 1, 8000)),
    ("Wav2Letter", lambda: models.Wav2Letter(), (1, 1, 16000)),
    ("Wav2Letter(mfcc)", lambda: models.Wav2Letter(input_type="mfcc", num_features=13), (1, 13, 200)),
    ("DeepSpeech", lambda: models.DeepSpeech(64), (1, 1, 200, 64)),
    ("hdemucs_low", lambda: models.hdemucs_low(["a", "b"]), (1, 2, 44100)),
    ("hdemucs_medium", lambda: models.hdemucs_medium(["a", "b"]), (1, 2, 44100)),
    ("wav2vec2_base", lambda: models.wav2vec2_base(), (1, 16000)),
    ("wav2vec2_xlsr_300m", lambda: models.wav2vec2_xlsr_300m(), (1, 16000)),
    ("hubert_base", lambda: models.hubert_base(), (1, 16000)),
    ("wavlm_base", lambda: models.wavlm_base(), (1, 16000)),
    ("squim_objective_base", lambda: models.squim_objective_base(), (1, 16000)),
]


def subjects() -> Iterator[Subject]:
    """All of the list."""
    for name, make, shape in MODELS:
        yield Subject(f"torchaudio:{name}", name.partition("(")[0], partial(_made, make, shape))


def _made(make: Any, shape: tuple[int, ...]) -> Made:
    module = make().eval()
    return Made(module if len(shape) > 2 else _Waveform(module), shape if len(shape) > 2 else (1, 1, shape[1]))


class _Waveform(torch.nn.Module):
    """A model of waveforms without a dim for channels."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: torch.Tensor) -> Any:
        return self.model(waveform[:, 0])
