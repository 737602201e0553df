"""Runs of a deployment as Prefect's pages start and steer them, through the server's API."""

from service import Service

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class FlowRun:
    """A run of a deployment that the server knows."""

    def __init__(self, service: Service, deployment: str, parameters: dict) -> None:
        self.service = service
        found = service.get(f"/deployments/name/{deployment}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        self.id = service.post(f"/deployments/{found['id']}/create_flow_run", body)["id"]

    @property
    def state(self) -> dict:
        return self.row["state"]

    @property
    def row(self) -> dict:
        return self.service.get(f"/flow_runs/{self.id}")

    def set_state(self, kind: str, name: str, **details: object) -> None:
        state = {"type": kind, "name": name, "state_details": details}
        answer = self.service.post(
            f"/flow_runs/{self.id}/set_state", {"state": state, "force": bool(details)}
        )
        assert answer["status"] == "ACCEPT", answer

    def wait_until(self, *kinds: str) -> dict:
        """The run's state once it is one of these, or final."""
        wanted = FINAL | set(kinds)
        found = self.service.wait_for(lambda: [s for s in [self.state] if s["type"] in wanted])
        return found[0]

    def end(self) -> dict:
        return self.wait_until()

    def tasks(self) -> dict[str, str | None]:
        """The last state of every task, by its name."""
        asked = {**self._mine("flow_runs", "id"), "sort": "EXPECTED_START_TIME_ASC"}
        rows = self.service.post("/task_runs/filter", asked)
        return {row["name"]: (row["state"] or {}).get("name") for row in rows}  # told by events

    def artifacts(self) -> dict[str, object]:
        """What the run shows, by kind."""
        rows = self.service.post("/artifacts/filter", self._mine("artifacts", "flow_run_id"))
        return {row["key"].partition("-")[0]: row["data"] for row in rows if row["key"]}

    def lines(self, word: str = "") -> list[str]:
        """The lines of the run's log on the server, once there is one with `word`."""
        read: list[str] = []

        def found() -> bool:
            rows = self.service.post("/logs/filter", self._mine("logs", "flow_run_id"))
            read[:] = [row["message"] for row in rows]
            return word in "\n".join(read)

        self.service.wait_for(found, lambda: f"no {word!r} among {read}")
        return read

    def _mine(self, what: str, key: str) -> dict:
        return {what: {key: {"any_": [self.id]}}, "limit": 200}


def filled_form(service: Service, deployment: str, **changed: object) -> dict:
    """What Prefect's form submits: every parameter, as the deployment or its default says."""
    found = service.get(f"/deployments/name/{deployment}")
    shown = found["parameter_openapi_schema"]["properties"]
    form = {name: field.get("default") for name, field in shown.items()}
    return {**form, **found["parameters"], **changed}
