/**
 * The answer that says "this whole request failed" for any API, made from the schemas: the error code goes where the
 * response has one, at its top or in each item, and the items are those of the request. Handlers give better answers
 * where they can; this is what remains when a handler throws.
 */
import type { Api } from '../protocol/apis.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import { covers, type AnyType } from '../protocol/schema.ts';

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string | null;
}

/** What a client may be told of something that was thrown: the text of a KafkaError, and of nothing else. */
export function failureOf(error: unknown): Failure {
  if (error instanceof KafkaError) return { code: error.code, message: error.message };
  return { code: Errors.UNKNOWN_SERVER_ERROR, message: null };
}

type Struct = Readonly<Record<string, unknown>>;

/** Fields that name the same thing in requests and responses. */
const SYNONYMS: readonly (readonly string[])[] = [
  ['name', 'topic', 'topicName', 'resourceName'],
  ['topicId'],
  ['partition', 'partitionIndex', 'index'],
  ['groupId', 'group'],
  ['transactionalId'],
  ['resourceType', 'type'],
  ['key'],
];
const NAMES_OF = new Map(SYNONYMS.flatMap((names) => names.map((name) => [name, names] as const)));

/** Errors, by name. */
const CODE = /^(errorCode|partitionErrorCode)$/;
/** Errors that are the answer's message, by name. */
const MESSAGE = /^(errorMessage|.*ErrorMessage)$/;

export function errorResponse(api: Api, version: number, request: unknown, failure: Failure): unknown {
  const builder = new Builder(version, failure);
  return builder.struct(api.response, api.request, request as Struct, true);
}

class Builder {
  readonly #version: number;
  readonly #failure: Failure;

  constructor(version: number, failure: Failure) {
    this.#version = version;
    this.#failure = failure;
  }

  /** A response struct with the error in it, its identifying fields taken from `source`, the request's counterpart. */
  struct(response: AnyType, request: AnyType, source: Struct, isTop: boolean): Struct {
    const answer: Record<string, unknown> = {};
    const fields = Object.entries(response.fields!);
    const carries = fields.some(([name, type]) => CODE.test(name) && this.#isHere(type));
    for (const [name, type] of fields) {
      if (CODE.test(name)) answer[name] = this.#failure.code;
      else if (MESSAGE.test(name) && type.nullable !== undefined) answer[name] = this.#failure.message;
      else if (type.kind === 'array' && !this.#isItems(type, carries, isTop)) answer[name] = type.zero;
      else if (type.kind === 'array') answer[name] = this.#items(name, type, request, source);
      else answer[name] = this.#identity(name, type, source);
    }
    return answer;
  }

  #isHere(type: AnyType): boolean {
    return covers(type.since ?? '0+', this.#version);
  }

  /** Whether an array of the response repeats the request's items, each with an error of its own. */
  #isItems(type: AnyType, structCarries: boolean, isTop: boolean): boolean {
    if (type.of?.kind !== 'struct' || !this.#isHere(type)) return false;
    return hasErrorCode(type.of, this.#version) && (!structCarries || isTop);
  }

  #items(name: string, type: AnyType, request: AnyType, source: Struct): unknown {
    const from = this.#counterpart(name, request, source);
    if (from === undefined) return type.zero;
    return from.values.map((value) => {
      if (from.of.kind === 'struct') return this.struct(type.of!, from.of, value as Struct, false);
      return this.#ofScalar(type.of!, from.of, value);
    });
  }

  /** The request's array whose items an array of the response answers. */
  #counterpart(
    name: string,
    request: AnyType,
    source: Struct,
  ): { of: AnyType; values: readonly unknown[] } | undefined {
    const arrays = Object.entries(request.fields ?? {}).filter(
      ([field, type]) => type.kind === 'array' && Array.isArray(source[field]) && this.#isHere(type),
    );
    const chosen =
      arrays.find(([field]) => field === name) ??
      arrays.find(([, type]) => type.of?.kind === 'struct') ??
      arrays[0];
    if (chosen === undefined) return undefined;
    const [field, type] = chosen;
    // AlterReplicaLogDirs asks by directory and is answered by topic: the items are one level further down.
    const items = source[field] as readonly Struct[];
    if (request.fields!['dirs'] === type) {
      const topics = type.of!.fields!['topics']!;
      return { of: topics.of!, values: items.flatMap((item) => item['topics'] as Struct[]) };
    }
    return { of: type.of!, values: items };
  }

  /** An item whose counterpart is a bare name or number. */
  #ofScalar(item: AnyType, of: AnyType, value: unknown): Struct {
    const answer = { ...this.struct(item, { kind: 'struct', zero: {}, fields: {} }, {}, false) };
    for (const [name, type] of Object.entries(item.fields!)) {
      if (CODE.test(name) || MESSAGE.test(name) || type.kind !== of.kind) continue;
      answer[name] = value;
      break;
    }
    return answer;
  }

  #identity(name: string, type: AnyType, source: Struct): unknown {
    for (const candidate of NAMES_OF.get(name) ?? [name]) {
      const value = source[candidate];
      if (value === undefined || (value === null && type.nullable === undefined)) continue;
      if (typeof value === typeof type.zero || value === null || type.zero === null) return value;
    }
    return type.zero;
  }
}

function hasErrorCode(type: AnyType, version: number): boolean {
  return Object.entries(type.fields ?? {}).some(([name, member]) => {
    if (!covers(member.since ?? '0+', version)) return false;
    return CODE.test(name) || (member.of?.kind === 'struct' && hasErrorCode(member.of, version));
  });
}
