"""A trained model on a Raspberry Pi: a folder with the model, programs that ask it, and a guide.

    from tinytorch.opt.deploy import DIGIT_ON_PAPER, bundle
    bundle(model, "my-digits", example=x, labels="0123456789", preprocess=DIGIT_ON_PAPER)

`bundle` needs the package onnx: python -m pip install "tinytorch-opt[onnx]". What runs on the
Pi stands in `scripts/`, and imports no TinyTorch.
"""

from tinytorch.opt.deploy.bundles import DIGIT_ON_PAPER, Bundle, bundle
from tinytorch.opt.deploy.estimating import BOARDS, Board, Estimate, estimate

__all__ = ["BOARDS", "DIGIT_ON_PAPER", "Board", "Bundle", "Estimate", "bundle", "estimate"]
