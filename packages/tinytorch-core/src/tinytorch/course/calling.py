"""What a check was calling when an answer raised: the sentence that `same` would have begun with.

`same(f(x), 4, call="f(2)")` says its call only once f has returned. Where f raises, the call is
found in the source of the check: the `call=` that the line belongs to, or else the call itself with
the values of its operands. Left out: the student's own line (`explaining.py`).
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

MOST = 60  # characters of an operand's value


def call_of(error: BaseException, checks: str) -> str:
    """Return what a check in the file `checks` called when `error` came, "" where none did."""
    steps = [step for step in _steps(error) if step.tb_frame.f_code.co_filename == checks]
    for step in reversed(steps):
        said = _said(step, checks)
        if said:
            return said
    return _shown(steps[-1], checks) if steps else ""


def _steps(error: BaseException) -> Iterator[TracebackType]:
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


@functools.lru_cache(maxsize=2)
def _tree(checks: str) -> ast.Module:
    linecache.checkcache(checks)
    return ast.parse(Path(checks).read_text("utf-8"))


def _said(step: TracebackType, checks: str) -> str:
    """The `call=` of the statement that ran, or of the comparison of what it assigns."""
    line, code = step.tb_lineno, step.tb_frame.f_code
    functions = [n for n in ast.walk(_tree(checks)) if isinstance(n, ast.FunctionDef)]
    inside = [f for f in functions if f.name == code.co_name and _covers(f, line)]
    if not inside:
        return ""
    statements = [n for n in ast.walk(inside[-1]) if isinstance(n, ast.stmt) and _covers(n, line)]
    for statement in reversed(statements):  # from the innermost, outwards
        heads: list[ast.AST] = []
        if isinstance(statement, ast.Expr | ast.Assert):
            heads = [statement]
        elif isinstance(statement, ast.With):
            heads = [item.context_expr for item in statement.items]
        elif isinstance(statement, ast.Assign):
            heads = _uses(inside[-1], statement)
        for head in heads:
            for call in (n for n in ast.walk(head) if isinstance(n, ast.Call)):
                said = next((k.value for k in call.keywords if k.arg == "call"), None)
                if said is not None and (text := _evaluated(said, step.tb_frame)):
                    return text
    return ""


def _uses(function: ast.FunctionDef, statement: ast.Assign) -> list[ast.AST]:
    """The statements below that compare what `statement` assigns, until it is assigned again."""
    names = {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    found: list[ast.AST] = []
    below = [n for n in ast.walk(function) if isinstance(n, ast.Assign | ast.Expr)]
    for later in sorted((n for n in below if n.lineno > statement.lineno), key=lambda n: n.lineno):
        used = [n for n in ast.walk(later) if isinstance(n, ast.Name) and n.id in names]
        if any(isinstance(n.ctx, ast.Store) for n in used):
            break
        if used and isinstance(later, ast.Expr):
            found.append(later)
    return found


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _evaluated(said: ast.expr, frame: FrameType) -> str:
    """The text of a `call=`, which may be put together from what the check knows by then."""
    try:
        code = compile(ast.Expression(said), "<call>", "eval")
        text = eval(code, frame.f_globals, dict(frame.f_locals))
    except Exception:  # it names what the line that raised would have given
        return ""
    return text if isinstance(text, str) else ""


def _shown(step: TracebackType, checks: str) -> str:
    """The call that raised as it stands in the check, and its operands that have names."""
    line = step.tb_lineno
    calls = [n for n in ast.walk(_tree(checks)) if isinstance(n, ast.Call) and n.lineno == line]
    position = list(step.tb_frame.f_code.co_positions())[step.tb_lasti // 2]
    here = [
        n for n in calls if (n.lineno, n.end_lineno, n.col_offset, n.end_col_offset) == position
    ]
    if not here:
        return linecache.getline(checks, line).strip()
    known = step.tb_frame.f_locals
    operands = [a for a in here[0].args if isinstance(a, ast.Name) and a.id in known]
    given = [f"{a.id} = {_value(known[a.id])}" for a in operands]
    return ast.unparse(here[0]) + (f"  with {', '.join(given)}" if given else "")


def _value(value: Any) -> str:
    shape = getattr(value, "shape", None)
    text = " ".join(repr(value).split())
    if len(text) <= MOST:
        return text
    return f"{type(value).__name__} {shape}" if shape is not None else f"{text[:MOST]}..."
