"""The help pages: verbs in groups, one for each question, and options in sections. Plain text, which needs no rich."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup

READING, OUTPUT = "Reading a model", "Output"  # sections of options, after those of the verb itself
HELP_OPTION = "--help"
MARGIN = 2  # columns before a text


class VerbPage(TyperCommand):
    """The page of one verb: its arguments and options, then a section for each name in `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], READING: [], OUTPUT: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            own = "Arguments" if parameter.param_type_name == "argument" else "Options"
            name = getattr(parameter, "rich_help_panel", None) or (OUTPUT if HELP_OPTION in parameter.opts else own)
            sections.setdefault(str(name), []).append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the text; long examples go on after a backslash, so that they can be copied."""
        text = self.help or ""
        self.help = "\n\n".join(_continued(part, formatter.width - MARGIN) for part in text.split("\n\n"))
        super().format_help_text(ctx, formatter)
        self.help = text


def _continued(paragraph: str, width: int) -> str:
    """A paragraph; an example that is longer than a line as several, which a shell reads as one."""
    line = " ".join(paragraph.split())
    if not line.startswith("Example: ") or len(line) <= width:
        return paragraph
    lines = [""]
    for word in re.findall(r"""[^\s"']*"[^"]*"|[^\s"']*'[^']*'|\S+""", line):
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\b\n" + " \\\n".join(lines)


class FrontPage(TyperGroup):
    """The page of the command: verbs under the question that they answer, with the whole first line of their help."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = {}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups of verbs, then the options of the command."""
        widest = max(map(len, self.commands))
        for question, names in self.groups.items():
            formatter.write_paragraph()
            formatter.write(f"{question}\n")
            formatter.indent()
            formatter.write_dl([(name.ljust(widest), _first_line(self.commands[name].help)) for name in names])
            formatter.dedent()
        records = [p.get_help_record(ctx) for p in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record is not None])


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n\n")[0].replace("\n", " ")
