"""The course around the framework: which tiers there are, and what each of them brings.

Left out, because they are not written yet: lessons, workspaces, checks and grading.
"""
