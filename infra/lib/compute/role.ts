// The rights of the instances and of operators: exactly what the contract grants, on exactly these resources.

import { ArnFormat, type Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';

import { contract, type Principal, type Resource } from '../contract.ts';
import { type Data, prefixOf, secretNames } from '../data.ts';
import type { Stage } from '../stage.ts';

/** The three run on one instance, which has one role: IAM cannot tell them apart, so it holds what any of them needs. */
export const SERVICES: readonly Principal[] = ['command-api', 'query-api', 'projector'];

/** One statement for all resources that the same actions are granted on: a policy may have 6,144 characters. */
export function statements(stack: Stack, stage: Stage, data: Data, to: readonly Principal[]): iam.PolicyStatement[] {
  const actionsOn = new Map<string, Set<string>>();
  for (const { to: principal, on, actions } of contract.grants) {
    if (!to.includes(principal)) continue;
    const arn = arnOf(stack, stage, data, on);
    const known = actionsOn.get(arn) ?? new Set();
    actionsOn.set(arn, known);
    for (const action of actions) known.add(action);
  }
  const resourcesOf = new Map<string, string[]>();
  for (const [arn, actions] of actionsOn) {
    const key = [...actions].sort().join();
    resourcesOf.set(key, [...(resourcesOf.get(key) ?? []), arn]);
  }
  const each = [...resourcesOf].map(
    ([actions, resources]) => new iam.PolicyStatement({ actions: actions.split(','), resources }),
  );
  return [...each, storage(stack, data)];
}

function arnOf(stack: Stack, stage: Stage, data: Data, on: Resource): string {
  if (on === 'wrapping-key') return data.wrappingKey.keyArn;
  // Secrets Manager puts six characters behind a name.
  if (on === 'secrets') return `${secretArn(stack, secretNames(stage).services)}-??????`;
  const prefix = prefixOf(stage);
  if ('queue' in on)
    return stack.formatArn({ service: 'sqs', resource: prefix + on.queue, arnFormat: ArnFormat.NO_RESOURCE_NAME });
  const table = (of: string): string =>
    stack.formatArn({ service: 'dynamodb', resource: 'table', resourceName: prefix + of });
  if ('table' in on) return table(on.table);
  return 'indexes_of' in on ? `${table(on.indexes_of)}/index/*` : `${table(on.stream_of)}/stream/*`;
}

export function secretArn(stack: Stack, secretName: string): string {
  const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
  return stack.formatArn({ service: 'secretsmanager', resource: 'secret', resourceName: secretName, arnFormat });
}

/** DynamoDB asks for the tables' key in the caller's name; nobody else may use it, and not for anything else. */
function storage(stack: Stack, data: Data): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'StorageKeyThroughDynamoDb',
    actions: ['kms:Decrypt', 'kms:DescribeKey', 'kms:Encrypt', 'kms:GenerateDataKey*', 'kms:ReEncrypt*'],
    resources: [data.storageKey.keyArn],
    conditions: { StringEquals: { 'kms:ViaService': `dynamodb.${stack.region}.amazonaws.com` } },
  });
}
