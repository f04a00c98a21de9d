// The alarms, on AWS's own metrics and on the services'. Each name has an entry in the runbook of `docs/OPERATIONS.md`, by test.

import { Duration, type Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { HttpCodeElb, HttpCodeTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { ITopic } from 'aws-cdk-lib/aws-sns';

import type { Compute } from '../compute.ts';
import { contract, type ServiceName } from '../contract.ts';
import type { Data } from '../data.ts';
import type { Edge } from '../edge.ts';
import type { Stage } from '../stage.ts';
import { own } from './own.ts';

export interface AlarmsProps {
  readonly stage: Stage;
  readonly data: Data;
  readonly compute: Compute;
  readonly edge: Edge;
  readonly topic: ITopic;
}

interface Rule {
  readonly name: string;
  /** What a user notices, or what will happen. */
  readonly description: string;
  readonly metric: cloudwatch.IMetric;
  readonly threshold: number;
  /** Minutes in a row. */
  readonly minutes: number;
  readonly below?: boolean;
  /** When there is no figure. What counts requests has none while nobody asks. */
  readonly missing?: cloudwatch.TreatMissingData;
}

const MINUTE = Duration.minutes(1);

/** What a lane's oldest message may wait, in seconds: a code is asked for by somebody who watches the screen. */
const OLDEST_SECONDS = { 'notify-code': 30, 'notify-transactional': 300, 'notify-bulk': 3_600 } as Record<
  string,
  number
>;

/** How far the read models may be behind, in seconds: a hand-over takes one, a projector that was killed eleven. */
const LATE_SECONDS = 30;

/** Of 20 GB: two images and a day of logs leave more than half of it free. */
const DISK_PERCENT = 80;

/** At 5 s requests are refused. */
const RIGHTS_OLD_SECONDS = 5;

/** What must never make a deployment go on. */
export const ROLLS_BACK = ['balancer-5xx', 'command-api-5xx', 'query-api-5xx', 'command-api-slow', 'query-api-slow'];

export function alarms(stack: Stack, props: AlarmsProps): Map<string, cloudwatch.Alarm> {
  const action = new SnsAction(props.topic);
  return new Map(
    rules(props).map((rule) => {
      const alarm = new cloudwatch.Alarm(stack, rule.name, {
        alarmName: `fieldfuze-${props.stage.name}-${rule.name}`,
        alarmDescription: rule.description,
        metric: rule.metric,
        threshold: rule.threshold,
        evaluationPeriods: rule.minutes,
        comparisonOperator: rule.below
          ? cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
          : cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: rule.missing ?? cloudwatch.TreatMissingData.NOT_BREACHING,
      });
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
      return [rule.name, alarm];
    }),
  );
}

function rules(props: AlarmsProps): Rule[] {
  return [
    ...ofRequests(props),
    ...ofEdge(props),
    ...ofProjection(props),
    ...ofServices(props),
    ...ofMessages(props),
    ...ofQueues(props),
    ...ofTables(props),
    ofDisks(props),
  ];
}

function ofProjection({ stage }: AlarmsProps): Rule[] {
  const drift = Object.fromEntries(
    ['user', 'role', 'notification'].map((category) => [
      category,
      own(stage, 'projector', 'drift', 'Sum', { category }),
    ]),
  );
  return [
    {
      name: 'projection-late',
      description: 'Users see old data: what was changed is not shown yet',
      metric: own(stage, 'projector', 'stream_lag', 'Maximum'),
      threshold: LATE_SECONDS,
      minutes: 3,
      // Each projector says it every minute: silence is worse than a large figure.
      missing: cloudwatch.TreatMissingData.BREACHING,
    },
    {
      name: 'shards-unread',
      description: 'Users see old data: nobody reads a part of the log',
      metric: own(stage, 'projector', 'shards_without_owner', 'Minimum'),
      threshold: 1,
      minutes: 3,
    },
    {
      name: 'streams-parked',
      description: 'Some user or role is shown as it was: one of its commits cannot be read, and it is set aside',
      metric: own(stage, 'projector', 'parked_streams', 'Maximum'),
      threshold: 1,
      minutes: 1,
    },
    {
      name: 'drift',
      description: 'Users may have seen what was not so: the audit found rows that are not as the log says',
      metric: new cloudwatch.MathExpression({
        label: 'drift',
        expression: Object.keys(drift)
          .map((category) => `FILL(${category}, 0)`)
          .join(' + '),
        usingMetrics: drift,
        period: MINUTE,
      }),
      threshold: 1,
      minutes: 1,
    },
  ];
}

function ofServices({ stage }: AlarmsProps): Rule[] {
  const judging: ServiceName[] = ['command-api', 'query-api'];
  return [
    ...contract.services.map(({ name }): Rule => ({
      name: `${name}-errors`,
      description: `Users may see errors, or soon will: ${name} logs them`,
      metric: own(stage, name, 'log_lines', 'Sum', { level: 'error' }),
      threshold: 10,
      minutes: 3,
    })),
    ...judging.map((name): Rule => ({
      name: `${name}-rights-old`,
      description: `Users are refused with 503: ${name} does not know what they may do`,
      metric: own(stage, name, 'revocation_age', 'Maximum'),
      threshold: RIGHTS_OLD_SECONDS,
      minutes: 2,
    })),
  ];
}

function ofMessages({ stage }: AlarmsProps): Rule[] {
  const causes = {
    'sending-stopped': 'Users get no text messages: the provider refuses all of them, or does not answer',
    'daily-cap': 'Users get no text messages of a lane until midnight UTC: its part of the day is used up',
    'message-refused': 'Some user gets no text message: the provider refuses it for a reason that lies with us',
    'notification-dead': 'Some user gets no text message: its data cannot be read',
  };
  return [
    {
      name: 'sends-unknown',
      description: 'Some users may not have got a text message: the provider did not say whether it took it',
      metric: own(stage, 'projector', 'sends', 'Sum', { outcome: 'unknown' }),
      threshold: 5,
      minutes: 3,
    },
    ...Object.entries(causes).map(([cause, description]): Rule => ({
      name: cause,
      description,
      metric: own(stage, 'projector', 'send_alarms', 'Sum', { cause }),
      threshold: 1,
      minutes: 1,
    })),
  ];
}

function ofRequests({ compute, edge }: AlarmsProps): Rule[] {
  const metrics = edge.balancer.metrics;
  const balancer: Rule = {
    name: 'balancer-5xx',
    description: 'Users see errors that come from the load balancer itself: no instance answers',
    metric: metrics.httpCodeElb(HttpCodeElb.ELB_5XX_COUNT, { period: MINUTE }),
    threshold: 10,
    minutes: 3,
  };
  const each = [...compute.targetGroups].flatMap(([name, group]): Rule[] => {
    const of = { LoadBalancer: edge.balancerName, TargetGroup: group.targetGroupFullName };
    const metric = (metricName: string, statistic: string): cloudwatch.Metric =>
      new cloudwatch.Metric({
        namespace: 'AWS/ApplicationELB',
        metricName,
        statistic,
        period: MINUTE,
        dimensionsMap: of,
      });
    return [
      {
        name: `${name}-5xx`,
        description: `Users see errors: ${name} answers 5xx`,
        metric: metric(HttpCodeTarget.TARGET_5XX_COUNT, 'Sum'),
        threshold: 10,
        minutes: 3,
      },
      {
        name: `${name}-slow`,
        description: `Users wait: one in a hundred answers of ${name} takes longer than a second`,
        metric: metric('TargetResponseTime', 'p99'),
        threshold: 1,
        minutes: 5,
      },
      {
        name: `${name}-unhealthy`,
        description: `Users notice nothing yet: an instance's ${name} does not answer, the others carry its load`,
        metric: metric('UnHealthyHostCount', 'Maximum'),
        threshold: 1,
        minutes: 5,
      },
    ];
  });
  return [balancer, ...each];
}

function ofEdge({ edge }: AlarmsProps): Rule[] {
  return [
    {
      name: 'unreachable',
      description: 'Users cannot reach the API: Route 53 does not either',
      metric: new cloudwatch.Metric({
        namespace: 'AWS/Route53',
        metricName: 'HealthCheckStatus',
        statistic: 'Minimum',
        period: MINUTE,
        dimensionsMap: { HealthCheckId: edge.healthCheck.attrHealthCheckId },
      }),
      threshold: 1,
      minutes: 3,
      below: true,
      missing: cloudwatch.TreatMissingData.BREACHING,
    },
    {
      name: 'certificate',
      description: 'Users notice nothing for two weeks, then every connection fails: the certificate is not renewed',
      metric: edge.certificate.metricDaysToExpiry({ period: Duration.days(1) }),
      threshold: 14,
      minutes: 1,
      below: true,
    },
  ];
}

function ofQueues({ data }: AlarmsProps): Rule[] {
  return [...data.lanes].flatMap(([name, { queue, deadLetters }]): Rule[] => [
    {
      name: `${name}-old`,
      description: 'Users get their text messages late: the oldest one waits for too long',
      metric: queue.metricApproximateAgeOfOldestMessage({ period: MINUTE }),
      threshold: OLDEST_SECONDS[name] ?? 300,
      minutes: 3,
    },
    {
      name: `${name}-dead`,
      description: 'Some user does not get a text message: it cannot be worked on',
      metric: deadLetters.metricApproximateNumberOfMessagesVisible({ period: MINUTE }),
      threshold: 1,
      minutes: 1,
    },
  ]);
}

function ofTables({ data }: AlarmsProps): Rule[] {
  return [...data.tables].map(([name, table]): Rule => {
    const of = (metricName: string): cloudwatch.Metric =>
      new cloudwatch.Metric({
        namespace: 'AWS/DynamoDB',
        metricName,
        statistic: 'Sum',
        period: MINUTE,
        dimensionsMap: { TableName: table.tableName },
      });
    return {
      name: `table-${name}-throttled`,
      description: `Users wait or see 503: DynamoDB throttles the table ${name}`,
      metric: new cloudwatch.MathExpression({
        label: 'throttled',
        expression: 'FILL(reads, 0) + FILL(writes, 0)',
        usingMetrics: { reads: of('ReadThrottleEvents'), writes: of('WriteThrottleEvents') },
        period: MINUTE,
      }),
      threshold: 10,
      minutes: 3,
    };
  });
}

/** The fullest disk of both colours: the idle one has no figures. */
function ofDisks({ compute }: AlarmsProps): Rule {
  const fullest = [...compute.groups].map(([colour, group]) => [
    colour,
    new cloudwatch.Metric({
      namespace: 'CWAgent',
      metricName: 'disk_used_percent',
      statistic: 'Maximum',
      period: MINUTE,
      dimensionsMap: { AutoScalingGroupName: group.autoScalingGroupName },
    }),
  ]);
  return {
    name: 'disk-filling',
    description: 'Users notice nothing yet: the disk of an instance fills, and its services fail once it is full',
    metric: new cloudwatch.MathExpression({
      label: 'percent',
      expression: 'MAX([FILL(blue, 0), FILL(green, 0)])',
      usingMetrics: Object.fromEntries(fullest) as Record<string, cloudwatch.Metric>,
      period: MINUTE,
    }),
    threshold: DISK_PERCENT,
    minutes: 5,
  };
}

/** One alarm that CodeDeploy looks at: it rolls back when any of {@link ROLLS_BACK} rings. */
export function rollbackAlarm(stack: Stack, stage: Stage, all: ReadonlyMap<string, cloudwatch.Alarm>): void {
  const ringing = ROLLS_BACK.map((name) => cloudwatch.AlarmRule.fromAlarm(all.get(name)!, cloudwatch.AlarmState.ALARM));
  new cloudwatch.CompositeAlarm(stack, 'rollback', {
    compositeAlarmName: `fieldfuze-${stage.name}-rollback`,
    alarmDescription: 'Users see errors or wait: a deployment that runs is rolled back',
    alarmRule: cloudwatch.AlarmRule.anyOf(...ringing),
  });
}
