/** Envelope (key 58): a client's request that another broker passes on to the controller. Only brokers may send it. */
import { EnvelopeRequest, EnvelopeResponse } from '../../protocol/messages/58-envelope.ts';
import { handler } from '../handler.ts';

export const envelope = handler(EnvelopeRequest, EnvelopeResponse, (request, context, services) =>
  services.forwarding.serve(request, context, services),
);
