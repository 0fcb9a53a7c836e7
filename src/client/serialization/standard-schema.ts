/**
 * The interface of Standard Schema (standardschema.dev), version 1, as far as it is needed here: what Zod, Valibot, ArkType and
 * others offer under `~standard`. It is written down here so that nobody has to install anything.
 */
import { ownError } from '../errors.ts';

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema makes of its input. Throws KafkaError SERIALIZATION with all issues, or when the schema answers later. */
export function validate<Output>(schema: StandardSchema<unknown, Output>, value: unknown): Output {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    result.catch(() => {});
    throw ownError('SERIALIZATION', 'the schema answers later, which the order of records does not allow');
  }
  if (result.issues === undefined) return result.value;
  throw ownError('SERIALIZATION', result.issues.map(textOf).join('; '), { cause: result.issues });
}

function textOf({ message, path = [] }: StandardIssue): string {
  const keys = path.map((one) => String(typeof one === 'object' ? one.key : one));
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
}
