"""The configuration: one schema with commented defaults, and a preset a method.

Here are the defaults that the command line shows before anything heavy is imported.
"""

from pathlib import Path
from typing import Literal

METHOD = "cae"  # a preset's name
WORKSPACE = Path("sortal-workspace")
WORKSPACE_VARIABLE = "SORTAL_WORKSPACE"  # of the environment, for the command line and Python
ENCODER = "conse"
SEEDS = 5  # of each method of a benchmark
PROTOCOL: Literal["whole", "split"] = "whole"
JOBS = 0  # worker processes of a benchmark; 0: one a core
LEASE_SECONDS = 60.0  # a run that dies frees its collection after so long
CAPTIONS = "starter"  # the embedded captions
QUANTILE = 0.99  # of a run's distances: farther images are unlike its own [infer]
GRACE_DAYS = 7.0  # files used since are kept by maintenance; > longest run
SNAPSHOT_DAYS = 7.0  # how far back the lake's time travel reaches after maintenance
SHARD_ROWS = 65536  # neighbouring shards of vectors under half of it are merged
