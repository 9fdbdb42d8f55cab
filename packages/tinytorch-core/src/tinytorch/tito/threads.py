"""How many threads the BLAS under NumPy uses while a milestone runs: one, unless you say otherwise.

The matrices of core's milestones are small. A second thread wins a little on a quiet machine; on a
busy one the threads wait for each other in a loop, and seconds become minutes.
"""

import os
import sys

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def one_thread() -> None:
    """Ask for one thread, unless the environment has asked already, or NumPy is running."""
    if "numpy" not in sys.modules and not any(name in os.environ for name in VARIABLES):
        os.environ.update(dict.fromkeys(VARIABLES, "1"))
