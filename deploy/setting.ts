import { z } from 'zod'

/** What a person must know of a setting beside its name. */
export type SettingMeta = Readonly<{
  group: 'General' | 'Gateway' | 'Journal' | 'Actors' | 'Regions' | 'Sinks' | 'Scaled out'
  /** Of the value: bytes, ms, rows, … */
  unit: string
  /** Which values are taken, in words. */
  limit: string
  about: string
  /** Never printed. */
  secret?: true
}>

/** The descriptions of all settings, by schema. */
export const settingMeta = z.registry<SettingMeta>()

type Whole = Omit<SettingMeta, 'limit'> & Readonly<{ default: number; min: number; max: number }>

/** A whole number within bounds. */
export function whole({ default: value, min, max, ...meta }: Whole) {
  const limit = `${min}–${max}`
  const expected = `a whole number ${limit}`
  return z
    .string()
    .regex(/^\d{1,15}$/, expected)
    .transform(Number)
    .refine((number) => number >= min && number <= max, expected)
    .default(value)
    .register(settingMeta, { ...meta, limit })
}

type Choice<Name extends string> = Omit<SettingMeta, 'limit' | 'unit'> &
  Readonly<{ default: Name; names: readonly [Name, ...Name[]] }>

/** One of a few names, in upper or lower case. */
export function choice<Name extends string>({ default: value, names, ...meta }: Choice<Name>) {
  const limit = names.join(', ')
  return z
    .string()
    .toLowerCase()
    .pipe(z.enum(names, `one of ${limit}`))
    .default(() => value)
    .register(settingMeta, { ...meta, unit: 'name', limit })
}

type Text = SettingMeta & Readonly<{ default: string; pattern: RegExp }>

/** A text of a form; `limit` says which. */
export function text({ default: value, pattern, ...meta }: Text) {
  return z.string().regex(pattern, meta.limit).default(value).register(settingMeta, meta)
}
