"""The build backend of the repository's root: says what to install instead.

`pip install -e .` is what readers type first. The packages are under packages/, so every hook that
pip may call ends with the line to type. Left out: building anything.
"""

import sys
from typing import NoReturn

MESSAGE = """
The root of TinyTorch is not a package: the packages are under packages/. To use the framework, type
    python -m pip install ./packages/tinytorch-core
and to work on it,
    python -m pip install -e ./packages/tinytorch-core
"""


def refuse(*_arguments: object, **_options: object) -> NoReturn:
    sys.exit(MESSAGE)


get_requires_for_build_editable = get_requires_for_build_wheel = refuse
get_requires_for_build_sdist = refuse
build_editable = build_wheel = build_sdist = refuse
