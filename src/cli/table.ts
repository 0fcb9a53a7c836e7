/** Tables and figures for people. */

export type Cell = string | number;

/** Numbers to the right, texts to the left. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = head.map((title, n) => Math.max(title.length, ...texts.map((row) => row[n]!.length)));
  const isNumber = head.map(
    (_, n) => rows.length > 0 && rows.every((row) => typeof row[n] === 'number' || isFigure(row[n]!)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, n) => (isNumber[n] === true ? cell.padStart(widths[n]!) : cell.padEnd(widths[n]!)))
      .join('  ')
      .trimEnd();
  return [line(head), ...texts.map(line)].map((one) => `  ${one}\n`).join('');
}

function isFigure(cell: Cell): boolean {
  return /^[\d.]+( [KMGT]?B(\/s)?)?$|^-$/.test(String(cell));
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Binary units, three digits. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

/** `100MB`, `1.5 GB`, `1000000`; undefined: it is no size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?)i?b?(?:\/s)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const exponent = ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase());
  const value = Math.floor(Number(match[1]) * 1024 ** exponent);
  return value > 0 ? value : undefined;
}
