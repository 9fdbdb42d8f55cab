"""Several calls that are written together: a layer's, say, whose intermediate results are its own.

    @composite("quantize_linear", "linear_int8", "dequantize_linear")
    def rounded_linear(calls: Sequence[Call]) -> str | None:
        ...

A chain is found where each of these calls reads, as its first operand, what the one before it made,
in the same layer, and nobody else does. A composite returns the name of the last result; or None,
before it has written anything, where it will not do, and then each call is written by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinytorch.opt.graph import Graph, Made, Node
from tinytorch.opt.onnx.calls import Call

Composite = Callable[[Sequence[Call]], str | None]
COMPOSITES: dict[tuple[str, ...], Composite] = {}


def composite(*names: str) -> Callable[[Composite], Composite]:
    """Say how calls of these primitives, one after the other, are written together."""

    def attach(definition: Composite) -> Composite:
        COMPOSITES[names] = definition
        return definition

    return attach


def groups(graph: Graph) -> list[tuple[int, ...]]:
    """The calls in the order in which they are written: chains together, others alone.

    A chain stands where its last call does: by then all that it reads has been written.
    """
    readers = sole_readers(graph)
    found: dict[int, tuple[int, ...]] = {}
    taken: set[int] = set()
    for node in graph.nodes:
        chains = (_chain(graph, node, names, readers) for names in COMPOSITES)
        chain = max(chains, key=len, default=())
        if len(chain) > 1 and not taken & {*chain}:
            found[chain[-1]] = chain
            taken |= {*chain}
    alone = ((n.index, (n.index,)) for n in graph.nodes if n.index not in taken)
    return [chain for _, chain in sorted([*found.items(), *alone])]


def sole_readers(graph: Graph) -> dict[int, int]:
    """The call that alone reads what a call made, as its first operand, by that call."""
    uses: dict[int, list[tuple[int, int]]] = {}  # by the maker: who reads it, as which operand
    for node in graph.nodes:
        for i, source in enumerate(node.inputs):
            if isinstance(source, Made):
                uses.setdefault(source.node, []).append((node.index, i))
    kept = {source.node for source in graph.results if isinstance(source, Made)}
    return {
        maker: by[0][0]
        for maker, by in uses.items()
        if len(by) == 1
        and by[0][1] == 0
        and maker not in kept
        and len(graph.nodes[maker].shapes) == 1
    }


def _chain(
    graph: Graph, first: Node, names: tuple[str, ...], readers: dict[int, int]
) -> tuple[int, ...]:
    """The calls that make such a chain from `first` on, or none."""
    chain = [first]
    while len(chain) < len(names) and chain[-1].index in readers:
        chain.append(graph.nodes[readers[chain[-1].index]])
    fits = tuple(node.name for node in chain) == names
    return tuple(n.index for n in chain) if fits and len({n.path for n in chain}) == 1 else ()
