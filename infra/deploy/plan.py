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
    #: The image that its last deployment brought. None when there was none, or it did not end well.
    digest: str | None


@dataclass(frozen=True)
class Observed:
    """Everything that a plan depends on."""

    active: Colour | None
    groups: dict[Colour, Group]
    #: CodeDeploy's deployment that runs.
    running: str | None
    #: What another run of this script does.
    held: str | None


class Do(Enum):
    """The steps, each of which may be repeated."""

    SETTLE = "make the deployment group of {new} what it must be, with {old} as what is replaced"
    UPLOAD = "upload the bundle of {digest}"
    RAISE = "raise {new} to {size} instances"
    DEPLOY = "deploy {digest} to {new}, and wait until it is ready and takes the traffic"
    ADOPT = "let CodeDeploy bring this image onto what scaling adds to {new}"
    FLIP = "write down that {new} is active"
    FOLLOW = "let {new} register what scaling adds, and {old} no more once all of {new} is healthy"
    BAKE = "wait for {bake} s, and go back to {old} if an alarm rings"
    SHRINK = "shrink {old} to nothing"


# From an idle colour without instances to one that is active.
WHOLE = (Do.SETTLE, Do.UPLOAD, Do.RAISE, Do.DEPLOY, Do.ADOPT, Do.FLIP, Do.FOLLOW)


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
    _nobody_deploys(observed)
    active = observed.active
    for colour in (active, active.other) if active else tuple(Colour):
        if observed.groups[colour].digest == digest and observed.groups[colour].in_service > 0:
            return _of(observed, colour, digest, bake, _left(observed, colour))
    return _of(observed, active.other if active else Colour.BLUE, digest, bake, _whole(observed))


def again(observed: Observed, bake: int) -> Plan:
    """The steps that bring the active colour's image onto new instances, which are told the settings of now."""
    _nobody_deploys(observed)
    if observed.active is None:
        raise Refused("nothing was deployed yet")
    active, idle = observed.groups[observed.active], observed.groups[observed.active.other]
    new = observed.active.other
    if active.digest is None:
        raise Refused(f"the last deployment to {observed.active.value} did not end well: say the digest that it shall have")
    if idle.desired == 0:
        return _of(observed, new, active.digest, bake, _whole(observed))
    if idle.digest == active.digest and idle.in_service > 0:
        return _of(observed, new, active.digest, bake, _left(observed, new))
    raise Refused(f"{new.value} has instances of before: deploy {active.digest}, which ends them, and then do it again")


def back(observed: Observed) -> Plan:
    """The steps back to the colour that took the traffic before, as long as it has instances.

    Another run may be under way: it is told that it was overtaken. A deployment of CodeDeploy may not.
    """
    _nothing_runs(observed)
    if observed.active is None:
        raise Refused("nothing was deployed yet")
    old = observed.active.other
    if observed.groups[old].in_service == 0:
        raise Refused(f"{old.value} has no instances any more: deploy the digest of before")
    return _of(observed, old, "the image of before", 0, [Do.FLIP, Do.FOLLOW])


def _whole(observed: Observed) -> list[Do]:
    return [*WHOLE, Do.BAKE, Do.SHRINK] if observed.active else list(WHOLE)


def _left(observed: Observed, new: Colour) -> list[Do]:
    """What was cut off, once the image is on `new`."""
    old = observed.groups[new.other]
    steps = [] if observed.active is new else [Do.ADOPT, Do.FLIP]
    if not observed.groups[new].takes_traffic or old.takes_traffic:
        steps.append(Do.FOLLOW)
    if old.desired > 0:
        steps += [Do.SHRINK] if observed.active is new else [Do.BAKE, Do.SHRINK]
    return steps


def _nobody_deploys(observed: Observed) -> None:
    if observed.held:
        raise Refused(f"{observed.held}: wait for its end, or go back with --back")
    _nothing_runs(observed)


def _nothing_runs(observed: Observed) -> None:
    if observed.running:
        raise Refused(f"deployment {observed.running} is running: wait for its end, or stop it")


def _of(observed: Observed, new: Colour, digest: str, bake: int, steps: list[Do]) -> Plan:
    replaced = observed.groups[new.other]
    size = max(observed.groups[new].least, replaced.desired)
    words = {"new": new.value, "old": new.other.value, "size": size, "digest": digest, "bake": bake}
    return Plan(new, new.other, size, digest, tuple(Step(do, do.value.format(**words)) for do in steps))
