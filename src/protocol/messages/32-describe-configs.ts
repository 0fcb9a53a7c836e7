/**
 * DescribeConfigs (key 32). Configurations of topics, brokers, loggers, groups and client metrics.
 *
 *     1    where a value comes from, and what it would be otherwise (KIP-226)
 *     3    types and documentation (KIP-569)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const DescribeConfigsRequest = message(
  'DescribeConfigsRequest',
  { key: 32, versions: '1-4', flexible: '4+' },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configurationKeys: nullable(array(string)),
      }),
    ),
    includeSynonyms: or(false, bool),
    includeDocumentation: at('3+', or(false, bool)),
  },
);
export type DescribeConfigsRequest = Read<typeof DescribeConfigsRequest>;

export const DescribeConfigsResponse = message(
  'DescribeConfigsResponse',
  { key: 32, versions: '1-4', flexible: '4+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: nullable(string),
            readOnly: bool,
            configSource: or(-1, int8),
            isSensitive: bool,
            synonyms: array(
              struct({
                name: string,
                value: nullable(string),
                source: int8,
              }),
            ),
            configType: at('3+', or(0, int8)),
            documentation: at('3+', nullable(string)),
          }),
        ),
      }),
    ),
  },
);
export type DescribeConfigsResponse = Read<typeof DescribeConfigsResponse>;
