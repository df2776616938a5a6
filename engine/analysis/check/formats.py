"""Findings as text, JSON or SARIF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rfscale.engine.analysis.check.rules import LEVELS, RULES, Finding, Level
from rfscale.engine.errors import InputError, nearest, shown, visible
from rfscale.engine.files import json_text
from rfscale.engine.network.network import Network
from rfscale.engine.variables import provenance
from rfscale.engine.version import __version__


def written(findings: Sequence[Finding], network: Network, format: str = "text", artifact: str | None = None) -> str:
    """Return findings as text, JSON or SARIF 2.1.0.

    Parameters
    ----------
    findings : sequence of Finding
    network : Network
    format : {"text", "json", "sarif"}
    artifact : str, optional
        Path of the network's file, which SARIF results then point to.
    """
    formats = {"text": _text, "json": _json, "sarif": _sarif}
    if format not in formats:
        raise InputError(f"format is {shown(format)}; {nearest(format, formats)}")
    return formats[format](findings, network, artifact)


def _text(findings: Sequence[Finding], network: Network, artifact: str | None) -> str:
    return findings_text(findings, network.name)


def findings_text(findings: Sequence[Finding], network: str) -> str:
    """Return findings of a network of that name as text: three lines for each, then how many there are."""
    lines = []
    for f in findings:
        rule = RULES[f.rule]
        lines.append(f"{f.level}: {f.layer}: {rule.summary} [{f.rule}]")
        sign = "<" if rule.below else ">"
        lines.append(f"    {f.message} ({rule.figure} {f.value:.3g} {sign} {f.threshold:g})")
        lines.append(f"    remedy: {f.remedy}")
    return "\n".join(visible(line) for line in [*lines, f"{network}: {counted(findings)}"])


def counted(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each level, worst first."""
    counts = [f"{n} {level}{'s' if n != 1 else ''}" for level in reversed(LEVELS) if (n := _count(findings, level))]
    return ", ".join(counts) or "nothing found"


def _count(findings: Sequence[Finding], level: Level) -> int:
    return sum(f.level == level for f in findings)


def _json(findings: Sequence[Finding], network: Network, artifact: str | None) -> str:
    content = {
        **provenance("check", network),
        "counts": {level: _count(findings, level) for level in LEVELS},
        "findings": [{**vars(f), "value": _finite(f.value), "figure": RULES[f.rule].figure} for f in findings],
    }
    return json_text(content)


def _finite(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)


def _sarif(findings: Sequence[Finding], network: Network, artifact: str | None) -> str:
    """SARIF 2.1.0 (OASIS): one run, a rule per rule, a result per finding, the layer as its logical location."""
    rules = [
        {
            "id": name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": f"{rule.summary}; judged by: {rule.figure}"},
            "help": {"text": rule.remedy},
            "defaultConfiguration": {"level": "warning"},
        }
        for name, rule in RULES.items()
    ]
    driver = {"name": "rfscale", "version": __version__, "semanticVersion": __version__, "rules": rules}
    results = [_result(f, network, artifact) for f in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json_text({"$schema": schema, "version": "2.1.0", "runs": [run]})


def _result(finding: Finding, network: Network, artifact: str | None) -> dict[str, Any]:
    logical = {"name": finding.layer, "fullyQualifiedName": f"{network.name}.{finding.layer}", "kind": "member"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if artifact is not None:
        uri = artifact.replace("\\", "/")
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}
    return {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": finding.level,
        "message": {"text": f"{finding.layer}: {finding.message}. Remedy: {finding.remedy}."},
        "locations": [location],
        "properties": {"value": _finite(finding.value), "threshold": finding.threshold},
    }
