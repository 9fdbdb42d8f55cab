"""The milestone of the optimization tier: 2018, when benchmarks became a matter of rules.

`m2018.py` is the script; `subjects.py` finds or trains the models it is about, and `sheet.py` keeps
the table. `tito milestone run 2018` runs it.
"""
