/** A principal as brokers pass it on inside Envelope requests (KIP-590). */
import { bool, message, string, type Read } from '../schema.ts';

export const DefaultPrincipalData = message(
  'DefaultPrincipalData',
  { versions: '0', flexible: '0+' },
  {
    type: string,
    name: string,
    tokenAuthenticated: bool,
  },
);
export type DefaultPrincipalData = Read<typeof DefaultPrincipalData>;
