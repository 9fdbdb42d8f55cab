"""The checkpoints 1-9: pytest files of checks that cross modules. `tito checkpoint` runs them.

Each answers one question "Can I ...?", with the student's modules where they have joined and the
reference's otherwise. Facts are independent of the framework: NumPy, closed forms, finite
differences. Left out: what one exercise must do (`checks/`), and running (`course/`).
"""
