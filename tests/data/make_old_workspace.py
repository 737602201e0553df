"""How workspace-2026-11-26.tar.xz was made: two runs and a pinned name, by the version of that day.

git clone . OLD && git -C OLD checkout 09a86f3 && cd /tmp/sortal
PYTHONPATH=OLD:tests/helpers .venv/bin/python -P tests/data/make_old_workspace.py

It runs in the present folder. The source is given relative to it, and reports are left out, so
that of the machine only the folder's name is kept, in the lake's catalogue.
"""

import lzma
import sys
import tarfile
from pathlib import Path

from configs.load import make_config  # type: ignore[import-not-found]
from flows.lineage import rename  # type: ignore[import-not-found]
from flows.recluster import recluster  # type: ignore[import-not-found]

from drawn import draw

SETTINGS = ["nouns.lexnames=[noun.Tops]", "images.num_workers=0", "encoder.num_workers=0"]
LEFT_OUT = ("reports", "prefect", "leases.sqlite")


def main() -> None:
    """Cluster a folder that grows, pin a name, and pack the workspace."""
    for first, last in ((0, 5), (5, 7)):
        draw(Path("trip.2023"), first, last)
        values = {"source": "trip.2023", "n_clusters": 3, "workspace": Path("workspace")}
        values |= {"captions": {"source": "none"}}
        recluster.fn(make_config(values, SETTINGS))
    rename(Path("workspace"), "1", "keepsakes", None)
    with (
        lzma.open(sys.argv[1], "wb", preset=9) as file,
        tarfile.open(fileobj=file, mode="w") as tar,
    ):
        tar.add("workspace", filter=packed)


def packed(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """A member without its owner; None for what is left out."""
    if any(word in info.name for word in LEFT_OUT):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


main()
