"""The mutants of one source file: the same program with one small fault in it.

A mutant negates or widens a comparison, swaps an operator, drops an operand, a keyword or a
statement, takes one side of a condition, changes a constant. What explains rather than computes
stays as it is: docstrings, messages, type hints, f-strings. mutmut leaves decorated functions
alone, which are most of ours, and Cosmic Ray knows no type hints and drops no statements; hence
this file, on the standard `ast`.

Left out: running anything (`run.py`), and choosing tests (`covering.py`).
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

SWAPS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "*"),
    ast.BitAnd: ("&", "|"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
}
BOUNDARIES = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
NAMES |= {"minimum": "maximum", "maximum": "minimum"}
KEPT_DECORATORS = {"property", "setter", "staticmethod", "classmethod", "wraps", "contextmanager"}


@dataclass(frozen=True)
class Mutant:
    """One changed program.

    where   qualified name of the definition that was changed, or "module"
    before  the changed lines of the file, without indentation
    after   what stands there instead
    lines   numbers of lines of which a test that can tell the difference runs at least one
    source  the whole changed file
    """

    where: str
    before: str
    after: str
    lines: frozenset[int]
    source: str

    def __str__(self) -> str:
        lost = "\n".join(f"    - {line}" for line in self.before.splitlines())
        came = "\n".join(f"    + {line}" for line in self.after.splitlines())
        return f"  {self.where}, line {min(self.lines)}\n{lost}\n{came}"


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a file, once each."""
    found: dict[str, Mutant] = {}
    tree = ast.parse(source)
    original = ast.dump(tree)
    for where, lines, start, end, text in _Finder(source).changes(tree):
        raw = source.encode()
        changed = (raw[:start] + text.encode() + raw[end:]).decode()
        if changed in found or ast.dump(ast.parse(changed)) == original:
            continue
        before, after = _difference(source, changed)
        found[changed] = Mutant(where, before, after, frozenset(lines), changed)
    return list(found.values())


def _difference(old: str, new: str) -> tuple[str, str]:
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    sides = ("\n".join(x[2:].strip() for x in lines if x.startswith(mark)) for mark in "-+")
    before, after = sides
    return before, after


Change = tuple[int, int, str]  # bytes start to end become this text


class _Finder:
    def __init__(self, source: str) -> None:
        self.raw = source.encode()
        self.starts = [0]
        for line in self.raw.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def changes(self, tree: ast.Module) -> Iterator[tuple[str, range, int, int, str]]:
        """Walk through the statements with the names of the definitions around them."""
        yield from self._block(tree.body, ())

    def _block(
        self, body: list[ast.stmt], names: tuple[str, ...]
    ) -> Iterator[tuple[str, range, int, int, str]]:
        for statement in body:
            if _explains(statement):
                continue
            inner = names
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                inner = (*names, statement.name)
            where = ".".join(inner) or "module"
            first = statement.lineno
            for start, end, text in self._statement(statement):
                last = self.raw.count(b"\n", 0, max(end - 1, start)) + 1
                yield where, range(min(first, last), max(first, last) + 1), start, end, text
            for _, nested in ast.iter_fields(statement):
                if not (isinstance(nested, list) and nested):
                    continue
                if isinstance(nested[0], ast.stmt):
                    yield from self._block(nested, inner)
                elif isinstance(nested[0], ast.ExceptHandler):
                    for handler in nested:
                        yield from self._block(handler.body, inner)

    # Places
    def _at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.end_lineno or 0, node.end_col_offset or 0)

    def _put(self, node: ast.expr | ast.stmt, text: str) -> Change:
        return self._start(node), self._end(node), text

    def _become(self, node: ast.expr, other: ast.expr) -> Change:
        return self._put(node, f"({ast.unparse(other)})")

    def _swap(self, left: ast.expr, kind: ast.AST, right: ast.expr) -> Iterator[Change]:
        if type(kind) in SWAPS:
            old, new = SWAPS[type(kind)]
            gap = self.raw[self._end(left) : self._start(right)]
            at = self._end(left) + gap.index(old.encode())
            yield at, at + len(old), new

    # Statements
    def _statement(self, node: ast.stmt) -> Iterator[Change]:
        gone = self._put(node, "pass")
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                for decorator in node.decorator_list:
                    if not KEPT_DECORATORS & _words(decorator):
                        yield self._start(decorator) - 1, self._end(decorator), ""
                    yield from self._expression(decorator)
                if isinstance(node, ast.FunctionDef):
                    yield from self._defaults(node.args)
            case ast.Raise() | ast.Delete() | ast.Break() | ast.Continue():
                yield gone
            case ast.Expr():
                yield gone
                yield from self._expression(node.value)
            case ast.Return(value=ast.expr() as value):
                if not (isinstance(value, ast.Constant) and value.value is None):
                    yield self._put(node, "return None")
                yield from self._expression(value)
            case ast.Assign(targets=targets, value=value):
                stored = {name for target in targets for name in _names(target)}
                if _places(targets) or stored & _names(value):
                    yield gone
                for target in targets:
                    yield from self._expression(target)
                yield from self._expression(value)
            case ast.AugAssign():
                yield gone
                yield from self._swap(node.target, node.op, node.value)
                yield from self._expression(node.value)
            case ast.AnnAssign(value=ast.expr() as value):
                yield from self._expression(value)
            case ast.If(test=test):
                yield from self._condition(test)
            case ast.While(test=test):
                yield self._put(test, "False")
                yield from self._expression(test)
            case ast.For(iter=over):
                yield self._put(over, "()")
                yield from self._expression(over)
            case ast.With(items=items):
                if all(item.optional_vars is None for item in items):
                    end = self.raw.index(b":", self._end(items[-1].context_expr))
                    yield self._start(node), end, "if True"
                for item in items:
                    yield from self._expression(item.context_expr)

    def _defaults(self, arguments: ast.arguments) -> Iterator[Change]:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                yield from self._expression(default)

    def _condition(self, test: ast.expr) -> Iterator[Change]:
        yield self._put(test, "True")
        yield self._put(test, "False")
        yield from self._expression(test, decides=True)

    # Expressions
    def _expression(self, node: ast.expr, *, decides: bool = False) -> Iterator[Change]:
        """Changes in an expression; `decides`: True and False in its place are tried already."""
        match node:
            case ast.JoinedStr():
                return
            case ast.Call(func=func) if _message(func):
                return
            case ast.Constant(value=value):
                yield from self._constant(node, value)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in NAMES:
                yield self._end(node) - len(name), self._end(node), NAMES[name]
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                if not decides:
                    yield self._become(node, operand)
                if isinstance(node.op, ast.USub) and isinstance(operand, ast.Constant):
                    return
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                yield self._become(node, left)
                yield self._become(node, right)
            case ast.BinOp(left=left, op=kind, right=right):
                yield from self._swap(left, kind, right)
            case ast.BoolOp(op=kind, values=values):
                yield from self._swap(values[0], kind, values[1])
                for i in range(len(values)):
                    rest = [*values[:i], *values[i + 1 :]]
                    kept = rest[0] if len(rest) == 1 else ast.BoolOp(kind, rest)
                    yield self._become(node, kept)
            case ast.Compare(
                ops=[ast.In() | ast.NotIn()], comparators=[ast.Constant(value=str(of))]
            ):
                if not decides:
                    yield from self._swap(node.left, node.ops[0], node.comparators[0])
                for i in range(len(of)):
                    yield self._put(node.comparators[0], repr(of[:i] + of[i + 1 :]))
                yield from self._expression(node.left)
                return
            case ast.Compare(left=left, ops=kinds, comparators=others):
                for a, kind, b in zip([left, *others], kinds, others, strict=False):
                    if isinstance(kind, BOUNDARIES) or not decides:
                        yield from self._swap(a, kind, b)
                    if isinstance(kind, BOUNDARIES) and not decides and len(kinds) == 1:
                        yield self._become(node, ast.UnaryOp(ast.Not(), node))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield self._become(node, body)
                yield self._become(node, orelse)
                yield from self._expression(test, decides=True)
                yield from self._expression(body)
                yield from self._expression(orelse)
                return
            case ast.Call(func=func, args=args, keywords=keywords):
                for i, keyword in enumerate(keywords):
                    if keyword.arg is not None and not _guards(keyword):
                        rest = [*keywords[:i], *keywords[i + 1 :]]
                        yield self._become(node, ast.Call(func, args, rest))
            case ast.Slice(lower=lower, upper=upper):
                for bound in (lower, upper):
                    if bound is not None:
                        yield self._put(bound, "")
        for child in ast.iter_child_nodes(node):
            yield from self._inside(child)

    def _inside(self, child: ast.AST) -> Iterator[Change]:
        if isinstance(child, ast.expr):
            yield from self._expression(child)
        elif isinstance(child, ast.keyword) and not _guards(child):
            yield from self._expression(child.value)
        elif isinstance(child, ast.arguments):  # of a lambda
            yield from self._defaults(child)
        elif isinstance(child, ast.comprehension):
            yield from self._expression(child.iter)
            for test in child.ifs:
                yield from self._condition(test)

    def _constant(self, node: ast.Constant, value: object) -> Iterator[Change]:
        match value:
            case bool():
                yield self._put(node, str(not value))
            case int():
                yield self._put(node, str(value + 1))
                if value == 1:
                    yield self._put(node, "0")
            case float():
                yield self._put(node, str(value * 2 or 1.0))
            case str():
                yield self._put(node, repr("XX" + value))


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _words(node: ast.AST) -> set[str]:
    return _names(node) | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def _places(targets: list[ast.expr]) -> bool:
    return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)


def _guards(keyword: ast.keyword) -> bool:
    """Whether this is `strict=True`, which tells of faults elsewhere and changes nothing here."""
    value = keyword.value
    return keyword.arg == "strict" and isinstance(value, ast.Constant) and value.value is True


def _message(func: ast.expr) -> bool:
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return name.endswith(("Error", "Warning")) or name in {"warn", "cast", "TypeVar"}


def _explains(statement: ast.stmt) -> bool:
    """Whether a statement computes nothing: docstrings, imports, declarations for type checkers."""
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.FunctionDef(decorator_list=decorators):
            return any("overload" in _words(d) for d in decorators)
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Callable"))):  # a type's name
            return True
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.Assert)
