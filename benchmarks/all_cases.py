"""All cases: those of core (`cases.py`), and of each further tier `cases_*.py`."""

import importlib
from pathlib import Path

from cases import CASES as CORE
from cases import Case

TIERS = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [
    *CORE,
    *(case for name in TIERS for case in importlib.import_module(name).CASES),
]
