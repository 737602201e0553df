"""Pictures drawn by a rule, the same on every machine."""

from pathlib import Path

from PIL import Image, ImageDraw

KINDS = ("disc", "square", "bar")
COLOURS = {"disc": "firebrick", "square": "seagreen", "bar": "royalblue"}


def draw(folder: Path, first: int, last: int) -> list[Path]:
    """Draw the pictures `first` to `last` (not drawn) of each kind into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [picture(folder / f"{k}-{n:02}.png", k, n) for k in KINDS for n in range(first, last)]


def picture(path: Path, kind: str, number: int) -> Path:
    """Draw one picture; of two numbers below 200 no two are alike."""
    image = Image.new("RGB", (48, 48), "white")
    x, y = number % 14 + 2, number // 14 + 2
    box = (x, y, x + 28, y + (8 if kind == "bar" else 28))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if kind == "disc" else pen.rectangle)(box, fill=COLOURS[kind])
    image.save(path)
    return path
