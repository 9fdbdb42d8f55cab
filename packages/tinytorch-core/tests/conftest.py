"""What holds for every test here: Ctrl-C is heard, and primitives end with the test that made them.

A shell starts programs in the background deaf to SIGINT, and all that they start inherit it. The
tests of interruption would then wait for an interrupt that never comes.
"""

import signal

import pytest

from tinytorch.core import primitive as door

signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def primitives_end_with_their_test():
    """Forget the primitives of a test: others ask of all that there are whether they have rules."""
    yield
    for name, made in door.primitives().items():
        if not made.definition.__module__.startswith("tinytorch."):
            for table in (door._PRIMITIVES, door.RULES, door.KERNELS, door._OWN_KERNELS):
                table.pop(name, None)
