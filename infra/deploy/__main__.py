"""python3 -m deploy STAGE (DIGEST | --again | --back) [--dry-run] [--bake SECONDS]: run it in `infra/`, with boto3.

Exit code 0: it is so. 1: a step failed, and the colour that took the traffic still does. 2: nothing was changed.
"""

from __future__ import annotations

import argparse
import sys

from botocore.exceptions import BotoCoreError, ClientError

from .bundle import bundle
from .cloud import Cloud, Failed, TooLate
from .lock import Overtaken
from .plan import STAGES, Do, Observed, Plan, Refused, again, back, check, plan

# Seconds in which an alarm brings the old colour back; then its instances end.
BAKE = 600


def carry_out(cloud: Cloud, planned: Plan, bake: int) -> None:
    """Does the steps in their order, as long as nobody else goes on with the stage."""
    for step in planned.steps:
        print(step.text, flush=True)
        cloud.lock.hold()
        match step.do:
            case Do.SETTLE:
                cloud.settle(planned.new)
            case Do.UPLOAD:
                cloud.upload(planned.digest, bundle(planned.digest))
            case Do.RAISE:
                cloud.raise_to(planned.new, planned.size)
            case Do.DEPLOY:
                _deploy(cloud, planned)
            case Do.ADOPT:
                cloud.adopt(planned.new)
            case Do.FLIP:
                cloud.flip(planned.new)
            case Do.FOLLOW:
                cloud.follow(planned.new, planned.old)
            case Do.BAKE:
                if not cloud.bake(planned.new, bake):
                    _turn_back(cloud, planned)
            case Do.SHRINK:
                cloud.must_serve(planned.new)
                cloud.shrink(planned.old)


def _turn_back(cloud: Cloud, planned: Plan) -> None:
    try:
        carry_out(cloud, back(cloud.observe()), 0)
    except Refused as refused:
        raise Failed(f"an alarm rang, and there is no way back: {refused}") from refused
    raise Failed(f"an alarm rang: {planned.old.value} takes the traffic again")


def _deploy(cloud: Cloud, planned: Plan) -> None:
    try:
        cloud.deploy(planned.new, planned.digest)
    except TooLate as late:
        # Some of it may take the traffic.
        raise Failed(f"{late}. {planned.new.value} is still running: look at CodeDeploy before you shrink it") from late
    except Failed:
        # What took the traffic still does. Nobody needs the instances that failed.
        cloud.shrink(planned.new)
        raise


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy", description="Brings an image onto the idle colour of a stage.")
    parser.add_argument("stage", help=" or ".join(STAGES))
    parser.add_argument("digest", nargs="?", help="the image's digest, sha256:…")
    parser.add_argument("--again", action="store_true", help="the active image on new instances, for changed settings")
    parser.add_argument("--back", action="store_true", help="go back to the colour of before, whoever deploys")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--bake", type=int, default=BAKE, metavar="SECONDS", help=f"{BAKE} unless said")
    asked = parser.parse_args(arguments)
    try:
        if [asked.back, asked.again, asked.digest is not None].count(True) != 1:
            raise Refused("say either a digest, --again or --back")
        check(asked.stage, asked.digest or f"sha256:{'0' * 64}")
        cloud = Cloud(asked.stage)
        planned = _plan(cloud.observe(), asked)
        if not planned.steps:
            print(f"{planned.digest} is on {planned.new.value} and takes the traffic: nothing to do")
        elif asked.dry_run:
            for number, step in enumerate(planned.steps, 1):
                print(f"{number}. {step.text}")
        else:
            cloud.lock.take(f"brings {planned.digest} onto {planned.new.value}", over=asked.back)
            try:
                carry_out(cloud, planned, asked.bake)
            finally:
                cloud.lock.free()
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except (Failed, Overtaken, ClientError, BotoCoreError) as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _plan(observed: Observed, asked: argparse.Namespace) -> Plan:
    if asked.back:
        return back(observed)
    return again(observed, asked.bake) if asked.again else plan(observed, asked.digest, asked.bake)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
