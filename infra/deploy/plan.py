"""What a deployment would do, decided from what is there. Nothing here calls AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

STAGES = ("staging", "production")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Refused(Exception):
    """Why nothing was changed, in one line."""


class Colour(str, Enum):
    """One of the two auto scaling groups."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Colour":
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@dataclass(frozen=True)
class Group:
    """An auto scaling group as it is."""

    least: int
    most: int
    desired: int
    in_service: int
    takes_traffic: bool


@dataclass(frozen=True)
class Sent:
    """The last deployment that succeeded: which image, and to which colour."""

    digest: str
    colour: Colour


@dataclass(frozen=True)
class Observed:
    """Everything that a plan depends on."""

    active: Colour | None
    groups: dict[Colour, Group]
    running: str | None
    last: Sent | None


class Do(Enum):
    """The steps, each of which may be repeated."""

    SETTLE = "make the deployment group what it must be, with {old} as the colour that is replaced"
    UPLOAD = "upload the bundle of {digest}"
    RAISE = "raise {new} to {size} instances"
    DEPLOY = "deploy {digest} to {new}, and wait until it is ready and takes the traffic"
    FLIP = "write down that {new} is active"
    FOLLOW = "let {new} register what scaling adds, and {old} no more"
    ADOPT = "let CodeDeploy bring this image onto what scaling adds to {new}"
    BAKE = "wait for {bake} s, and go back to {old} if an alarm rings"
    SHRINK = "shrink {old} to nothing"


@dataclass(frozen=True)
class Step:
    """One step and what it says of itself."""

    do: Do
    text: str


@dataclass(frozen=True)
class Plan:
    """The steps towards one image on one colour."""

    new: Colour
    old: Colour
    size: int
    digest: str
    steps: tuple[Step, ...]


def check(stage: str, digest: str) -> None:
    """Refuses what can't be right before anything is asked of AWS."""
    if stage not in STAGES:
        raise Refused(f"unknown stage {stage}: {' or '.join(STAGES)}")
    if not DIGEST.fullmatch(digest):
        raise Refused(f"an image is named by its digest (sha256:…), not by {digest}")


def plan(observed: Observed, digest: str, bake: int) -> Plan:
    """The steps from what is there to `digest` taking the traffic. Running it again after it was cut off ends it."""
    _nothing_runs(observed)
    sent = observed.last
    if sent and sent.digest == digest and observed.groups[sent.colour].in_service > 0:
        new = sent.colour
        old = observed.groups[new.other]
        steps = []
        if observed.active is not new:
            steps.append(Do.FLIP)
        if not observed.groups[new].takes_traffic or old.takes_traffic:
            steps.append(Do.FOLLOW)
        if steps:
            steps.append(Do.ADOPT)
        if old.desired > 0:
            steps += [Do.BAKE, Do.SHRINK] if observed.active is not new else [Do.SHRINK]
        return _of(observed, new, digest, bake, steps)
    new = observed.active.other if observed.active else Colour.BLUE
    steps = [Do.SETTLE, Do.UPLOAD, Do.RAISE, Do.DEPLOY, Do.FLIP, Do.FOLLOW, Do.ADOPT]
    if observed.active:
        steps += [Do.BAKE, Do.SHRINK]
    return _of(observed, new, digest, bake, steps)


def back(observed: Observed) -> Plan:
    """The steps back to the colour that took the traffic before, as long as it has instances."""
    _nothing_runs(observed)
    if observed.active is None:
        raise Refused("nothing was deployed yet")
    old = observed.active.other
    if observed.groups[old].in_service == 0:
        raise Refused(f"{old.value} has no instances any more: deploy the digest of before")
    return _of(observed, old, "the image of before", 0, [Do.FLIP, Do.FOLLOW, Do.ADOPT])


def _nothing_runs(observed: Observed) -> None:
    if observed.running:
        raise Refused(f"deployment {observed.running} is running: wait for its end, or stop it")


def _of(observed: Observed, new: Colour, digest: str, bake: int, steps: list[Do]) -> Plan:
    replaced = observed.groups[new.other]
    size = max(observed.groups[new].least, replaced.desired)
    words = {"new": new.value, "old": new.other.value, "size": size, "digest": digest, "bake": bake}
    return Plan(new, new.other, size, digest, tuple(Step(do, do.value.format(**words)) for do in steps))
