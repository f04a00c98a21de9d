// The services' own metrics, by the names that the code has. What the code does not emit cannot be asked for.

import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';

import { contract, type ServiceName } from '../contract.ts';
import type { Stage } from '../stage.ts';

const MINUTE = Duration.minutes(1);

/** The namespace of a stage: two stages in one account must not add up. */
export function namespaceOf(stage: Stage): string {
  return `${contract.metrics_namespace}/${stage.name}`;
}

function labelsOf(name: string): readonly string[] {
  const metric = contract.metrics.find((metric) => metric.name === name);
  if (metric === undefined) throw new Error(`the code has no metric ${name}`);
  return metric.labels;
}

/** One metric of one service, at these values of all its labels. */
export function own(
  stage: Stage,
  service: ServiceName,
  name: string,
  statistic: string,
  labels: Readonly<Record<string, string>> = {},
): cloudwatch.Metric {
  const wanted = labelsOf(name);
  if (JSON.stringify([...wanted].sort()) !== JSON.stringify(Object.keys(labels).sort())) {
    throw new Error(`${name} is told apart by ${wanted.join(', ') || 'nothing'}`);
  }
  return new cloudwatch.Metric({
    namespace: namespaceOf(stage),
    metricName: name,
    statistic,
    period: MINUTE,
    dimensionsMap: { service, ...labels },
  });
}

/** One metric of all services, a line for each value of its labels that there is. */
export function every(stage: Stage, name: string, statistic: string, only = ''): cloudwatch.MathExpression {
  const dimensions = ['service', ...labelsOf(name)].join(',');
  const search = `{${namespaceOf(stage)},${dimensions}} MetricName="${name}" ${only}`.trim();
  return new cloudwatch.MathExpression({
    expression: `SEARCH('${search}', '${statistic}', ${MINUTE.toSeconds()})`,
    usingMetrics: {},
    label: '',
    period: MINUTE,
  });
}
