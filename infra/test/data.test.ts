// Tables and queues are what the contract says, and what no emulator shows of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contract, type TableDefinition } from '../lib/contract.ts';
import { all, type Resource, templates } from './stacks.ts';

const TABLE = 'AWS::DynamoDB::Table';

/** What a template's table says of itself in the words of the contract. */
function read({ Properties: table }: Resource): TableDefinition {
  const type = (name: string) =>
    table.AttributeDefinitions.find((one: any) => one.AttributeName === name).AttributeType;
  const key = (schema: any[], role: string) => {
    const found = schema.find((one) => one.KeyType === role);
    return found ? { name: found.AttributeName, type: type(found.AttributeName) } : null;
  };
  return {
    name: table.TableName.replace('fieldfuze-production-', ''),
    partition: key(table.KeySchema, 'HASH')!,
    sort: key(table.KeySchema, 'RANGE'),
    indexes: (table.GlobalSecondaryIndexes ?? []).map((index: any) => ({
      name: index.IndexName,
      partition: key(index.KeySchema, 'HASH')!,
      sort: key(index.KeySchema, 'RANGE')!,
    })),
    streamed: table.StreamSpecification?.StreamViewType === 'NEW_IMAGE',
    time_to_live: table.TimeToLiveSpecification?.Enabled ? table.TimeToLiveSpecification.AttributeName : null,
  };
}

for (const capacity of ['on-demand', 'provisioned'] as const) {
  test(`tables are what the contract says, paid for as ${capacity}`, () => {
    const tables = all(templates('production', { capacity }), TABLE);
    assert.deepEqual(tables.map(read), contract.tables);
  });
}

test('tables can be restored, are encrypted with our key, and outlive the stack', () => {
  for (const table of all(templates('production'), TABLE)) {
    const name = table.Properties.TableName;
    assert.equal(table.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled, true, name);
    assert.equal(table.Properties.SSESpecification.SSEType, 'KMS', name);
    assert.ok(table.Properties.SSESpecification.KMSMasterKeyId, name);
    assert.equal(table.Properties.DeletionProtectionEnabled, true, name);
    assert.equal(table.DeletionPolicy, 'Retain', name);
  }
});

test('nobody changes the log, and no other table says so', () => {
  const guarded = all(templates('production'), TABLE).filter((table) => table.Properties.ResourcePolicy);
  assert.deepEqual(
    guarded.map((table) => table.Properties.TableName),
    ['fieldfuze-production-events'],
  );
  const [statement] = guarded[0]!.Properties.ResourcePolicy.PolicyDocument.Statement;
  assert.deepEqual([statement.Effect, statement.Principal], ['Deny', { AWS: '*' }]);
  for (const action of ['UpdateItem', 'DeleteItem', 'BatchWriteItem', 'PartiQLUpdate', 'PartiQLDelete']) {
    assert.ok(statement.Action.includes(`dynamodb:${action}`), action);
  }
  assert.ok(!statement.Action.includes('dynamodb:PutItem'));
});

test('on-demand capacity has a maximum on every table and index', () => {
  for (const { Properties: table } of all(templates('production'), TABLE)) {
    assert.equal(table.BillingMode, 'PAY_PER_REQUEST');
    for (const one of [table, ...(table.GlobalSecondaryIndexes ?? [])]) {
      assert.deepEqual(one.OnDemandThroughput, { MaxReadRequestUnits: 8_000, MaxWriteRequestUnits: 4_000 });
    }
  }
});

test('reserved capacity follows the load on every table and index', () => {
  const provisioned = templates('production', { capacity: 'provisioned' });
  const each = contract.tables.reduce((sum, table) => sum + 1 + table.indexes.length, 0);
  const targets = all(provisioned, 'AWS::ApplicationAutoScaling::ScalableTarget');
  assert.equal(targets.length, each * 2);
  assert.equal(all(provisioned, 'AWS::ApplicationAutoScaling::ScalingPolicy').length, each * 2);
});

test('queues are what the contract says, and take nothing in the clear', () => {
  const of = templates('production');
  const queues = all(of, 'AWS::SQS::Queue');
  const lanes = queues.filter((queue) => queue.Properties.RedrivePolicy);
  const bare = (name: string): string => name.replace('fieldfuze-production-', '');
  assert.deepEqual(
    lanes.map((lane) => bare(lane.Properties.QueueName)),
    contract.queues.map((queue) => queue.name),
  );
  for (const lane of lanes) {
    assert.equal(lane.Properties.VisibilityTimeout, contract.visibility_seconds);
    assert.equal(lane.Properties.RedrivePolicy.maxReceiveCount, contract.max_receives);
  }
  const dead = queues.filter((queue) => !queue.Properties.RedrivePolicy);
  assert.deepEqual(
    dead.map((queue) => bare(queue.Properties.QueueName)),
    contract.queues.map((queue) => queue.dead_letters),
  );
  for (const queue of queues) {
    assert.equal(queue.Properties.SqsManagedSseEnabled, true);
    assert.equal(queue.Properties.MessageRetentionPeriod, contract.dead_letter_retention_seconds);
  }
  const policies = all(of, 'AWS::SQS::QueuePolicy').map((policy) => policy.Properties.PolicyDocument.Statement[0]);
  assert.equal(policies.length, queues.length);
  for (const statement of policies) {
    assert.deepEqual([statement.Effect, statement.Condition], ['Deny', { Bool: { 'aws:SecureTransport': 'false' } }]);
  }
});

test('keys rotate and outlive the stack, and so do secrets', () => {
  const of = templates('production');
  const keys = all(of, 'AWS::KMS::Key');
  assert.equal(keys.length, 2);
  for (const key of keys) assert.deepEqual([key.Properties.EnableKeyRotation, key.DeletionPolicy], [true, 'Retain']);
  for (const secret of all(of, 'AWS::SecretsManager::Secret')) assert.equal(secret.DeletionPolicy, 'Retain');
});
