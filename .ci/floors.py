"""Write the oldest versions that our ranges admit: `python floors.py packages/ floors.txt`.

Every `name>=version` in a pyproject.toml becomes the constraint `name==version`, so the floors that
are tested are the floors that are declared. Our own packages are left out: the oldest release of a
lower tier that a range admits is, until there is a second one, the tree itself.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[.*\])?>=(?P<floor>[^,;\s]+)")


def floors(pyproject: Path) -> Iterator[str]:
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    for group in [project["dependencies"], *project["optional-dependencies"].values()]:
        for requirement in group:
            match = REQUIREMENT.match(requirement)
            if match is None:
                sys.exit(f"{pyproject}: {requirement!r} names no oldest version (name>=version)")
            if not match["name"].startswith("tinytorch-"):
                yield f"{match['name']}=={match['floor']}"


def main(packages: Path, output: Path) -> None:
    found = {line for path in sorted(packages.glob("*/pyproject.toml")) for line in floors(path)}
    output.write_text("\n".join(sorted(found)) + "\n", "utf-8")
    print("oldest:", *sorted(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
