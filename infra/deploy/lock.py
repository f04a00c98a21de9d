"""Who deploys a stage: an object beside the bundles, which S3 writes only while it is as it was when it was read."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .plan import Refused

KEY = "deployment.json"

# Seconds after the last look at it until it counts as given up. Whoever holds it looks every ten.
HELD_FOR = 300

# What S3 says when the object is not what it was, or is just being written by somebody else.
OTHERWISE = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")


class Overtaken(Exception):
    """Somebody else has gone on with the stage: nothing more may be done to it."""


@dataclass(frozen=True)
class Held:
    """The object as it was read."""

    owner: str
    doing: str
    until: float
    etag: str


class Lock:
    """Held by one run at a time. A run that was killed holds it for five minutes."""

    def __init__(self, objects: Any, bucket: str, who: str) -> None:
        self._objects = objects
        self._bucket = bucket
        self._owner = f"{who} {uuid.uuid4()}"
        self._doing = ""
        self._etag: str | None = None

    def held(self) -> str | None:
        """What another run does, and until when at the least. What is seen here is what `take` goes by."""
        found = self._read()
        if not self._doing:
            self._etag = found.etag if found else None
        if found is None or found.owner == self._owner or found.until < time.time():
            return None
        until = time.strftime("%H:%M:%S", time.gmtime(found.until))
        return f"{found.owner.split()[0]} {found.doing}, and holds the stage until {until} UTC at the least"

    def take(self, doing: str, over: bool) -> None:
        """Refuses if somebody has taken it since it was looked at; `over` takes it from whoever has it."""
        self._doing = doing
        try:
            self._write({} if over else self._unchanged(), HELD_FOR)
        except ClientError as error:
            if _code(error) not in OTHERWISE:
                raise
            raise Refused("another run has just begun: wait for its end") from error

    def hold(self) -> None:
        """Holds it for longer, unless somebody has taken it over."""
        try:
            self._write(self._unchanged(), HELD_FOR)
        except ClientError as error:
            if _code(error) not in OTHERWISE:
                raise
            # Or the answer to what was written before did not come, and it was written twice.
            found = self._read()
            if found is None or found.owner != self._owner:
                by = found.owner.split()[0] if found else "nobody"
                raise Overtaken(f"the stage is held by another run now ({by}): nothing more is done here") from error
            self._etag = found.etag

    def free(self) -> None:
        """Gives it back, unless somebody has taken it over."""
        try:
            self._write(self._unchanged(), 0)
        except ClientError as error:
            if _code(error) not in OTHERWISE:
                raise

    def _unchanged(self) -> dict[str, str]:
        return {"IfMatch": self._etag} if self._etag else {"IfNoneMatch": "*"}

    def _write(self, condition: dict[str, str], seconds: float) -> None:
        now = time.time()
        text = json.dumps({"owner": self._owner, "doing": self._doing, "written": now, "until": now + seconds})
        self._etag = self._objects.put_object(Bucket=self._bucket, Key=KEY, Body=text.encode(), **condition)["ETag"]

    def _read(self) -> Held | None:
        try:
            answer = self._objects.get_object(Bucket=self._bucket, Key=KEY)
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            if _code(error) == "NoSuchBucket":
                raise Refused(f"there is no bucket {self._bucket}: is the stage's compute stack there?") from error
            raise
        found = json.loads(answer["Body"].read())
        return Held(found["owner"], found["doing"], found["until"], answer["ETag"])


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
