"""The executor that a run's configuration names, for as long as the run lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from sortal.configs.errors import expanded
from sortal.configs.executor import ExecutorSpec
from sortal.configs.remote import URLS
from sortal.configs.schema import RunConfig
from sortal.storage.workspace import Workspace
from sortal.tasks.executor.current import using


@contextmanager
def executed(config: RunConfig, workspace: Workspace) -> Iterator[None]:
    """Within the body, steps use the executor of `config`; Ray is not imported for `local`."""
    spec = ExecutorSpec.parse(config.executor)
    if spec.address is None:
        yield
        return
    from sortal.tasks.executor.ray_executor import RayExecutor

    given = (each for each in (config.source, config.train) if each and "://" not in each)
    places = [str(expanded(each.removeprefix(URLS)).absolute()) for each in given]
    with RayExecutor(spec, config.ray, workspace, places) as chosen, using(chosen):
        yield


def check_executor(name: str) -> None:
    """Raises UsageError for an executor that is not installed, or that nothing answers for."""
    spec = ExecutorSpec.parse(name)
    if spec.address is not None:
        from sortal.tasks.executor.ray_connect import check_ray

        check_ray(spec)
