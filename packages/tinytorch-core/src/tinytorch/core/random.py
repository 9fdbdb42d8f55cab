"""Where random numbers come from: one generator by default, or one that you hand over.

Whatever draws (initialisation, dropout, shuffling) takes `rng`, a NumPy generator, and falls back
on the default one, which `manual_seed` restarts.
"""

import numpy as np

_default = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Restart the default generator from `seed`, and return it."""
    global _default
    _default = np.random.default_rng(seed)
    return _default


def default_generator() -> np.random.Generator:
    """Return the generator that is used where none is handed over."""
    return _default
