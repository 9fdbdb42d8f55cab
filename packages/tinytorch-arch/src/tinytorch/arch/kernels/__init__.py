"""Fast forms of this tier's primitives; each file explains one and how it is fast.

A module of the course imports its own at its end, and so attaches it at the door. What they share
with those of core is in `tinytorch.core.kernels`: blocks that stay in the cache, results written in
place. Each is proven equal to the plain definition, value and gradient, and leaves to it what it
does not support. They import nothing from the modules they serve, which may be a student's.
"""
