"""The files of deploy/: what can be checked without the services they start."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def test_the_compose_file_waits_for_health_and_holds_no_password():
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert set(services) == {"postgres", "server", "worker"}
    for name, service in services.items():
        for other, rule in service.get("depends_on", {}).items():
            assert rule == {"condition": "service_healthy"}, (name, other)
            assert "healthcheck" in services[other]
    assert "${POSTGRES_PASSWORD:?" in text
    assert (DEPLOY / services["worker"]["build"]["context"] / "Dockerfile").exists()


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
