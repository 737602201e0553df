"""A real S3 server on this machine, behind a proxy that counts requests and misbehaves."""

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from http_server import Proxy, Server, serving


class Storage:
    """A bucket `pictures` behind a proxy that counts requests, and misbehaves when told to."""

    def __init__(self, server: Server, proxy: Proxy, upstream: str) -> None:
        self.server, self.proxy = server, proxy
        self.straight = f"http://{upstream}"
        self._client = boto3.client("s3", endpoint_url=self.straight)

    def put(self, name: str, data: bytes) -> None:
        self._client.put_object(Bucket="pictures", Key=name, Body=data)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket="pictures", Key=name)

    def names(self, prefix: str = "") -> list[str]:
        found = self._client.get_paginator("list_objects_v2").paginate(
            Bucket="pictures", Prefix=prefix
        )
        return [each["Key"] for page in found for each in page.get("Contents", ())]

    def get(self, name: str) -> bytes:
        return self._client.get_object(Bucket="pictures", Key=name)["Body"].read()

    def empty(self) -> None:
        for name in self.names():
            self.delete(name)

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
