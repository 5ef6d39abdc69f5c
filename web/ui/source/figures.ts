/** Sizes, shares, speeds and spans of time, as people read them in the page's language. */

import { locale } from "./locale";

// In Finnish a byte is t: 1,5 Mt.
const BYTE = locale === "fi" ? "t" : "B";
const UNITS = ["", "k", "M", "G", "T"].map((prefix) => prefix + BYTE);
const share = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });

/** A size in powers of ten, as the server writes it: `1,5 MB`. */
export function size(bytes: number): string {
    let amount = bytes;
    let unit = 0;
    for (; amount >= 1000 && unit < UNITS.length - 1; unit++) amount /= 1000;
    const digits = unit === 0 || amount >= 100 ? 0 : 1;
    return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(amount)}\u00a0${UNITS[unit]}`;
}

/** A share, rounded down: nothing is said to be whole before it is. */
export function percent(part: number, whole: number): string {
    return share.format(whole ? Math.floor((part / whole) * 100) / 100 : 0);
}

/** A span of time in its largest unit, rounded up. */
export function span(seconds: number): string {
    const [unit, length] = seconds < 90 ? ["second", 1] : seconds < 5400 ? ["minute", 60] : ["hour", 3600];
    // By fives while seconds count, so that the number does not flicker.
    const step = unit === "second" ? 5 : 1;
    const amount = Math.max(step, Math.ceil(seconds / (length as number) / step) * step);
    return new Intl.NumberFormat(locale, { style: "unit", unit: unit as string, unitDisplay: "long" }).format(amount);
}
