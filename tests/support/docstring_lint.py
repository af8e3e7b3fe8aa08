"""Lint rule for docstrings: the first line could stand in an index, so it begins with no question word.

    python -m tests.support.docstring_lint

A rule of this project alone, which ruff has no option for; it runs beside ruff in `.ci/run` and before each commit.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BANNED = frozenset({"what", "how", "whether", "of", "where", "who", "which", "whose", "whom"})
FOLDERS = ("ser", "tune")

_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def find_banned(source: str) -> Iterator[tuple[int, str]]:
    """Line and first line of each docstring that begins with a banned word."""
    for node in ast.walk(ast.parse(source)):
        docstring = ast.get_docstring(node) if isinstance(node, _WITH_DOCSTRING) else None
        if docstring and docstring.split()[0].lower().strip("'\"`,:;.…") in BANNED:
            yield getattr(node, "lineno", 1), docstring.splitlines()[0]


def main() -> int:
    """Print each docstring that breaks the rule; 1 if there is any."""
    n_found = 0
    for path in sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")):
        for line, text in find_banned(path.read_text(encoding="utf-8")):
            n_found += 1
            print(f"{path.relative_to(REPOSITORY)}:{line}: docstring begins with a question word: {text}")
    print(
        f"{n_found} docstrings begin with a question word" if n_found else "No docstring begins with a question word."
    )
    return 1 if n_found else 0


if __name__ == "__main__":
    sys.exit(main())
