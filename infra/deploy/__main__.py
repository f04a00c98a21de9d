"""python3 -m deploy STAGE (DIGEST | --back) [--dry-run] [--bake SECONDS]: run it in `infra/`, with boto3.

Exit code 0: it is so. 1: a step failed, and the colour that took the traffic still does. 2: nothing was changed.
"""

from __future__ import annotations

import argparse
import sys

from botocore.exceptions import BotoCoreError, ClientError

from .bundle import bundle
from .cloud import Cloud, Failed
from .plan import STAGES, Do, Plan, Refused, back, check, plan

# Seconds in which an alarm brings the old colour back; then its instances end.
BAKE = 600


def carry_out(cloud: Cloud, planned: Plan, bake: int) -> None:
    """Does the steps in their order."""
    for step in planned.steps:
        print(step.text, flush=True)
        match step.do:
            case Do.SETTLE:
                cloud.settle(planned.old)
            case Do.UPLOAD:
                cloud.upload(planned.digest, bundle(planned.digest))
            case Do.RAISE:
                cloud.raise_to(planned.new, planned.size)
            case Do.DEPLOY:
                _deploy(cloud, planned)
            case Do.FLIP:
                cloud.flip(planned.new)
            case Do.FOLLOW:
                cloud.follow(planned.new, planned.old)
            case Do.ADOPT:
                cloud.settle(planned.new)
            case Do.BAKE:
                if not cloud.bake(bake):
                    carry_out(cloud, back(cloud.observe()), 0)
                    raise Failed(f"an alarm rang: {planned.old.value} takes the traffic again")
            case Do.SHRINK:
                cloud.shrink(planned.old)


def _deploy(cloud: Cloud, planned: Plan) -> None:
    try:
        cloud.deploy(planned.new, planned.digest)
    except Failed:
        # What took the traffic still does. Nobody needs the instances that failed.
        cloud.shrink(planned.new)
        raise


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy", description="Brings an image onto the idle colour of a stage.")
    parser.add_argument("stage", help=" or ".join(STAGES))
    parser.add_argument("digest", nargs="?", help="the image's digest, sha256:…")
    parser.add_argument("--back", action="store_true", help="go back to the colour of before")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--bake", type=int, default=BAKE, metavar="SECONDS", help=f"{BAKE} unless said")
    asked = parser.parse_args(arguments)
    try:
        if asked.back == (asked.digest is not None):
            raise Refused("say either a digest or --back")
        check(asked.stage, asked.digest or f"sha256:{'0' * 64}")
        cloud = Cloud(asked.stage)
        observed = cloud.observe()
        planned = back(observed) if asked.back else plan(observed, asked.digest, asked.bake)
        if not planned.steps:
            print(f"{planned.digest} is on {planned.new.value} and takes the traffic: nothing to do")
        elif asked.dry_run:
            for number, step in enumerate(planned.steps, 1):
                print(f"{number}. {step.text}")
        else:
            carry_out(cloud, planned, asked.bake)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except (Failed, ClientError, BotoCoreError) as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
