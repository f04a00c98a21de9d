"""What would be done, from each state in which a stage can be."""

from __future__ import annotations

import dataclasses

import pytest

from .plan import WHOLE, Colour, Do, Group, Observed, Refused, again, back, check, plan

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
NONE = Group(least=4, most=12, desired=0, in_service=0, takes_traffic=False, digest=None)
ACTIVE = Group(least=4, most=12, desired=6, in_service=6, takes_traffic=True, digest=A)

FRESH = Observed(None, {Colour.BLUE: NONE, Colour.GREEN: NONE}, None, None)
BLUE = Observed(Colour.BLUE, {Colour.BLUE: ACTIVE, Colour.GREEN: NONE}, None, None)


def steps(observed: Observed, digest: str) -> list[Do]:
    return [step.do for step in plan(observed, digest, 600).steps]


def test_the_first_deployment_goes_to_blue_and_replaces_nothing() -> None:
    planned = plan(FRESH, A, 600)
    assert (planned.new, planned.size) == (Colour.BLUE, 4)
    assert [step.do for step in planned.steps] == [
        Do.SETTLE,
        Do.UPLOAD,
        Do.RAISE,
        Do.DEPLOY,
        Do.ADOPT,
        Do.FLIP,
        Do.FOLLOW,
    ]


def test_the_next_goes_to_the_idle_colour_which_becomes_as_large_as_the_active_one() -> None:
    planned = plan(BLUE, B, 600)
    assert (planned.new, planned.old, planned.size) == (Colour.GREEN, Colour.BLUE, 6)
    assert [step.do for step in planned.steps][-2:] == [Do.BAKE, Do.SHRINK]
    assert "deploy sha256:bbbb" in planned.steps[3].text and "to green" in planned.steps[3].text


def test_what_is_there_is_not_deployed_again() -> None:
    assert steps(BLUE, A) == []


@pytest.mark.parametrize(
    ("active", "old_takes_traffic", "left"),
    [
        (Colour.BLUE, True, [Do.ADOPT, Do.FLIP, Do.FOLLOW, Do.BAKE, Do.SHRINK]),
        (Colour.GREEN, True, [Do.FOLLOW, Do.SHRINK]),
        (Colour.GREEN, False, [Do.SHRINK]),
    ],
)
def test_a_deployment_that_was_cut_off_is_ended(active: Colour, old_takes_traffic: bool, left: list[Do]) -> None:
    new = dataclasses.replace(ACTIVE, takes_traffic=not old_takes_traffic, digest=B)
    old = dataclasses.replace(ACTIVE, takes_traffic=old_takes_traffic)
    cut_off = Observed(active, {Colour.GREEN: new, Colour.BLUE: old}, None, None)
    assert steps(cut_off, B) == left


def test_nothing_is_done_beside_a_deployment_that_runs() -> None:
    with pytest.raises(Refused, match="^deployment d-1 is running"):
        plan(dataclasses.replace(BLUE, running="d-1"), B, 600)


def test_nothing_is_done_beside_another_run_but_to_go_back() -> None:
    idle = dataclasses.replace(ACTIVE, takes_traffic=False)
    held = Observed(Colour.GREEN, {Colour.GREEN: ACTIVE, Colour.BLUE: idle}, None, "somebody deploys")
    with pytest.raises(Refused, match="^somebody deploys: wait for its end, or go back with --back"):
        plan(held, B, 600)
    with pytest.raises(Refused, match="^somebody deploys"):
        again(held, 600)
    assert back(held).new is Colour.BLUE


def test_again_wants_an_idle_colour_without_instances_of_before() -> None:
    assert [step.do for step in again(BLUE, 600).steps] == [*WHOLE, Do.BAKE, Do.SHRINK]
    assert (again(BLUE, 600).new, again(BLUE, 600).digest) == (Colour.GREEN, A)
    idle = dataclasses.replace(ACTIVE, takes_traffic=False, digest=B)
    with pytest.raises(Refused, match=f"^green has instances of before: deploy {A}"):
        again(dataclasses.replace(BLUE, groups={Colour.BLUE: ACTIVE, Colour.GREEN: idle}), 600)
    cut_off = dataclasses.replace(BLUE, groups={Colour.BLUE: ACTIVE, Colour.GREEN: dataclasses.replace(idle, digest=A)})
    left = [Do.ADOPT, Do.FLIP, Do.FOLLOW, Do.BAKE, Do.SHRINK]
    assert [step.do for step in again(cut_off, 600).steps] == left


def test_an_image_whose_deployment_did_not_end_well_is_deployed_again() -> None:
    unsure = dataclasses.replace(ACTIVE, digest=None)
    observed = dataclasses.replace(BLUE, groups={Colour.BLUE: unsure, Colour.GREEN: NONE})
    assert Do.DEPLOY in steps(observed, A)
    with pytest.raises(Refused, match="^the last deployment to blue did not end well"):
        again(observed, 600)


def test_one_goes_back_as_long_as_the_colour_of_before_has_instances() -> None:
    idle = dataclasses.replace(ACTIVE, takes_traffic=False)
    both = Observed(Colour.GREEN, {Colour.GREEN: ACTIVE, Colour.BLUE: idle}, None, None)
    planned = back(both)
    assert (planned.new, [step.do for step in planned.steps]) == (Colour.BLUE, [Do.FLIP, Do.FOLLOW])
    with pytest.raises(Refused, match="^green has no instances any more"):
        back(BLUE)
    with pytest.raises(Refused, match="^nothing was deployed yet"):
        back(FRESH)


@pytest.mark.parametrize(
    ("stage", "digest", "line"),
    [
        ("prod", A, "unknown stage prod: staging or production"),
        ("production", "latest", "an image is named by its digest"),
        ("production", A[:-1], "an image is named by its digest"),
        ("production", A + "\n", "an image is named by its digest"),
    ],
)
def test_what_cannot_be_right_is_refused(stage: str, digest: str, line: str) -> None:
    with pytest.raises(Refused, match=f"^{line}"):
        check(stage, digest)
