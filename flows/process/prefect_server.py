"""Prefect's server as a program: `python -m … PORT`. What is set for it is in its environment."""

import sys

from sortal.flows.process.imports import quick_imports

if __name__ == "__main__":
    with quick_imports(forever=True):
        import uvicorn
        from prefect.server.api.server import create_app

        app = create_app()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="on")
