"""A vision transformer: an image cut into patches is a sequence, and `TransformerBlock` reads it.

Nothing in the block knows of images. Left out: the class token of the paper; the mean over all
patches serves as well (Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022).
"""

from __future__ import annotations

import numpy as np

from tinytorch.arch.embeddings import Embedding
from tinytorch.arch.transformers import LayerNorm, TransformerBlock
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Module
from tinytorch.core.tensor import Tensor


class VisionTransformer(Module):
    """From images to logits of classes.

    image      height and width of an image, in pixels
    patch      height and width of a patch, which must divide them
    channels   of a pixel
    classes    how many there are
    d_model, n_heads, n_layers, dropout, rng  as in `Transformer`

    Dosovitskiy et al., "An image is worth 16x16 words", 2021. Raises ValueError where patches do
    not fill the image.
    """

    def __init__(
        self,
        image: int = 28,
        patch: int = 7,
        channels: int = 1,
        classes: int = 10,
        d_model: int = 64,
        n_heads: int = 4,
        n_layers: int = 3,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        if patch < 1 or image % patch:
            raise ValueError(
                f"VisionTransformer: patches of {patch} pixels do not fill an image of {image}: "
                "choose a patch size that divides it"
            )
        self.size = (channels, image, image)
        self.patch = patch
        self.embed = Linear(channels * patch * patch, d_model, rng=rng)
        self.positions = Embedding((image // patch) ** 2, d_model, rng=rng)
        self.positions.weight.data *= 0.02  # places begin nearly alike, and small beside patches
        self.blocks = [
            TransformerBlock(d_model, n_heads, dropout=dropout, rng=rng) for _ in range(n_layers)
        ]
        self.norm = LayerNorm(d_model)
        self.head = Linear(d_model, classes, rng=rng)

    def forward(self, images: Tensor) -> Tensor:
        """images (B, channels, height, width) -> logits (B, classes). Raises ShapeError."""
        h = self.embed(self.patches(images)) + self.positions.weight
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h).mean(axis=1))  # (B, patches, d_model) -> (B, d_model)

    def patches(self, images: Tensor) -> Tensor:
        """Cut images into patches, row by row: (B, patches, channels * patch * patch)."""
        if images.shape[1:] != self.size:
            raise ShapeError(
                f"VisionTransformer: images are (batch, {', '.join(map(str, self.size))}), "
                f"not {images.shape}"
            )
        channels, height, width = self.size
        p = self.patch
        grid = images.reshape(-1, channels, height // p, p, width // p, p)
        # (B, channels, rows, p, columns, p) -> (B, rows, columns, channels, p, p)
        return grid.permute(0, 2, 4, 1, 3, 5).reshape(
            len(images), (height // p) * (width // p), channels * p * p
        )
