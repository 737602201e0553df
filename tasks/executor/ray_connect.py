"""A connection to a Ray cluster, or one started on this machine alone; silent, in clear errors."""

import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from sortal.configs.errors import RunError, UsageError
from sortal.configs.executor import LOCAL, ExecutorSpec
from sortal.storage.stopping import terminal_signals_kept

log = logging.getLogger("sortal")

_REACH_SECONDS = 3.0  # for a connection to be accepted
# What a head answers that is too busy to start its server for a client within Ray's own limits.
_LATE = ("Starting Ray client server failed", "Proxy failed to Connect to backend")
_TRIES = 3
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_DEDUP_LOGS": "0",
    "RAY_TQDM": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of its own next version
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",  # seconds until the workers of a killed run end
}
_THIS_MACHINE = {  # a cluster that only this machine can reach
    "include_dashboard": False,
    "object_store_memory": 256 << 20,  # bytes; results are small
    "_node_ip_address": "127.0.0.1",
}


def check_ray(spec: ExecutorSpec) -> None:
    """Raises UsageError where Ray is not installed, or nothing listens at the address."""
    if spec.address is None:
        return
    if find_spec("ray") is None:
        raise UsageError(
            "executor ray needs the package ray, which is not installed; "
            "install it with `pip install 'sortal[ray]'`"
        )
    if spec.address != LOCAL:
        _check_reachable(spec)


def _check_reachable(spec: ExecutorSpec) -> None:
    try:
        socket.create_connection((spec.host, spec.port), _REACH_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"executor must be the address of a running Ray cluster, got {spec.address}: {reason}; "
            "start its head with `ray start --head`, or use --executor ray for this machine alone"
        ) from None


def _import_ray(spec: ExecutorSpec) -> Any:
    """Ray, imported after what it reads of the environment is set.

    A cluster of this machine alone has a token of its own, so that no other user is let in, and
    none is written into the home folder.
    """
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    if "ray" not in sys.modules:
        for name, value in (_ENVIRONMENT | (own if spec.address == LOCAL else {})).items():
            os.environ.setdefault(name, value)
    import ray

    return ray


def connect(spec: ExecutorSpec) -> tuple[Any, bool]:
    """Ray, connected, and whether it was connected here (and not by the caller's own code)."""
    check_ray(spec)
    ray = _import_ray(spec)
    if ray.is_initialized():
        return ray, False
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    options = _THIS_MACHINE if spec.address == LOCAL else {}
    if not spec.is_client:
        options = options | {"configure_logging": False}
    with _own_signals(), terminal_signals_kept(), _clear_errors(spec, ray):
        patiently(
            lambda: ray.init(
                address=spec.address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **options,
            )
        )
    _silence()
    return ray, True


def patiently(connects: Callable[[], object]) -> None:
    """Connect, again where the head was too busy to start its server for this machine in time."""
    for left in reversed(range(_TRIES)):
        try:
            connects()
        except ConnectionError as error:
            if not left or not any(text in str(error) for text in _LATE):
                raise
            log.warning("the head of the Ray cluster is busy; asked again")
        else:
            return


def _silence() -> None:
    """Ray prints what happens to workers on standard output, where results are printed."""
    with suppress(ImportError, AttributeError):
        from ray._private import worker

        worker.print_to_stdstream = lambda *_, **__: None
    with suppress(ImportError, AttributeError):
        from ray.util.client import ray as client

        client.get_context().client_worker.log_client.set_logstream_level(-1)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's own handler of SIGTERM: Ray sets another."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _clear_errors(spec: ExecutorSpec, ray: Any) -> Iterator[None]:
    """Ray's errors of connecting, as one line."""
    try:
        yield
    except Exception as error:
        raise RunError(_said(spec, ray, error)) from None


def _said(spec: ExecutorSpec, ray: Any, error: Exception) -> str:
    text = " ".join(str(error).split())
    own = f"Ray {ray.__version__} and Python {sys.version.split()[0]}"
    rule = f"executor {spec.address}"
    if "ersion" in text and ("mismatch" in text or "differ" in text or "match" in text):
        return f"{rule} must run {own}, as this machine does; it answers: {text[:200]}"
    if type(error).__name__ == "AuthenticationError" or "oken" in text:
        return (
            f"{rule} must accept this machine's token; copy ~/.ray/auth_token from its head, or "
            "set RAY_AUTH_TOKEN"
        )
    if not spec.is_client and spec.address != LOCAL:
        return (
            f"{rule} must be a cluster that this machine is a node of, got: {text[:200]}; from a "
            f"machine outside it use ray://{spec.host}:10001"
        )
    return f"{rule} must be a Ray cluster that can be connected to, got: {text[:200]}"
