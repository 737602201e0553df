"""The executor's address: what it may be, and that it is no part of a result."""

import socket

import pytest

from sortal.configs.errors import UsageError
from sortal.configs.executor import ExecutorSpec
from sortal.configs.load import make_config
from sortal.configs.section import identity_of
from sortal.tasks.executor.opening import check_executor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local", (None, "", 0)),
        ("ray", ("local", "", 0)),
        ("ray://head:10001", ("ray://head:10001", "head", 10001)),
        ("10.0.0.7:6379", ("10.0.0.7:6379", "10.0.0.7", 6379)),
        ("[::1]:6379", ("[::1]:6379", "::1", 6379)),
    ],
)
def test_an_executor_is_this_machine_a_cluster_of_it_or_an_address(text, expected):
    assert ExecutorSpec.parse(text) == expected


@pytest.mark.parametrize("text", ["", "spark", "ray://head", "head:0", "head:70000", "ray:1:2"])
def test_anything_else_is_refused_in_a_line(text):
    with pytest.raises(UsageError, match="executor must be local, ray, ray://HOST:10001 or"):
        make_config({"source": "x", "n_clusters": 2, "executor": text})


def test_an_executor_is_no_part_of_a_result():
    plain, spread = (
        make_config({"source": "x", "n_clusters": 2, "executor": name, "ray": {"cpus": cpus}})
        for name, cpus in (("local", 1), ("ray", 2))
    )
    assert identity_of(plain) == identity_of(spread)


def test_an_address_where_nothing_listens_is_said_at_once():
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UsageError, match=f"got ray://127.0.0.1:{port}: Connection refused"):
        check_executor(f"ray://127.0.0.1:{port}")
