r"""Pseudo-label agreement of MCA from one epoch to the next, as an SVG: all runs of workspaces.

    python benchmarks/mca_agreement.py docs/images/mca-agreement.svg "CLIP=workspace" …

Each curve is the mean over a workspace's MCA trainings (seeds), its band their range. Agreement
is the share of images that keep their pseudo-label; no label of the collection is looked at.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 260, 52, 16, 16, 40
COLOURS = ("#1f6fb2", "#c4561b", "#3b8f4a", "#7d4ea3")

Curves = NDArray[np.float64]


def curves_of(workspace: Path) -> Curves:
    """Agreement (runs, epochs) of the workspace's MCA trainings, of the commonest length."""
    found = []
    for file in sorted(workspace.glob("artifacts/head/*/history.parquet")):
        rows = pq.read_table(file).to_pylist()
        if any(row["name"] == "loss.instance" for row in rows):
            found.append([row["value"] for row in rows if row["name"] == "pseudo_agreement"])
    if not found:
        raise SystemExit(f"no training of mca in {workspace}; run `sortal cluster --method mca`")
    lengths = [len(curve) for curve in found]
    common = max(set(lengths), key=lengths.count)
    return np.array([curve for curve in found if len(curve) == common])


def svg(series: dict[str, Curves]) -> str:
    """The drawing: epochs to the right, agreement upwards from the lowest value seen."""
    lowest = np.floor(20 * min(curves.min() for curves in series.values())) / 20
    lowest = min(lowest, 0.95)
    longest = max(curves.shape[1] for curves in series.values())

    def points(values: NDArray[np.float64]) -> list[str]:
        x = LEFT + np.arange(len(values)) / max(longest - 1, 1) * (WIDTH - LEFT - RIGHT)
        y = TOP + (1 - values) / (1 - lowest) * (HEIGHT - TOP - BOTTOM)
        return [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *axes(lowest, longest),
    ]
    for number, (name, curves) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        band = " ".join(points(curves.max(axis=0)) + points(curves.min(axis=0))[::-1])
        parts += [
            f'<polygon points="{band}" fill="{colour}" opacity="0.15"/>',
            f'<polyline points="{" ".join(points(curves.mean(axis=0)))}" fill="none" '
            f'stroke="{colour}" stroke-width="2"/>',
            f'<text x="{WIDTH - RIGHT - 8}" y="{HEIGHT - BOTTOM - 12 - 18 * number}" '
            f'text-anchor="end" fill="{colour}">{name}, {len(curves)} seeds</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def axes(lowest: float, longest: int) -> list[str]:
    """Lines and words around the curves."""
    parts = []
    for value in np.linspace(lowest, 1.0, 6):
        y = TOP + (1 - value) / (1 - lowest) * (HEIGHT - TOP - BOTTOM)
        parts += [
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>',
        ]
    for share in np.linspace(0, 1, 6):
        x = LEFT + share * (WIDTH - LEFT - RIGHT)
        epoch = round(1 + share * (longest - 1))  # the first comparison is epoch 1's with epoch 0's
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{epoch}</text>'
        )
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">epoch</text>')
    return parts


def main() -> None:
    """Parse, read, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("workspaces", nargs="+", metavar="NAME=WORKSPACE")
    args = parser.parse_args()
    pairs = [given.partition("=") for given in args.workspaces]
    args.out.write_text(svg({name: curves_of(Path(path)) for name, _, path in pairs}))


if __name__ == "__main__":
    main()
