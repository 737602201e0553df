"""Whether the nodes of a cluster are fit for a run: have Sortal, and see its files."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sortal.configs import OBJECTS_VARIABLE
from sortal.configs.errors import RunError
from sortal.tasks.executor import node_probe
from sortal.tasks.executor.node_folder import Home


@contextmanager
def token_in(workspace: Path) -> Iterator[Path]:
    """A small file in the workspace by which a worker knows that it sees the same folder."""
    token = workspace / f".tmp-executor-{os.getpid()}-{secrets.token_hex(4)}"
    token.write_text("seen by every worker of a run\n")
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


def check_nodes(ray: Any, home: Home, sources: Sequence[str], patience: float) -> tuple[int, int]:
    """How many nodes there are, and how many of them work by the workspace's bucket alone.

    Raises RunError, one line, for the first that is unfit.
    """
    found = _answers(ray, home, sources, patience)
    own, folder = version("sortal"), home.token.parent
    for answer in found:
        node = f"node {answer['host']}"
        if answer["sortal"] is None:
            raise RunError(
                f"every node must have sortal[ray] installed, {node} has not: {answer['reason']}; "
                "install it there, or use one image for all nodes"
            )
        if answer["sortal"] != own:
            raise RunError(
                f"every node must have sortal {own}, as this machine, {node} has {answer['sortal']}"
            )
        if answer.get("wrong"):
            raise RunError(
                f"a node must see the workspace or its bucket, {node} sees no {folder} and says: "
                f"{answer['wrong']}"
            )
        if not answer["sees"] and not home.objects:
            raise RunError(
                f"the workspace must be on a filesystem that all nodes see under one path, {node} "
                f"does not see {folder}; mount it there, choose another --workspace, or publish it "
                f"in a bucket ({OBJECTS_VARIABLE})"
            )
        if not answer["writes"] and not home.objects:
            raise RunError(
                f"every node must be able to write into the workspace, {node} may not write "
                f"{folder}; run Ray there as another user, or change the folder's rights"
            )
        if answer["unseen"]:
            raise RunError(
                f"a source must be on a filesystem that all nodes see under one path, {node} does "
                f"not see {answer['unseen'][0]}; mount it there, or have it in a bucket"
            )
    return len(found), sum(not answer["writes"] for answer in found)


def _answers(ray: Any, home: Home, sources: Sequence[str], patience: float) -> list[dict[str, Any]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as OnNode

    ray.cloudpickle.register_pickle_by_value(node_probe)  # a node without Sortal can run it
    try:
        ask = ray.remote(num_cpus=0, max_retries=0)(node_probe.look)
        asked = {}
        for node in (each for each in ray.nodes() if each["Alive"]):
            there = OnNode(node["NodeID"], soft=False)
            given = ((str(home.token), *home[1:]), list(sources))
            ref = ask.options(scheduling_strategy=there).remote(*given)
            asked[ref] = node["NodeManagerHostname"]
        done, late = ray.wait(list(asked), num_returns=len(asked), timeout=patience)
    finally:
        ray.cloudpickle.unregister_pickle_by_value(node_probe)
    if late:
        raise RunError(
            f"every node must answer within {patience:g} s, {asked[late[0]]} did not; look at it "
            "with `ray status`, or raise ray.patience_seconds"
        )
    return [_answer(ray, ref, asked[ref]) for ref in done]


def _answer(ray: Any, ref: Any, host: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = ray.get(ref)
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"every node must be able to run a task, {host} is not: {reason}") from None
    return found
