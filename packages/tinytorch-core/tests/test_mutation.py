"""Whether tests notice every small fault in a module, and checks every small fault in an answer.

One module alone: `-k "mutant and tensor"`, or `python tests/mutation/run.py tensor`, which shows
survivors as it finds them; one lesson: `python tests/mutation/lessons.py 01_tensor`.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tinytorch.core

HERE = Path(__file__).parent / "mutation"
LESSONS = [p.stem for p in sorted(Path(tinytorch.core.__path__[0], "lessons").glob("*.md"))]
MODULES = tomllib.loads((HERE / "modules.toml").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants run in forked processes")
@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_of_a_module_is_noticed_by_its_tests(module):
    pytest.importorskip("coverage", reason="coverage chooses the tests for each mutant")
    command = [sys.executable, str(HERE / "run.py"), module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants run in forked processes")
@pytest.mark.parametrize("lesson", LESSONS)
def test_every_mutant_of_an_answer_is_noticed_by_the_checks_of_its_lesson(lesson):
    command = [sys.executable, str(HERE / "lessons.py"), lesson]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_explanation_of_a_mutant_that_checks_let_pass_has_a_reason_and_a_lesson():
    for lesson, rows in tomllib.loads((HERE / "equivalent_checks.toml").read_text("utf-8")).items():
        assert lesson in LESSONS
        for row in rows:
            assert len(row["reason"]) > 10
            assert row["before"] != row["after"]


def test_an_explanation_of_an_equivalent_mutant_has_a_reason_and_a_module():
    for module, rows in tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).items():
        assert module in MODULES
        for row in rows:
            assert len(row["reason"]) > 10
            assert row["before"] != row["after"]
