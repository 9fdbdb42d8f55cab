"""`python -m tinytorch` is `tito`, for shells whose PATH does not have it."""

import sys

from tinytorch.tito import main

if __name__ == "__main__":
    sys.argv[0] = "tito"  # so that usage lines name the command people know
    sys.exit(main())
