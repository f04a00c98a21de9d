// Rules of cdk-nag that are broken on purpose, each with its reason beside the code that breaks it.

import { Stack, Validations } from 'aws-cdk-lib';
import type { CfnElement } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** A rule that `scope` breaks. */
export function acknowledge(scope: IConstruct, rule: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions::AwsSolutions-${rule}`, reason });
}

/** Wildcards in the policies of `scope`: by what cdk-nag says of each, `Action::…` or `Resource::…`. */
export function wildcards(scope: IConstruct, reasons: Readonly<Record<string, string>>): void {
  for (const [finding, reason] of Object.entries(reasons)) acknowledge(scope, `IAM5[${finding}]`, reason);
}

/** How cdk-nag writes the account in an ARN. */
export const ACCOUNT = '<AWS::AccountId>';

/** How cdk-nag writes the objects of a bucket. */
export function objectsOf(bucket: IConstruct): string {
  const element = bucket.node.defaultChild as CfnElement;
  return `Resource::<${Stack.of(bucket).getLogicalId(element)}.Arn>/*`;
}
