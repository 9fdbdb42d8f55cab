"""Milestones run NumPy's BLAS on one thread, unless the environment asks for more."""

import os
import subprocess
import sys

import pytest

from tinytorch.tito.threads import VARIABLES

PROGRAM = """
import os
from tinytorch.tito.threads import one_thread
one_thread()
print(os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [
        ("", {}, "1 1"),
        ("", {"OMP_NUM_THREADS": "2"}, "None 2"),
        ("", {"MKL_NUM_THREADS": "2"}, "None None"),
        ("import numpy\n", {}, "None None"),
    ],
)
def test_one_thread_is_asked_for_only_where_nobody_chose(before, given, expected):
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", before + PROGRAM],
        env=kept | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_a_milestone_asks_before_numpy_is_imported():
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    program = """
import os
from tinytorch.tito import main
main(["milestone", "run", "1958", "--recipe", "quick", "--json"])
print("threads", os.environ.get("OPENBLAS_NUM_THREADS"))
"""
    done = subprocess.run([sys.executable, "-c", program], env=kept, capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("threads 1"), done.stdout + done.stderr
