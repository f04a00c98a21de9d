// The stacks of the example site, as templates.

import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';

import cdk from '../cdk.json' with { type: 'json' };
import { fieldfuze, type Stacks } from '../lib/fieldfuze.ts';
import { readSite, type Site } from '../lib/site.ts';
import { stageOf } from '../lib/stage.ts';

export const EXAMPLE = new URL('../sites/example.json', import.meta.url).pathname;

export type Templates = Readonly<Record<keyof Stacks, Template>>;

export function templates(stage: string, change: Partial<Site> = {}): Templates {
  const app = new App({ context: cdk.context });
  const stacks = fieldfuze(app, stageOf(stage), { ...readSite(EXAMPLE), ...change });
  const entries = Object.entries(stacks).map(([name, stack]) => [name, Template.fromStack(stack)]);
  return Object.fromEntries(entries) as Templates;
}

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
}

/** All resources of a type in all stacks. */
export function all(of: Templates, type: string): Resource[] {
  return Object.values(of).flatMap((template) => Object.values(template.findResources(type)) as Resource[]);
}
