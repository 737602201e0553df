"""Where a workspace is published: the URL of a bucket and a prefix, as the environment says."""

import os

from sortal.configs import OBJECTS_VARIABLE
from sortal.configs.errors import UsageError
from sortal.storage.objects.filesystems import EXTRAS, scheme_of


def configured() -> str | None:
    """The URL in the environment without a slash at its end; None: the workspace's folder is all.

    Raises UsageError for anything but a bucket.
    """
    url = os.environ.get(OBJECTS_VARIABLE, "").strip().rstrip("/")
    if not url:
        return None
    bucket = url.partition("://")[2].partition("/")[0]
    if scheme_of(url) not in EXTRAS or not bucket:
        raise UsageError(
            f"{OBJECTS_VARIABLE} must be a bucket and a prefix, such as s3://bucket/sortal, "
            f"got {url!r}"
        )
    if EXTRAS[scheme_of(url)] == "s3" and "@" in bucket:  # s3://KEY:SECRET@bucket
        raise UsageError(
            f"{OBJECTS_VARIABLE} must hold no credentials; set those of its provider, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return url
