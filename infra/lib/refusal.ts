// Wrong input ends in one line, not in a stack of calls.

/** What somebody has to mend in the settings. */
export class Refusal extends Error {}
