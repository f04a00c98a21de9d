"""What is called how in one stage."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Colour

REGION = "us-east-1"
SERVICES = ("command-api", "query-api")


@dataclass(frozen=True)
class Names:
    """The names that the stacks give, and what is made beside them."""

    stage: str
    account: str

    @property
    def application(self) -> str:
        """Of CodeDeploy. It has a deployment group for each colour, of the same name as the auto scaling group."""
        return f"fieldfuze-{self.stage}"

    @property
    def bucket(self) -> str:
        return f"fieldfuze-{self.stage}-bundles-{self.account}"

    @property
    def parameter(self) -> str:
        return f"/fieldfuze/{self.stage}/active-colour"

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/fieldfuze-{self.stage}-codedeploy"

    @property
    def alarm(self) -> str:
        return f"fieldfuze-{self.stage}-rollback"

    @property
    def target_groups(self) -> list[str]:
        return [f"fieldfuze-{self.stage}-{service}" for service in SERVICES]

    def group(self, colour: Colour) -> str:
        return f"fieldfuze-{self.stage}-{colour.value}"

    @staticmethod
    def bundle(digest: str) -> str:
        return f"{digest.removeprefix('sha256:')}.zip"
