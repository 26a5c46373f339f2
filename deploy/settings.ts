import { z } from 'zod'

import { gatewaySettings } from './settings-gateway.ts'
import { scaledSettings } from './settings-scaled.ts'
import { storeSettings } from './settings-stores.ts'

/** Every setting, named, bounded and explained in one place each. The README's table is made from it. */
export const settings = { ...gatewaySettings, ...storeSettings, ...scaledSettings } as const

/** The one schema of the configuration. */
export const configSchema = z.object(settings)

export type SettingName = keyof typeof settings

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<Name>

/** The settings as code reads them: `FRAME_BYTES_MAX` is `frameBytesMax`. */
export type Config = Readonly<{
  [Name in SettingName as Camel<Name>]: z.output<(typeof settings)[Name]>
}>
