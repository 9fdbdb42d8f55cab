"""Milestones of the architecture tier: short scripts, one file each, to be read from top to bottom.

What they share with those of core is there: the frame around a run, its result, settings, plots.
"""
