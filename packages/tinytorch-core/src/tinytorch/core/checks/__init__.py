"""The checks of modules 01-08: `tito test` runs them, and so does `python -m pytest --pyargs`."""
