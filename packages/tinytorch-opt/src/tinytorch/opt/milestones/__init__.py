"""The milestone of the optimization tier: 2018, when benchmarks became a matter of rules.

`m2018.py` is the script and measures the networks that look, `writing.py` the one that writes;
`subjects.py` finds or trains them, `profiled.py` says where their time goes, and `sheet.py` keeps
the table. `tito milestone run 2018` runs it.
"""
