// Alarms are told to somebody, and each is in the runbook.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { agentSettings } from '../lib/compute/user-data.ts';
import { contract } from '../lib/contract.ts';
import { ROLLS_BACK } from '../lib/observability/alarms.ts';
import { every, own } from '../lib/observability/own.ts';
import { stageOf } from '../lib/stage.ts';
import { all, templates } from './stacks.ts';

const of = templates('production');
const alarms = all(of, 'AWS::CloudWatch::Alarm').map((alarm) => alarm.Properties);
const names = alarms.map((alarm) => (alarm.AlarmName as string).replace('fieldfuze-production-', ''));

test('every alarm is told, also when it is over, and says what users notice', () => {
  assert.ok(alarms.length > 0);
  for (const alarm of alarms.filter((alarm) => !/TargetTracking/.test(alarm.AlarmName))) {
    assert.equal(alarm.AlarmActions.length, 1, alarm.AlarmName);
    assert.equal(alarm.OKActions.length, 1, alarm.AlarmName);
    assert.match(alarm.AlarmDescription, /[Uu]sers? /, alarm.AlarmName);
  }
});

test('every alarm is in the runbook, and the runbook has no other', () => {
  const text = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');
  const [, runbook] = /\n## Alarms\n([\s\S]*?)\n## /.exec(text) ?? assert.fail('docs/OPERATIONS.md has no "## Alarms"');
  const entries = [...runbook!.matchAll(/^### (.*)$/gm)].flatMap(([, title]) =>
    [...title!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  );
  const isIn = (name: string): boolean =>
    entries.some((entry) => new RegExp(`^${entry.replaceAll('…', '.+')}$`).test(name));
  assert.deepEqual(
    names.filter((name) => !isIn(name)),
    [],
  );
  const isReal = (entry: string): boolean =>
    names.some((name) => new RegExp(`^${entry.replaceAll('…', '.+')}$`).test(name));
  assert.deepEqual(
    entries.filter((entry) => !isReal(entry)),
    [],
  );
});

test('every table, lane and service behind the load balancer has its alarms', () => {
  const wanted = [
    ...contract.tables.map((table) => `table-${table.name}-throttled`),
    ...contract.queues.flatMap((queue) => [`${queue.name}-old`, `${queue.name}-dead`]),
    ...['command-api', 'query-api'].flatMap((name) => [`${name}-5xx`, `${name}-slow`, `${name}-unhealthy`]),
  ];
  assert.deepEqual(
    wanted.filter((name) => !names.includes(name)),
    [],
  );
});

test('the disk alarm asks for what the agent says of both colours', () => {
  const alarm = alarms.find((alarm) => alarm.AlarmName === 'fieldfuze-production-disk-filling');
  const asked = alarm!.Metrics.flatMap((metric: any) => (metric.MetricStat ? [metric.MetricStat.Metric] : []));
  const { metrics } = JSON.parse(agentSettings(stageOf('production')));
  assert.deepEqual(metrics.aggregation_dimensions, [['AutoScalingGroupName']]);
  assert.deepEqual(metrics.metrics_collected.disk.measurement, ['used_percent']);
  for (const metric of asked) {
    assert.deepEqual([metric.Namespace, metric.MetricName], [metrics.namespace, 'disk_used_percent']);
    assert.deepEqual(
      metric.Dimensions.map((dimension: any) => dimension.Name),
      ['AutoScalingGroupName'],
    );
  }
  assert.equal(asked.length, 2);
});

test('one alarm rolls a deployment back', () => {
  const [composite] = all(of, 'AWS::CloudWatch::CompositeAlarm');
  assert.equal(composite!.Properties.AlarmName, 'fieldfuze-production-rollback');
  assert.equal(JSON.stringify(composite!.Properties.AlarmRule).match(/ALARM\(/g)?.length, ROLLS_BACK.length);
});

test('logs of all services are kept for as long as the stage says, in the groups that the agent writes to', () => {
  const groups = new Map(
    all(of, 'AWS::Logs::LogGroup').map((group) => [group.Properties.LogGroupName, group.Properties.RetentionInDays]),
  );
  const written = JSON.parse(agentSettings(stageOf('production'))).logs.logs_collected.files.collect_list;
  for (const { log_group_name } of written) assert.equal(groups.get(log_group_name), 90, log_group_name);
  assert.deepEqual(written.length, contract.services.length + 1);
});

test('dashboard and alarms ask for what the code emits, and the dashboard for all of it', () => {
  const pages = all(of, 'AWS::CloudWatch::Dashboard').map((page) => JSON.stringify(page.Properties.DashboardBody));
  const shown = new Set(
    pages.flatMap((page) =>
      [...page.matchAll(/\{FieldFuze\/production[^}]*\} MetricName=[\\"]+(\w+)/g)].map(([, name]) => name!),
    ),
  );
  assert.deepEqual([...shown].sort(), contract.metrics.map(({ name }) => name).sort());
  const asked = JSON.stringify(alarms).matchAll(/"MetricName":"(\w+)","Namespace":"FieldFuze\/production"/g);
  const rung = [...asked].map(([, name]) => name!);
  assert.ok(rung.length > 10, `${rung.length}`);
  for (const name of rung) assert.ok(shown.has(name), name);
});

test('what the code does not emit cannot be asked for', () => {
  const stage = stageOf('production');
  assert.throws(() => own(stage, 'projector', 'no_such_metric', 'Sum'), /no metric no_such_metric/);
  assert.throws(() => own(stage, 'projector', 'sends', 'Sum'), /told apart by outcome/);
  assert.throws(() => every(stage, 'no_such_metric', 'Sum'), /no metric no_such_metric/);
});
