// One page that shows how it is: what users notice first, then what it comes from, then what it costs.

import { Duration, type Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';

import type { Compute } from '../compute.ts';
import type { Data } from '../data.ts';
import type { Edge } from '../edge.ts';
import type { Stage } from '../stage.ts';
import { every } from './own.ts';

export interface DashboardProps {
  readonly stage: Stage;
  readonly data: Data;
  readonly compute: Compute;
  readonly edge: Edge;
  readonly alarms: ReadonlyMap<string, cloudwatch.Alarm>;
}

const PERIOD = Duration.minutes(1);

export function dashboard(stack: Stack, props: DashboardProps): void {
  const page = new cloudwatch.Dashboard(stack, 'Dashboard', {
    dashboardName: `fieldfuze-${props.stage.name}`,
    defaultInterval: Duration.hours(3),
  });
  page.addWidgets(
    new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: [...props.alarms.values()], width: 24, height: 5 }),
  );
  page.addWidgets(...requests(props));
  page.addWidgets(...behind(props));
  page.addWidgets(...tables(props));
  for (const row of ofServices(props)) page.addWidgets(...row);
}

/** What only the services know: each row of three. */
function ofServices({ stage }: DashboardProps): cloudwatch.GraphWidget[][] {
  const shown = (title: string, name: string, statistic: string, label: string, only = ''): cloudwatch.GraphWidget =>
    graph(title, [every(stage, name, statistic, only)], label);
  return [
    [
      shown('Requests by route and outcome', 'requests', 'Sum', 'a minute'),
      shown('Time to answer by route, slowest in a hundred', 'request_time', 'p99', 'milliseconds'),
      shown('Requests refused unread', 'requests_shed', 'Sum', 'a minute'),
    ],
    [
      shown('Read models are behind by', 'stream_lag', 'Maximum', 'seconds'),
      shown('Shards that nobody reads', 'shards_without_owner', 'Maximum', 'shards'),
      shown('Shards that each projector reads', 'shards_held', 'Maximum', 'shards'),
    ],
    [
      shown('Records projected', 'records_applied', 'Sum', 'a minute'),
      shown('Time to bring a stream up to date, slowest in a hundred', 'projection_time', 'p99', 'milliseconds'),
      shown('What went otherwise than usual', 'stream_incidents', 'Sum', 'a minute'),
    ],
    [
      shown('Streams set aside', 'parked_streams', 'Maximum', 'streams'),
      shown('Gaps healed', 'gaps_healed', 'Sum', 'a minute'),
      shown('Rows not as the log says', 'drift', 'Sum', 'a minute'),
    ],
    [
      shown('Commits', 'appends', 'Sum', 'a minute'),
      shown('Appends that came second', 'append_conflicts', 'Sum', 'a minute'),
      shown('Commands decided again', 'append_retries', 'Sum', 'a minute'),
    ],
    [
      shown('Text messages by outcome', 'sends', 'Sum', 'a minute'),
      shown('What the provider told afterwards', 'receipts', 'Sum', 'a minute'),
      shown('To be mended before messages get through', 'send_alarms', 'Sum', 'a minute'),
    ],
    [
      shown('Messages that wait, by lane', 'queue_depth', 'Maximum', 'messages'),
      shown('How long messages wait, by lane, slowest in a hundred', 'queue_age', 'p99', 'milliseconds'),
      shown('Sign-ins by result', 'sign_ins', 'Sum', 'a minute'),
    ],
    [
      shown('Passwords at work or waiting', 'hash_queue', 'Maximum', 'passwords'),
      shown('Time to hash a password, slowest in a hundred', 'hash_time', 'p99', 'milliseconds'),
      shown('Age of the rights by which tokens are judged', 'revocation_age', 'Maximum', 'seconds'),
    ],
    [
      shown('Cost: capacity by table and service', 'capacity', 'Sum', 'thousandths of a unit a minute'),
      shown('Calls of AWS that failed', 'aws_failures', 'Sum', 'a minute'),
      shown('Warnings and errors logged', 'log_lines', 'Sum', 'lines a minute'),
    ],
    [shown('Lines left out of the logs', 'log_lines_left_out', 'Sum', 'lines a minute')],
  ];
}

function graph(title: string, left: cloudwatch.IMetric[], label?: string): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({
    title,
    left,
    width: 8,
    height: 6,
    period: PERIOD,
    ...(label && { leftYAxis: { label, min: 0 } }),
  });
}

function requests({ compute, edge }: DashboardProps): cloudwatch.GraphWidget[] {
  const each = (metricName: string, statistic: string): cloudwatch.Metric[] =>
    [...compute.targetGroups].map(
      ([name, group]) =>
        new cloudwatch.Metric({
          namespace: 'AWS/ApplicationELB',
          metricName,
          statistic,
          label: name,
          dimensionsMap: { LoadBalancer: edge.balancerName, TargetGroup: group.targetGroupFullName },
        }),
    );
  return [
    graph('Requests', each('RequestCount', 'Sum'), 'a minute'),
    graph('Errors (5xx)', each('HTTPCode_Target_5XX_Count', 'Sum'), 'a minute'),
    graph('Time to answer, slowest in a hundred', each('TargetResponseTime', 'p99'), 'seconds'),
  ];
}

function behind({ data, compute }: DashboardProps): cloudwatch.GraphWidget[] {
  const lanes = [...data.lanes];
  const cpu = [...compute.groups].map(
    ([colour, group]) =>
      new cloudwatch.Metric({
        namespace: 'AWS/EC2',
        metricName: 'CPUUtilization',
        label: colour,
        dimensionsMap: { AutoScalingGroupName: group.autoScalingGroupName },
      }),
  );
  return [
    graph('CPU', cpu, 'percent'),
    graph(
      'Oldest message that waits',
      lanes.map(([label, { queue }]) => queue.metricApproximateAgeOfOldestMessage({ label })),
      'seconds',
    ),
    graph(
      'Dead letters',
      lanes.map(([label, { deadLetters }]) => deadLetters.metricApproximateNumberOfMessagesVisible({ label })),
      'messages',
    ),
  ];
}

function tables({ data }: DashboardProps): cloudwatch.GraphWidget[] {
  const each = (metricName: string): cloudwatch.Metric[] =>
    [...data.tables].map(
      ([label, table]) =>
        new cloudwatch.Metric({
          namespace: 'AWS/DynamoDB',
          metricName,
          label,
          statistic: 'Sum',
          dimensionsMap: { TableName: table.tableName },
        }),
    );
  return [
    graph('Read units', each('ConsumedReadCapacityUnits'), 'a minute'),
    graph('Write units', each('ConsumedWriteCapacityUnits'), 'a minute'),
    graph('Throttled writes', each('WriteThrottleEvents'), 'a minute'),
  ];
}
