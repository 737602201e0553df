from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from http_server import Proxy, Server, serving
from sortal.configs.remote import RemoteConfig
from sortal.tasks.places import retries
from sortal.tasks.places.fetched import Reading

QUICK = RemoteConfig(backoff=0.01, retries=2, timeout=20.0, concurrency=8)


class Storage:
    """A bucket `pictures` behind a proxy that counts requests, and misbehaves when told to."""

    def __init__(self, server: Server, proxy: Proxy, upstream: str) -> None:
        self.server, self.proxy = server, proxy
        self._client = boto3.client("s3", endpoint_url=f"http://{upstream}")

    def put(self, name: str, data: bytes) -> None:
        self._client.put_object(Bucket="pictures", Key=name, Body=data)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket="pictures", Key=name)

    def empty(self) -> None:
        bucket = {"Bucket": "pictures"}
        for each in self._client.list_objects_v2(**bucket).get("Contents", []):
            self._client.delete_object(**bucket, Key=each["Key"])

    def listings(self) -> int:
        return sum("list-type" in request for request in self.server.requests)

    def gets(self) -> int:
        return sum(r.startswith("GET") and "list-type" not in r for r in self.server.requests)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Storage]:
    names = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "SECRET-OF-AWS",
             "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        upstream = "{}:{}".format(*moto.get_host_and_port())
        proxy = Proxy(upstream)
        try:
            with serving(proxy) as server:
                patch.setenv("AWS_ENDPOINT_URL", server.url)
                storage = Storage(server, proxy, upstream)
                storage._client.create_bucket(Bucket="pictures")
                yield storage
        finally:
            moto.stop()


@pytest.fixture
def s3(s3_server: Storage) -> Storage:
    s3_server.empty()
    s3_server.proxy.faults = []
    s3_server.server.forget()
    return s3_server


@pytest.fixture(autouse=True)
def _all_servers_are_up() -> None:
    retries._down.clear()


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(QUICK, tmp_path / "home")
