/** Types of columns, as they are written and read. */
import type { ColumnType } from 'kysely';

export type Json = ColumnType<unknown, string, string>;
export type JsonDefault = ColumnType<unknown, string | undefined, string>;
export type NullableJson = ColumnType<unknown, string | null | undefined, string | null>;
export type Time = ColumnType<Date, Date, Date>;
export type NullableTime = ColumnType<Date | null, Date | null | undefined, Date | null>;
export type TimeDefault = ColumnType<Date, Date | undefined, Date>;
/** `pg` reads int8 as text, PGlite as a number. */
export type Int8 = ColumnType<string | number, number, number>;
