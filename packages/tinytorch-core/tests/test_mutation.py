"""Whether the tests notice every small fault in the modules that `mutation/modules.toml` names.

One module alone: `-k "mutant and tensor"`, or `python tests/mutation/run.py tensor`, which shows
survivors as it finds them.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "mutation"
MODULES = tomllib.loads((HERE / "modules.toml").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants run in forked processes")
@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_of_a_module_is_noticed_by_its_tests(module):
    pytest.importorskip("coverage", reason="coverage chooses the tests for each mutant")
    command = [sys.executable, str(HERE / "run.py"), module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_explanation_of_an_equivalent_mutant_has_a_reason_and_a_module():
    for module, rows in tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).items():
        assert module in MODULES
        for row in rows:
            assert len(row["reason"]) > 10
            assert row["before"] != row["after"]
