// The app: five stacks of one stage. Nothing is looked up, so that it is synthesized without an account.

import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

import { fieldfuze } from '../lib/fieldfuze.ts';
import { Refusal } from '../lib/refusal.ts';
import { readSite } from '../lib/site.ts';
import { stageOf } from '../lib/stage.ts';

try {
  const app = new App();
  const stage = stageOf(app.node.tryGetContext('stage'));
  const site = readSite((app.node.tryGetContext('site') as string | undefined) ?? `sites/${stage.name}.json`);
  fieldfuze(app, stage, site);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
