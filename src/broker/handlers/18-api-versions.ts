/** ApiVersions: what this broker can do (KIP-35, KIP-511, KIP-584), and whether it is the one meant (KIP-1242). */
import { ApiVersionsRequest, ApiVersionsResponse } from '../../protocol/messages/18-api-versions.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { apiVersionsFeatures } from '../../metadata/features.ts';
import { isBroker } from '../context.ts';
import { handler } from '../handler.ts';

const SOFTWARE_VERSION_MIN = 3;
/** KIP-511: letters and digits, with dots and dashes between them. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
/** What is kept of a name that the connection carries for its whole life. */
const SOFTWARE_LENGTH_MAX = 256;

export const apiVersions = handler(ApiVersionsRequest, ApiVersionsResponse, (request, context, services) => {
  const { apiVersion, connection } = context;
  if (apiVersion >= SOFTWARE_VERSION_MIN) {
    const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
    if (!SOFTWARE.test(name) || !SOFTWARE.test(version)) return refuse(Errors.INVALID_REQUEST);
    connection.clientSoftware = {
      name: name.slice(0, SOFTWARE_LENGTH_MAX),
      version: version.slice(0, SOFTWARE_LENGTH_MAX),
    };
  }
  const { clusterId, nodeId } = request;
  // A client that says whom it means names both.
  if ((clusterId === null) !== (nodeId === -1)) return refuse(Errors.INVALID_REQUEST);
  const isMisrouted =
    clusterId !== null && (clusterId !== services.image.clusterId || nodeId !== services.nodeId);
  if (isMisrouted) return refuse(Errors.REBOOTSTRAP_REQUIRED);
  return {
    errorCode: Errors.NONE,
    apiKeys: isBroker(context) ? services.apiVersionsForBrokers : services.apiVersions,
    throttleTimeMs: 0,
    ...apiVersionsFeatures(services.image, apiVersion),
  };
});

function refuse(errorCode: ErrorCode) {
  return { errorCode, apiKeys: [], throttleTimeMs: 0, supportedFeatures: [], finalizedFeatures: [] };
}
