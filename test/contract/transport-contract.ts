import { afterEach, describe } from 'vitest';
import { describeRequests } from './requests-contract.js';
import { describeStreamReading } from './stream-reading-contract.js';
import { describeConnections } from './transport-connection-contract.js';
import { ContractStage, type TransportHarness } from './transport-contract-stage.js';
import { describeFlow } from './transport-flow-contract.js';
import { describeMessages } from './transport-messages-contract.js';
import { describeStreams } from './transport-stream-contract.js';

/** What every implementation of the transport's ports must do. */
export function describeTransportContract(
  name: string,
  createHarness: () => Promise<TransportHarness>,
): void {
  describe(`transport contract: ${name}`, () => {
    const stage = new ContractStage(createHarness);
    afterEach(() => stage.stop());
    describeConnections(stage);
    describeStreams(stage);
    describeStreamReading(stage);
    describeRequests(stage);
    describeFlow(stage);
    describeMessages(stage);
  });
}
