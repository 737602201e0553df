"""The files of deploy/: what can be checked without the services they start."""

import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from prefect.settings.legacy import _get_valid_setting_names
from prefect.settings.models.root import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def test_the_compose_file_waits_for_health_and_holds_no_password():
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"postgres", "server", "worker", "deployments"}
    for name, service in services.items():
        for other, rule in service.get("depends_on", {}).items():
            assert rule == {"condition": "service_healthy"}, (name, other)
            assert "healthcheck" in services[other]
    assert "${POSTGRES_PASSWORD:?" in text
    assert ".env" in (ROOT / ".gitignore").read_text().split()
    assert (DEPLOY / services["worker"]["build"]["context"] / "Dockerfile").exists()


def _commands() -> dict[str, list[str]]:
    """Every command line of deploy/, by the file and service it is in."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    found = {
        f"compose.yaml {name}": [*service["entrypoint"], *service["command"]]
        for name, service in services.items()
        if "command" in service
    }
    for unit in DEPLOY.glob("*.service"):
        (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M)
        found[unit.name] = [Path(line.split()[0]).name, *line.split()[1:]]
    return found


@pytest.mark.parametrize("place", sorted(_commands()))
def test_every_command_is_one_that_prefect_knows_with_every_option(place):
    program, *words = _commands()[place]
    assert program == "prefect"
    options = [word for word in words if word.startswith("--")]
    own = itertools.dropwhile(lambda word: word.startswith("--"), words)
    called = list(itertools.takewhile(lambda word: not word.startswith("--"), own))
    told = _help() + _help(*called)
    assert options and all(option in told for option in options), told


@functools.cache
def _help(*words: str) -> str:
    command = [sys.executable, "-m", "prefect", *words, "--help"]
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def test_every_variable_and_path_is_one_that_is_read():
    texts = [path.read_text() for path in (*DEPLOY.glob("*.*"), ROOT / "Dockerfile")]
    texts.append((ROOT / "docs" / "operations.md").read_text())
    named = set(re.findall(r"\b(?:SORTAL|PREFECT)_[A-Z_]+\b", "\n".join(texts)))
    code = "\n".join(
        path.read_text()
        for room in ("flows", "storage", "configs")
        for path in (ROOT / room).rglob("*.py")
    )
    ours = {name for name in named if name.startswith("SORTAL_")}
    assert ours and all(f'"{name}"' in code for name in ours)
    assert named - ours <= _get_valid_setting_names(Settings)
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    mounted = {}
    for volume in compose["services"]["worker"]["volumes"]:
        source, target, *_ = re.sub(r"\$\{(\w+):.*?\}", r"\1", volume).split(":")
        mounted[target] = source
    assert mounted.pop("/data") in compose["volumes"]
    assert (DEPLOY / mounted.pop("/data/prefect.yaml")).samefile(ROOT / "prefect.yaml")
    run = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["run"]
    assert mounted == {f"/data/{run['source']}": "PHOTOS"}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_the_file_for_cuda_changes_the_image_of_every_service_that_has_ours():
    both = [yaml.safe_load((DEPLOY / name).read_text()) for name in ("compose.yaml", "cuda.yaml")]
    ours, cuda = (
        {
            name: (service["image"], service["build"]["args"]["DEVICE"])
            for name, service in file["services"].items()
            if "build" in service
        }
        for file in both
    )
    assert ours == dict.fromkeys(ours, ("sortal:cpu", "cpu"))
    assert cuda == dict.fromkeys(ours, ("sortal:cuda", "cuda"))


def _pool(kind: str) -> dict:
    return json.loads((DEPLOY / f"{kind}-pool.json").read_text())


def _texts(value: object) -> list[str]:
    """Every text in a tree of JSON."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def test_prefect_takes_the_values_that_are_set():
    """A duration as a number is an error at the server's start."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    given = {}
    for name in ("server", "worker"):
        given |= compose[name]["environment"]
    for unit in DEPLOY.glob("*.service"):
        given |= dict(re.findall(r"\b(PREFECT_\w+)=(\S+)", unit.read_text()))
    plain = {key: value for key, value in given.items() if key.startswith("PREFECT_")}
    env = {**os.environ, **{key: value for key, value in plain.items() if "$" not in value}}
    code = "from prefect.settings import get_current_settings as it; print(it().server.events)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "expired_bucket_buffer=datetime.timedelta(seconds=3600)" in done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_pools_template_is_sound_and_uses_every_variable_that_its_form_asks_for(kind):
    template = _pool(kind)
    schema = template["variables"]
    jsonschema.Draft202012Validator.check_schema(schema)
    asked = schema["properties"]
    filled = {name: it["default"] for name, it in asked.items() if "default" in it}
    jsonschema.validate(filled, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**filled, "image": 1}, schema)
    texts = _texts(template["job_configuration"])
    used = {name for text in texts for name in re.findall(r"\{\{ *(\w+) *\}\}", text)}
    assert used == set(asked)
    assert asked["env"]["default"] == {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60"}


def test_the_kubernetes_job_starts_the_run_and_not_sortal_and_mounts_what_it_names():
    job = _pool("kubernetes")["job_configuration"]["job_manifest"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")  # Prefect retries
    (container,) = pod["containers"]
    # The image's own entrypoint is `sortal`.
    assert (container["command"], container["args"]) == (["/usr/bin/env"], "{{ command }}")
    assert {it["name"] for it in container["volumeMounts"]} == {it["name"] for it in pod["volumes"]}
    docker = _pool("docker")["variables"]["properties"]["container_create_kwargs"]["default"]
    assert docker["entrypoint"] == container["command"]


@pytest.mark.parametrize(
    ("kind", "module", "name"),
    [
        ("docker", "prefect_docker.worker", "DockerWorkerJobConfiguration"),
        ("kubernetes", "prefect_kubernetes.worker", "KubernetesWorkerJobConfiguration"),
    ],
)
def test_prefects_own_worker_takes_the_template(kind, module, name):
    worker = pytest.importorskip(module)
    template = _pool(kind)
    assert set(template["job_configuration"]) <= set(getattr(worker, name).model_fields)


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_a_unit_but_that_it_is_not_installed(unit):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, DEPLOY.glob("*.service"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if unit.name in line]
    assert all("is not executable" in line for line in lines), lines


def test_the_ray_cluster_of_the_compose_file_shares_a_workspace_and_lets_nobody_else_in():
    pytest.importorskip("ray")
    text = (DEPLOY / "ray.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"head", "worker"}
    assert services["worker"]["deploy"] == {"replicas": 2}
    assert services["worker"]["depends_on"] == {"head": {"condition": "service_healthy"}}
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--help"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for service in services.values():
        assert service["entrypoint"] == ["ray"] and service["command"][0] == "start"
        assert all(word in told for word in service["command"] if word.startswith("--"))
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["volumes"][0] == "data:/data"
        assert service["build"]["args"]["EXTRAS"] == "ray"
    assert "${RAY_AUTH_TOKEN:?" in text


def test_the_manifest_of_kuberay_has_the_ray_of_our_constraints_and_one_claim_for_all():
    claim, cluster = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert f"ray=={spec['rayVersion']}" in (ROOT / "constraints.txt").read_text().split()
    assert spec["authOptions"] == {"mode": "token"}
    (group,) = spec["workerGroupSpecs"]
    for template in (spec["headGroupSpec"]["template"], group["template"]):
        (container,) = template["spec"]["containers"]
        (volume,) = template["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/data"}]
