/** What this browser remembers of a link: its own unfinished files, so that they go on after a reload. */

import { terms } from "./words";

const DAY_MS = 86_400_000;
const KEY = `bilaga ${terms.link}`;

export interface Unfinished {
    /** The last part of the upload's address. The link's token, which is the rest of it, is not kept. */
    upload: string;
    name: string;
    size: number;
    modified: number;
    /** Roughly how far it was; the server knows better, once it may be asked. */
    sent: number;
    at: number;
}

interface Kept {
    receipt: string | null;
    files: Record<string, Unfinished>;
}

/** What tells a file from another without reading it. */
export function print(name: string, size: number, modified: number): string {
    return `${name}\n${size}\n${modified}`;
}

// A browser may forbid storage; then a reload forgets, and all else works.
function read(): Kept {
    try {
        const kept = JSON.parse(localStorage.getItem(KEY) ?? "") as Kept;
        for (const [key, file] of Object.entries(kept.files)) if (Date.now() - file.at > DAY_MS) delete kept.files[key];
        return kept;
    } catch {
        return { receipt: null, files: {} };
    }
}

function write(kept: Kept): void {
    try {
        // With nothing left to go on with, the receipt is no business of whoever uses this browser next.
        if (Object.keys(kept.files).length) localStorage.setItem(KEY, JSON.stringify(kept));
        else localStorage.removeItem(KEY);
    } catch {
        return;
    }
}

export function unfinished(): Unfinished[] {
    return Object.values(read().files);
}

export function recall(key: string): Unfinished | undefined {
    return read().files[key];
}

export function remember(key: string, file: Unfinished, receipt: string | null): void {
    const kept = read();
    kept.files[key] = file;
    write({ files: kept.files, receipt: receipt ?? kept.receipt });
}

/** How far it is by now. */
export function progress(key: string, sent: number): void {
    const kept = read();
    const file = kept.files[key];
    if (!file) return;
    kept.files[key] = { ...file, sent, at: Date.now() };
    write(kept);
}

export function forget(key: string): void {
    const kept = read();
    delete kept.files[key];
    write(kept);
}

/** The receipt of the sitting that was interrupted. */
export function receipt(): string | null {
    return read().receipt;
}
