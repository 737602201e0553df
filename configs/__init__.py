"""The configuration: one schema with commented defaults, and a preset a method.

Here are the defaults that the command line shows before anything heavy is imported.
"""

from pathlib import Path
from typing import Literal

METHOD = "auto"  # a preset's name
FORMER_METHOD = "cae"  # the default until 0.2: a collection that knows it alone goes on with it
AUTO = "auto"  # a number of clusters that is chosen
WORKSPACE = Path("sortal-workspace")
WORKSPACE_VARIABLE = "SORTAL_WORKSPACE"  # of the environment, for the command line and Python
OBJECTS_VARIABLE = "SORTAL_OBJECTS"  # a bucket, where artifacts and vectors are published
REPORTS_VARIABLE = "SORTAL_REPORTS_URL"  # where the folder `reports` is served over HTTP
TELL_AFTER_VARIABLE = "SORTAL_TELL_AFTER"  # seconds of silence before a line says what is done
TELL_AFTER = 4.0  # where it is not set
ENCODER = "conse"
SEEDS = 6  # of each method of a benchmark: five cannot reach p < 0.05
PROTOCOL: Literal["whole", "split"] = "whole"
JOBS = 0  # worker processes of a benchmark; 0: one a core
SCHEDULE = "15 2 * * *"  # of `sortal up`: when the source is sorted
LEASE_SECONDS = 60.0  # a run that dies frees its collection after so long
PATIENCE_SECONDS = 600.0  # a run waits so long for a PostgreSQL catalogue that is away
CAPTIONS = "starter"  # the embedded captions
QUANTILE = 0.99  # of a run's distances: farther images are unlike its own [infer]
GRACE_DAYS = 7.0  # files used since are kept by maintenance; > longest run
SNAPSHOT_DAYS = 7.0  # how far back the lake's time travel reaches after maintenance
SHARD_ROWS = 65536  # neighbouring shards of vectors under half of it are merged
PREFECT_DEFAULTS = {
    # Prefect phones home unless this and DO_NOT_TRACK are set, which hangs without a network.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Our own log lines belong to the run that Prefect shows.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "sortal",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # before it, and after
    # Its server takes 6 to 13 s on an idle machine; on a busy one Prefect's 20 s are too few.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
