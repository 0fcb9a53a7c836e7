// Apache Kafka's Java client as a Peer, in a JVM of its own.
import { JVM_FLAGS } from '../../scripts/peer-java.ts';
import { type ProcessPeer, startProcessPeer } from './process-peer.ts';

/** `classpath` is what installKafkaClients returned. */
export async function startJava(classpath: string, bootstrap: string): Promise<ProcessPeer> {
  const level = process.env['HEADRACE_INTEROP_DEBUG'] === undefined ? 'error' : 'debug';
  const logging = `-Dorg.slf4j.simpleLogger.defaultLogLevel=${level}`;
  return startProcessPeer(['java', ...JVM_FLAGS, '-Xmx512m', logging, '-cp', classpath, 'Driver'], bootstrap);
}
