"""Lessons are written from top to bottom: no check of an exercise needs one that comes later."""

import sys

import pytest
from test_lessons import LESSONS, failing, source_of

from tinytorch.course.lesson import read
from tinytorch.course.source import without_bodies

pytestmark = pytest.mark.once


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("stem", LESSONS)
def test_an_exercise_passes_before_those_below_it_are_written(stem: str) -> None:
    lesson = read(LESSONS[stem])
    source, exercises = source_of(lesson), lesson.exercises
    versions = {}
    for i, exercise in enumerate(exercises):
        later = tuple(name for below in exercises[i + 1 :] for name in below.names)
        versions[exercise.id] = [without_bodies(source, later, lesson.number), exercise.id]
    assert {name: checks for name, checks in failing(stem, versions).items() if checks} == {}
