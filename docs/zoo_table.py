"""Print the table of docs/networks.md: all of the zoo; `python docs/refresh.py docs/networks.md` writes it."""

from __future__ import annotations

from rfscale.engine.zoo.registry import NETWORKS


def main() -> None:
    """Print a Markdown table."""
    print("| name | network | from |", "| --- | --- | --- |", sep="\n")
    for entry in NETWORKS.values():
        print(f"| `{entry.name}` | {entry.summary} | {entry.citation} |")


if __name__ == "__main__":
    main()
