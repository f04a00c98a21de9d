// The five stacks, in the order in which they need each other.

import { type App, Tags } from 'aws-cdk-lib';

import { Compute } from './compute.ts';
import { Data } from './data.ts';
import { Edge } from './edge.ts';
import { Network } from './network.ts';
import { Observability } from './observability.ts';
import type { Site } from './site.ts';
import { REGION, type Stage } from './stage.ts';

export interface Stacks {
  readonly network: Network;
  readonly data: Data;
  readonly compute: Compute;
  readonly edge: Edge;
  readonly observability: Observability;
}

export function fieldfuze(app: App, stage: Stage, site: Site): Stacks {
  const name = (part: string): string => `Fieldfuze-${stage.name}-${part}`;
  const props = { env: { region: REGION }, stage, site, terminationProtection: stage.name === 'production' };
  const network = new Network(app, name('Network'), props);
  const data = new Data(app, name('Data'), props);
  const compute = new Compute(app, name('Compute'), { ...props, network, data });
  const edge = new Edge(app, name('Edge'), { ...props, network, data, compute });
  const observability = new Observability(app, name('Observability'), { ...props, data, compute, edge });
  Tags.of(app).add('fieldfuze:stage', stage.name);
  return { network, data, compute, edge, observability };
}
