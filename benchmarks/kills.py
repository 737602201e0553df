"""R2: kill -9 at seeded random moments of a whole real run, run again, compare what is in the lake.

`python benchmarks/kills.py TAR -k 10 --images 128 --kills 50` starts each run from an empty
workspace: scan, images, nouns, captions, clusters, commit, report. Runs are forks of one process
that has imported everything, and without Prefect, so that the moments fall into the work itself.
"""

import argparse
import multiprocessing
import random
import shutil
import signal
import tarfile
import time
from pathlib import Path

from configs.load import make_config
from configs.schema import RunConfig
from storage.atomic import TEMPORARY
from storage.lake import Lake
from storage.workspace import Workspace


def go(config: RunConfig) -> None:
    """One whole run."""
    from flows.recluster import recluster

    recluster.fn(config)


def start(context, config: RunConfig) -> multiprocessing.Process:
    """A run in a process of its own."""
    process = context.Process(target=go, args=(config,))
    process.start()
    return process


def config_of(options, source: Path, workspace: Path) -> RunConfig:
    """The configuration of all runs."""
    settings = ["nouns.lexnames=[noun.Tops,noun.body]", f"encoder.shard_size={options.shard}"]
    settings += ["encoder.num_workers=0", "images.num_workers=0", "encoder.batch_size=16"]
    values = {"source": str(source), "n_clusters": options.clusters, "workspace": workspace}
    values["captions"] = {"source": str(source.parent / "captions.txt")}
    return make_config(values, settings)


def outcome(workspace: Path) -> list:
    """What a run leaves in the lake, without ids and times."""
    queries = (
        "SELECT path, key, label, status FROM images",
        "SELECT key, cluster, round(distance, 3) FROM assignments",
        "SELECT cluster, name, size, representatives FROM clusters",
        "SELECT cluster, corpus, rank, term FROM cluster_terms",
        "SELECT name, round(value, 3) FROM metrics WHERE name IN ('acc', 'nmi', 'ari')",
        "SELECT n_images, n_failed, fingerprint FROM runs",
    )
    with Lake(Workspace(workspace), read_only=True) as lake:
        return [sorted(map(repr, lake.execute(query).fetchall())) for query in queries]


def prepare(options, folder: Path) -> Path:
    """The source folder: a seeded sample of the tar's images, and captions."""
    source = folder / "source"
    source.mkdir(parents=True)
    with tarfile.open(options.tar) as tar:
        names = [item for item in tar if item.isfile() and item.name.endswith((".png", ".jpg"))]
        for item in random.Random(0).sample(names, options.images):
            tar.extract(item, source, filter="data")
    lines = (f"a photo of {what} number {i}" for i in range(60) for what in ("a cat", "a ship"))
    (folder / "captions.txt").write_text("\n".join(lines))
    return source


def trial(context, config: RunConfig, moment: float) -> str:
    """Kill one run `moment` seconds after its start and run again; where it was killed."""
    process = start(context, config)
    process.join(moment)
    process.kill()
    process.join()
    kinds = [
        path.name for path in (config.workspace / "artifacts").glob("*") if any(path.iterdir())
    ]
    again = start(context, config)
    again.join()
    if again.exitcode:
        raise RuntimeError(f"the second run ended with {again.exitcode}")
    where = f"{len(kinds)} kinds of steps begun"
    return where if process.exitcode == -signal.SIGKILL else "after its end"


def main() -> None:
    """Kill, run again, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tar")
    parser.add_argument("-k", "--clusters", type=int, default=10)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--shard", type=int, default=16)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("kills"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    source = prepare(options, options.folder.resolve())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["flows.recluster", "tasks.encoders.conse", "sklearn.metrics"])
    start(context, config_of(options, source, options.folder / "warm-up")).join()
    begin = time.monotonic()
    start(context, config_of(options, source, options.folder / "whole")).join()
    whole = time.monotonic() - begin
    expected = outcome(options.folder / "whole")
    print(f"an undisturbed run: {whole:.1f} s", flush=True)
    moments, recovered = random.Random(options.seed), 0
    for number in range(options.kills):
        workspace = options.folder / f"{number:02}"
        moment = moments.uniform(0, whole)
        try:
            where = trial(context, config_of(options, source, workspace), moment)
            same = outcome(workspace) == expected
            clean = not list(workspace.rglob(f"{TEMPORARY}*"))
            result = "recovered" if same and clean else f"same {same}, clean {clean}"
        except RuntimeError as error:
            where, result = "", str(error)
        recovered += result == "recovered"
        print(f"{number:3} killed at {moment:5.1f} s, {where}: {result}", flush=True)
        shutil.rmtree(workspace, ignore_errors=True)
    print(f"{recovered} of {options.kills} recovered")


if __name__ == "__main__":
    main()
