"""Milestones: short scripts that make a piece of history again with this framework.

One file a milestone (`m1958`, `m1969`, `m1986`), to be read from top to bottom; what they share is
beside them: the frame around a run, its result, its settings, plots, and the choice of data.

    from tinytorch.core.milestones import m1986
    result = m1986.run(recipe="quick", data="drawn")
"""
