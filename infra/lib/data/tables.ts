// One DynamoDB table as the contract defines it.

import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import type { Key, TableDefinition } from '../contract.ts';
import type { Site } from '../site.ts';

/**
 * What a table or an index may take of on-demand capacity in a second: what a mistake may cost at most. The log's
 * partitions give 1,000 writes a second each; 4,000 are far above what 128 requests at a time on four instances make.
 */
export const MOST_ON_DEMAND = { reads: 8_000, writes: 4_000 } as const;

/** Reserved capacity follows the load between these, at 70 % of what is reserved: the room for a minute's growth. */
export const RESERVED = { least: 5, most: 1_000, usedPercent: 70 } as const;

export interface TableProps {
  readonly definition: TableDefinition;
  readonly prefix: string;
  readonly key: IKey;
  readonly capacity: Site['capacity'];
}

export function table(scope: Construct, { definition, prefix, key, capacity }: TableProps): dynamodb.Table {
  const attribute = ({ name, type }: Key): dynamodb.Attribute => ({
    name,
    type: type === 'S' ? dynamodb.AttributeType.STRING : dynamodb.AttributeType.NUMBER,
  });
  const onDemand = capacity === 'on-demand';
  const limits = onDemand
    ? { maxReadRequestUnits: MOST_ON_DEMAND.reads, maxWriteRequestUnits: MOST_ON_DEMAND.writes }
    : { readCapacity: RESERVED.least, writeCapacity: RESERVED.least };
  const made = new dynamodb.Table(scope, name(definition.name), {
    tableName: `${prefix}${definition.name}`,
    partitionKey: attribute(definition.partition),
    ...(definition.sort && { sortKey: attribute(definition.sort) }),
    ...(definition.streamed && { stream: dynamodb.StreamViewType.NEW_IMAGE }),
    ...(definition.time_to_live && { timeToLiveAttribute: definition.time_to_live }),
    billingMode: onDemand ? dynamodb.BillingMode.PAY_PER_REQUEST : dynamodb.BillingMode.PROVISIONED,
    ...limits,
    encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED,
    encryptionKey: key,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: true,
    ...(definition.streamed && { resourcePolicy: appendOnly() }),
    removalPolicy: RemovalPolicy.RETAIN,
  });
  for (const index of definition.indexes) {
    made.addGlobalSecondaryIndex({
      indexName: index.name,
      partitionKey: attribute(index.partition),
      sortKey: attribute(index.sort),
      projectionType: dynamodb.ProjectionType.ALL,
      ...limits,
    });
  }
  if (!onDemand) follow(made, definition);
  return made;
}

/** Nobody changes the log or deletes from it, whatever their own policies say. What overwrites is a put, which has to be. */
function appendOnly(): iam.PolicyDocument {
  const changes = ['BatchWriteItem', 'DeleteItem', 'PartiQLDelete', 'PartiQLInsert', 'PartiQLUpdate', 'UpdateItem'];
  return new iam.PolicyDocument({
    statements: [
      new iam.PolicyStatement({
        sid: 'AppendOnly',
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: changes.map((change) => `dynamodb:${change}`),
        // The table that the policy is attached to.
        resources: ['*'],
      }),
    ],
  });
}

function follow(made: dynamodb.Table, definition: TableDefinition): void {
  const range = { minCapacity: RESERVED.least, maxCapacity: RESERVED.most };
  const target = { targetUtilizationPercent: RESERVED.usedPercent };
  made.autoScaleReadCapacity(range).scaleOnUtilization(target);
  made.autoScaleWriteCapacity(range).scaleOnUtilization(target);
  for (const { name } of definition.indexes) {
    made.autoScaleGlobalSecondaryIndexReadCapacity(name, range).scaleOnUtilization(target);
    made.autoScaleGlobalSecondaryIndexWriteCapacity(name, range).scaleOnUtilization(target);
  }
}

/** `notify-code-dead` as `NotifyCodeDead`. */
export function name(text: string): string {
  return text.replace(/(^|[-_])(\w)/g, (_match, _break, letter: string) => letter.toUpperCase());
}
