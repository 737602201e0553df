"""The web application: its pages, what guards them, and an error as a page in one line."""

import pkgutil
from importlib import import_module
from pathlib import Path

import duckdb
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from sortal.configs.errors import RunError, UsageError
from sortal.flows.browse import pages
from sortal.flows.browse.base.library import Library
from sortal.flows.browse.base.render import page
from sortal.flows.browse.safety import Guard
from sortal.storage.lake.retry import one_line
from sortal.tasks.report.page import STYLE

_LONGEST = 600  # letters of an error on a page


def make_app(library: Library, guard: Guard) -> FastAPI:
    """The application over `library`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.library = library
    app.middleware("http")(guard)
    for module in pkgutil.iter_modules(pages.__path__):  # found without a list to keep
        app.include_router(import_module(f"{pages.__name__}.{module.name}").router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.get("/style/report.css")(_style)
    app.get("/favicon.ico")(_icon)
    app.add_exception_handler(UsageError, _not_there)
    app.add_exception_handler(RunError, _failed)
    app.add_exception_handler(duckdb.Error, _failed)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _refused)
    return app


def _style() -> Response:
    return FileResponse(STYLE)


def _icon() -> Response:
    return Response(status_code=204)  # browsers ask for one, and report its lack


def _not_there(request: Request, error: Exception) -> Response:
    return page(request, "error", 404, message=str(error))


def _failed(request: Request, error: Exception) -> Response:
    return page(request, "error", 503, message=one_line(error)[:_LONGEST])


def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = error.errors()[0]
    message = f"{wrong['loc'][-1]} in the address: {wrong['msg'].lower()}"
    return page(request, "error", 400, message=message)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = "there is no such page" if error.status_code == 404 else str(error.detail)
    return page(request, "error", error.status_code, message=message)
