"""What `rfscale context` prints: past and future of each output, in samples and milliseconds, and a sentence each."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import Column, folded, number, rounded

if TYPE_CHECKING:
    import xarray as xr

HEADERS = {"past": "past", "lookahead": "lookahead", "hop": "hop", "latency": "latency", "extent": "receptive field"}
SENTENCES = 4  # outputs that have a sentence each


def context_report(found: xr.Dataset) -> list[Any]:
    """Return the table of contexts, and a sentence for each output."""
    columns = [Column("layer", found.layer.values.tolist(), "left")]
    for name, header in HEADERS.items():
        columns.append(Column(header, [_samples(v) for v in found[name].values.tolist()], unit="samples"))
        if f"{name}_ms" in found and not (name == "hop" and (found.hop <= 1).all()):
            columns.append(Column(header, [_time(v) for v in found[f"{name}_ms"].values.tolist()], unit="ms"))
    columns.append(Column("block", [number(v) for v in found.block.values.tolist()], quiet=("1",), unit="samples"))
    rate = f" at {rounded(found.attrs['rate'])} samples per second" if "rate" in found.attrs else ""
    lines = [_sentence(found.isel(layer=i)) for i in range(min(SENTENCES, found.sizes["layer"]))]
    if found.attrs.get("dropped"):
        lines.append(f"left out, for their receptive field is global: {', '.join(found.attrs['dropped'])}")
    return [
        f"{found.attrs['network']}: context along {found.attrs['axis']}{rate}",
        folded(columns)._replace(fold_headers=True),
        *lines,
    ]


def _samples(value: float) -> str:
    """A number of samples, where no end is ∞."""
    return "∞" if value == inf else number(value)


def _time(value: float) -> str:
    return "∞" if value == inf else rounded(value)


def _sentence(row: xr.Dataset) -> str:
    past, ahead, hop = (row[name].item() for name in ("past", "lookahead", "hop"))
    if past == ahead == inf:
        return f"{row.layer.item()} reads everything before and after"
    if past != past:
        return f"{row.layer.item()} reads no sample, or runs backwards in time"
    own = "its sample" if hop <= 1 else f"its {number(hop)} samples"
    before = "everything" if past == inf else f"{number(max(0, past))} samples"
    before += f" ({_time(max(0, row.past_ms.item()))} ms)" if "past_ms" in row and past < inf else ""
    late = f" ({_time(row.lookahead_ms.item())} ms)" if "lookahead_ms" in row else ""
    after = "none after: causal" if ahead <= 0 else f"{'everything' if ahead == inf else number(ahead)}{late} after"
    ended = f"; the last {number(-ahead)} are not read" if ahead < 0 else ""
    return f"{row.layer.item()}: an entry reads {before} before {own}, and {after}{ended}"
