"""What runs, in what order: a flow is a table of contents, one line a step."""

import os

# Prefect phones home unless both are set, which hangs where there is no network.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Our own log lines belong to the run that Prefect shows.
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "sortal")
# Its temporary server takes 6 to 13 s on an idle machine; on a busy one its 20 s are too few.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
