"""The checkpoints 14 and 15: pytest files of checks that cross modules, run by `tito checkpoint`.

They are written as those of core are (`tinytorch.core.capabilities`), and small enough to be quick
on plain definitions too, which is what a student's file runs.
"""
