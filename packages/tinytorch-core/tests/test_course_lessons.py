"""Lessons are parsed, and source is cut at its definitions, or the file and line are named."""

import textwrap
from pathlib import Path

import pytest

from tinytorch.course.lesson import LessonError, parse
from tinytorch.course.source import DriftError, replace, text_of, top_level, without_bodies

FRONT = """\
+++
number = "06"
title = "Autograd"
module = "tinytorch.core.autograd"
reading_minutes = 30
coding_minutes = 120
prerequisites = ["01"]
capability = "Can I?"
chapter = "Training"
+++
"""

BODY = """\
## Why

Because.

## Build

```{given} helper
```

```{exercise} first second
points: 3
hint: think
hint: think
  harder
```

## Concept: more

```python
print("shown")
```

```text
only shown
```

## Build: the rest

```{exercise} third
needs: first, second
hint: last
```

## Quiz

```{quiz}
Which?

- [ ] this
- [x] that
why: because
```
"""


def lesson(body=BODY, front=FRONT):
    return parse(front + body, Path("06_autograd.md"))


def test_a_lesson_is_prose_demonstrations_and_directives_in_order():
    kinds = [part.kind for part in lesson().parts]
    assert kinds == [
        *("prose", "given", "exercise", "prose", "python", "prose", "exercise", "prose", "quiz"),
    ]
    assert lesson().parts[4].body == 'print("shown")'
    assert "only shown" in lesson().parts[5].body


def test_an_exercise_has_names_points_needs_and_hints():
    first, third = lesson().exercises
    assert (first.id, first.names, first.points) == ("first", ("first", "second"), 3)
    assert first.hints == ("think", "think\nharder")
    assert third.needs == ("first", "second")
    assert third.points == 1
    assert lesson().exercise("second") is not None
    assert lesson().definitions == ("helper", "first", "second", "third")


def test_front_matter_is_read():
    assert (lesson().number, lesson().title) == ("06", "Autograd")
    assert lesson().module == "tinytorch.core.autograd"


def test_a_quiz_keeps_its_options_and_its_reason():
    quiz = lesson().parts[-1]
    assert quiz.body.splitlines()[-1] == "- [x] that"
    assert quiz.option("why") == "because"


@pytest.mark.parametrize(
    ("front", "body", "said"),
    [
        ("", BODY, r":1: a lesson begins with TOML"),
        (FRONT.replace('"06"', "6"), BODY, r":1: front matter: number must be str, is 6"),
        (FRONT.replace("reading", "riding"), BODY, "reading_minutes must be int, is missing"),
        (FRONT, "```python\n1", r":11: this fence is never closed"),
        (FRONT, "```{exersise} a\n```", r":11: no directive is called 'exersise'"),
        (FRONT, "```{given}\n```", r":11: \{given\} needs a name"),
        (FRONT, "```{exercise} a\n```", r":11: a has no hint"),
        (FRONT, "## Use\n## Why\n", r":12: Why comes before Use"),
        (FRONT, "## Whatever\n", r":11: a section is one of Why, Concept"),
        (FRONT, "```{exercise} a\nneeds: b\nhint: x\n```", "a needs 'b', not an exercise above"),
        (FRONT, "```{exercise} a\nhint: x\n```\n" * 2, r":14: a stands in the lesson twice"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(front, body, said):
    with pytest.raises(LessonError, match=said):
        lesson(body, front)


def test_an_unknown_exercise_names_the_known_ones():
    with pytest.raises(LessonError, match="has no exercise 'forth'; it has first, third"):
        lesson().exercise("forth")


SOURCE = textwrap.dedent(
    '''\
    """A module."""

    import os  # stays


    # Section
    def first(x):
        """Say what.

        More.
        """
        # how it is done
        return x + 1  # the answer
        # after the answer


    # Second section
    @decorated(
        "with lines"
    )
    def second(x): # here
        y = x

        def inner():
            return y

        return inner


    class Box:
        """A class."""

        size = 1

        # About reading
        def read(self):
            return self.size

        @property
        def wide(self):
            return 1

        @wide.setter
        def wide(self, value):
            pass


    LAST = 1
    '''
)


def test_a_skeleton_keeps_everything_but_the_bodies():
    skeleton = without_bodies(SOURCE, ("first", "second", "Box.read"), "06")
    assert skeleton == textwrap.dedent(
        '''\
        """A module."""

        import os  # stays


        # Section
        def first(x):
            """Say what.

            More.
            """
            raise NotImplementedError("06 · first")


        # Second section
        @decorated(
            "with lines"
        )
        def second(x): # here
            raise NotImplementedError("06 · second")


        class Box:
            """A class."""

            size = 1

            # About reading
            def read(self):
                raise NotImplementedError("06 · Box.read")

            @property
            def wide(self):
                return 1

            @wide.setter
            def wide(self, value):
                pass


        LAST = 1
        '''
    )


def test_no_word_of_a_solution_stays():
    skeleton = without_bodies(SOURCE, ("first",), "06")
    for word in ("how it is done", "the answer", "after the answer", "x + 1"):
        assert word not in skeleton


def test_a_skeleton_of_the_last_definition_ends_in_one_newline():
    assert without_bodies("def f():\n    return 1\n", ("f",), "01").endswith('f")\n')


@pytest.mark.parametrize("module", ["tensor", "activations", "layers", "losses", "autograd"])
def test_skeletons_of_real_modules_compile_and_hold_no_body(module):
    import ast

    import tinytorch.core

    source = Path(tinytorch.core.__path__[0], f"{module}.py").read_text("utf-8")
    functions = [n for n in top_level(source) if not n[0].isupper()]
    tree = ast.parse(without_bodies(source, tuple(functions), "00"))
    bodies = {n.name: n.body for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert set(bodies) == set(functions)
    for body in bodies.values():
        assert isinstance(body[-1], ast.Raise)
        assert len(body) <= 2


def test_a_definition_is_found_and_replaced_with_its_decorators():
    assert text_of(SOURCE, "second").startswith("@decorated(")
    changed = replace(SOURCE, "second", "def second():\n    pass\n")
    assert "@decorated" not in changed
    assert "# Second section\ndef second():\n    pass\n\n\nclass Box:" in changed
    assert top_level(SOURCE) == ["first", "second", "Box"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("third", "third must be defined once in the module; it is defined nowhere"),
        ("Box.wide", "it is defined twice or more"),
        ("Box", "Box is a class; an exercise is a function or a method"),
    ],
)
def test_what_cannot_be_an_exercise_is_named(name, said):
    with pytest.raises(DriftError, match=said):
        without_bodies(SOURCE, (name,), "06")


def test_a_body_on_the_line_of_its_signature_is_refused():
    with pytest.raises(DriftError, match="on the line of its signature"):
        without_bodies("def f(): return 1\n", ("f",), "01")
