"""Whether checks notice every small fault in an answer: `python lessons.py [06_autograd]`.

The right answer to each exercise, the installed module's, is changed in one place after the other
(`mutants.py`), and the checks of that exercise run on it (`prove_checks.py`). Prints the mutants
that pass, and exits with 1 if there is one that neither `equivalent.toml` nor
`equivalent_checks.toml` explains, or an explanation in the latter without a mutant. What survives
is a missing check: write it, and a wrong answer beside it in `wrong_answers/`.

Left out: the framework's own tests against the same mutants (`run.py`), and what a skeleton keeps:
signatures, decorators, what the lesson gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE))

from mutants import Mutant, mutants  # noqa: E402

import tinytorch.core  # noqa: E402
from tinytorch.course.lesson import Lesson, read  # noqa: E402
from tinytorch.course.source import definitions  # noqa: E402

CORE = Path(tinytorch.core.__path__[0])
Key = tuple[str, str, str]  # where, before, after


def lessons() -> list[str]:
    """The lessons that there are: "01_tensor"."""
    return [path.stem for path in sorted((CORE / "lessons").glob("*.md"))]


def explanations(file: str, table: str) -> dict[Key, str]:
    """The reasons why mutants cannot be told from the right answer."""
    rows = tomllib.loads((HERE / file).read_text("utf-8")).get(table, [])
    return {
        (row["where"], row["before"].strip(), after.strip()): row["reason"]
        for row in rows
        for after in ([row["after"]] if isinstance(row["after"], str) else row["after"])
    }


def answers(lesson: Lesson, source: str) -> list[tuple[str, Mutant]]:
    """Every mutant of a body that a student writes, with its exercise."""
    owner = {name: exercise.id for exercise in lesson.exercises for name in exercise.names}
    found = []
    places = definitions(source)
    for mutant in mutants(source):
        name = ".".join(mutant.where.split(".")[:1])
        if name in owner and min(mutant.lines) > places[name][0].body:
            found.append((owner[name], mutant))
    return found


def survivors(lesson: Lesson, found: list[tuple[str, Mutant]]) -> list[Mutant]:
    """The mutants that no check of their exercise notices."""
    request = {
        "module": lesson.module,
        "checks": str(CORE / "checks" / f"check_{lesson.path.stem}.py"),
        "versions": {str(i): [m.source, exercise] for i, (exercise, m) in enumerate(found)},
    }
    done = subprocess.run(
        [sys.executable, str(HERE.parent / "prove_checks.py")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "TINYTORCH_WORKSPACE": "off", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return [found[int(i)][1] for i, failing in json.loads(done.stdout).items() if not failing]


def run(stem: str) -> bool:
    """Try the mutants of one lesson. Return whether all that survive are explained."""
    begun = time.monotonic()
    lesson = read(CORE / "lessons" / f"{stem}.md")
    module = lesson.module.rpartition(".")[2]
    found = answers(lesson, (CORE / f"{module}.py").read_text("utf-8"))
    own = explanations("equivalent_checks.toml", stem)
    explained = {**explanations("equivalent.toml", module), **own}
    keys = {(m.where, m.before, m.after) for _, m in found}
    tried = [(e, m) for e, m in found if (m.where, m.before, m.after) not in explained]
    alive = survivors(lesson, tried)
    for mutant in alive:
        print(f"{stem}: survived:\n{mutant}")
    stale = [key for key in own if key not in keys]
    for where, before, after in stale:
        print(f"{stem}: equivalent_checks.toml explains a mutant that is none: {where}")
        print(f"    - {before}\n    + {after}")
    print(
        f"{stem}: {len(found)} mutants, {len(tried) - len(alive)} noticed, "
        f"{len(found) - len(tried)} explained, {len(alive)} survived, "
        f"{(time.monotonic() - begun) / 60:.1f} minutes",
        flush=True,
    )
    return not alive and not stale


def main() -> int:
    """Try the lessons named on the command line, or all."""
    known = lessons()
    parser = argparse.ArgumentParser(description="Mutation testing of a lesson's checks.")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=", ".join(known))
    chosen = parser.parse_args().lessons
    unknown = [name for name in chosen if name not in known]
    if unknown:
        parser.error(f"there is no lesson {', '.join(unknown)}")
    good = [run(stem) for stem in chosen or known]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
