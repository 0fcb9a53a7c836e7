/** UpdateFeatures (key 57): raises and lowers the levels that the cluster has agreed on (KIP-584). */
import { UPGRADE_TYPE } from '../../metadata/controller/feature-levels.ts';
import { Errors } from '../../protocol/errors.ts';
import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../protocol/messages/57-update-features.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';

const FAILED = 'The update failed for all features since the following feature had an error: ';

export const updateFeatures = handler(
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
  async (request, context, services) => {
    requireClusterOperation(services, context, 'ALTER');
    const updates = request.featureUpdates.map(
      ({ feature, maxVersionLevel, allowDowngrade, upgradeType }) => ({
        name: feature,
        level: maxVersionLevel,
        upgradeType: allowDowngrade ? UPGRADE_TYPE.SAFE_DOWNGRADE : upgradeType,
      }),
    );
    const { timeoutMs, validateOnly } = request;
    const outcome = await services.controller.updateFeatures(updates, { timeoutMs, validateOnly });
    if (outcome.errorCode !== Errors.NONE) {
      const errorMessage = FAILED + (outcome.errorMessage ?? '');
      return { throttleTimeMs: 0, errorCode: outcome.errorCode, errorMessage, results: [] };
    }
    // Kafka prints the name of the code that stands for no error.
    const success = { errorCode: Errors.NONE, errorMessage: 'NONE' };
    const results = request.featureUpdates.map(({ feature }) => ({ feature, ...success }));
    return { throttleTimeMs: 0, ...outcome, results };
  },
);
