// What the code says must exist: tables, queues, ports, routing, rights. Kept by a test of the crate `dev`; nothing here is typed twice.

import { readFileSync } from 'node:fs';

export interface Key {
  readonly name: string;
  readonly type: 'S' | 'N';
}

export interface Index {
  readonly name: string;
  readonly partition: Key;
  readonly sort: Key;
}

export interface TableDefinition {
  readonly name: string;
  readonly partition: Key;
  readonly sort: Key | null;
  readonly indexes: readonly Index[];
  readonly streamed: boolean;
  readonly time_to_live: string | null;
}

export interface QueueDefinition {
  readonly name: string;
  readonly dead_letters: string;
}

export interface Service {
  readonly name: ServiceName;
  readonly port: number;
}

export type ServiceName = 'command-api' | 'query-api' | 'projector';
export type Principal = ServiceName | 'operator';

/** What actions are on: one table, its indexes or its stream, one queue, the key that wraps keys, or the secrets. */
export type Resource =
  | { readonly table: string }
  | { readonly indexes_of: string }
  | { readonly stream_of: string }
  | { readonly queue: string }
  | 'wrapping-key'
  | 'secrets';

export interface Grant {
  readonly to: Principal;
  readonly on: Resource;
  readonly actions: readonly string[];
}

/** What the services count, as `platform/src/telemetry/metrics.rs` lists it. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

export interface Contract {
  readonly services: readonly Service[];
  readonly health: { readonly alive: string; readonly ready: string };
  readonly reading_methods: readonly string[];
  readonly viewer_address_header: string;
  readonly drain_seconds: number;
  readonly tables: readonly TableDefinition[];
  readonly queues: readonly QueueDefinition[];
  readonly visibility_seconds: number;
  readonly max_receives: number;
  readonly dead_letter_retention_seconds: number;
  readonly grants: readonly Grant[];
  readonly metrics_namespace: string;
  readonly metrics: readonly MetricDefinition[];
}

export const contract: Contract = JSON.parse(
  readFileSync(new URL('../contract/platform.json', import.meta.url), 'utf8'),
) as Contract;

export function port(name: ServiceName): number {
  const service = contract.services.find((service) => service.name === name);
  if (service === undefined) throw new Error(`the contract has no service ${name}`);
  return service.port;
}
