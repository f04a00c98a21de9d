// The sizes of each stage. What differs from one company to the next is in its site file.

import { Refusal } from './refusal.ts';

export interface Stage {
  readonly name: 'staging' | 'production';
  readonly instances: {
    /** Instances of the active colour in each zone, at least and at most. */
    readonly perZone: number;
    readonly mostPerZone: number;
    readonly type: string;
  };
  /** One is cheaper, two survive the loss of a zone with their way out to Telnyx. */
  readonly natGateways: number;
  /** Services reached without the NAT gateway's price per byte. Each costs by the hour in each zone. */
  readonly interfaceEndpoints: readonly ('sqs' | 'secretsmanager' | 'kms')[];
  readonly logDays: 30 | 90;
  /** Above it a mail is sent: twice what `infra/README.md` reckons. */
  readonly budgetDollars: number;
}

const STAGES: readonly Stage[] = [
  {
    name: 'staging',
    instances: { perZone: 1, mostPerZone: 2, type: 't3a.small' },
    natGateways: 1,
    interfaceEndpoints: [],
    logDays: 30,
    budgetDollars: 360,
  },
  {
    name: 'production',
    instances: { perZone: 2, mostPerZone: 6, type: 't3a.medium' },
    natGateways: 2,
    interfaceEndpoints: ['sqs', 'secretsmanager', 'kms'],
    logDays: 90,
    budgetDollars: 740,
  },
];

export const ZONES = ['us-east-1a', 'us-east-1b'] as const;

/** CloudFront takes its certificate and its web ACL from here only, and the architecture names it. */
export const REGION = 'us-east-1';

export function stageOf(name: unknown): Stage {
  const stage = STAGES.find((stage) => stage.name === name);
  if (stage !== undefined) return stage;
  const known = STAGES.map((stage) => stage.name).join(' or ');
  throw new Refusal(name === undefined ? `no stage: say -c stage=${known}` : `unknown stage ${String(name)}: ${known}`);
}
