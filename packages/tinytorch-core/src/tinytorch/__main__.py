"""`python -m tinytorch` is `tito`, for shells whose PATH does not have it."""

import sys

from tinytorch.tito import main

if __name__ == "__main__":
    sys.exit(main())
