"""Every operation of arch: what core asks of its operations, asked of the cases of this tier.

The questions are core's own test files, which read their cases from `operation_cases.py`, and the
one here is found first. So there is one helper and one set of questions, and nothing is copied.
"""

import pytest

pytest.register_assert_rewrite(
    "operation_helper", "test_operations", "test_operations_kernels", "test_operations_oracle"
)

from test_operations import *  # noqa: E402, F403
from test_operations_kernels import *  # noqa: E402, F403
from test_operations_oracle import *  # noqa: E402, F403
