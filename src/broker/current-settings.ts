/** The broker's settings, from the sources of its configuration: at the start, and as they are now. */
import type { Ports } from '../base/ports.ts';
import { brokerSettings, type BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { ConfigurationError } from './start-problem.ts';

/** Read anew when a dynamic configuration of the broker changes. */
export class CurrentSettings {
  value: BrokerSettings;

  constructor(value: BrokerSettings, image: ClusterImage, read: () => BrokerSettings) {
    this.value = value;
    image.onChange(({ configsChanged }) => {
      if (configsChanged.some(({ type }) => type === 'BROKER')) this.value = read();
    });
  }
}

/** Warnings are logged. Throws ConfigurationError. */
export function readSettings(sources: BrokerConfigSources, ports: Ports): BrokerSettings {
  const result = brokerSettings(sources);
  for (const warning of result.warnings) ports.logger.warn({}, warning);
  if (!result.ok) throw new ConfigurationError(result.errors);
  return result.settings;
}
