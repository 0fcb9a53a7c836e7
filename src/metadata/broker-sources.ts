/** What a broker is configured with: its static configurations and, over them, the dynamic ones of the image. */
import { resolveBrokerConfig, type BrokerConfigSources, type ConfigTexts } from './configs/resolve.ts';
import type { ClusterImage } from './image.ts';

/** A live view for as long as it is not kept: call again after a change. */
export function brokerConfigSources(
  image: ClusterImage,
  nodeId: number,
  staticConfigs: ConfigTexts,
): BrokerConfigSources {
  return {
    dynamicBroker: image.configs('BROKER', String(nodeId)),
    dynamicDefault: image.configs('BROKER', ''),
    static: staticConfigs,
  };
}

/** A numeric broker configuration; the name must be one that has a default. */
export function brokerNumber(sources: BrokerConfigSources, name: string): number {
  return Number(resolveBrokerConfig(name, sources).value);
}
