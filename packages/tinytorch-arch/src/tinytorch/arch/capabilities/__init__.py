"""The checkpoints 10-13: pytest files of checks that cross modules. `tito checkpoint` runs them.

They are written as those of core are (`tinytorch.core.capabilities`), and small enough to be quick
on plain definitions too, which is what a student's file runs.
"""
