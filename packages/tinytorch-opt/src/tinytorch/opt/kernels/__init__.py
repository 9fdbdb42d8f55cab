"""Fast forms of this tier's primitives; each file explains one and how it is fast.

A module of the tier imports its own at its end, and so attaches it at the door. Each is proven
equal to the plain definition, and leaves to it what it does not support.
"""
