import { z } from 'zod';

/** What Capture's `spec` holds. */
export const captureSpec = z.object({
  captureConfiguration: z.looseObject({}),
  outputConfiguration: z.looseObject({}),
});
