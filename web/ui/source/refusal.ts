/** Why a file is not taken: known before a byte is sent, or said by the server. What, why, and what to do. */

import * as figures from "./figures";
import { say, terms } from "./words";

/** What the link still takes, given what this page has in hand. */
export interface Room {
    files: number;
    bytes: number;
}

function known(file: { name: string; type: string }): boolean {
    const last = /\.[^.]+$/.exec(file.name.toLowerCase())?.[0] ?? "";
    if (!terms.types.length || terms.types.includes(last)) return true;
    if (terms.types.every((type) => type.startsWith("."))) return false;
    // Systems disagree on the types of documents: only of pictures, films and sound the browser's word is taken.
    const [kind] = file.type.split("/");
    if (!kind || !["image", "video", "audio"].includes(kind)) return true;
    return terms.types.includes(file.type) || terms.types.includes(`${kind}/*`) || terms.types.includes("*/*");
}

/** Why a file will not be taken, as far as that can be said here; null: it is worth asking the server. */
export function before(file: { name: string; size: number; type: string }, taken: Room): string | null {
    if (file.size > terms.maxSize) return say("too-large", { size: figures.size(terms.maxSize) });
    if (!known(file)) return say("media-type", { types: terms.kinds });
    if (terms.filesLeft !== null && taken.files >= terms.filesLeft) return say("too-many");
    const left = terms.bytesLeft === null ? Infinity : terms.bytesLeft - taken.bytes;
    return file.size > left ? say("no-room", { size: figures.size(Math.max(0, left)) }) : null;
}

/** The name of a problem (RFC 9457), or nothing. */
export function problem(body: string): string {
    try {
        return String((JSON.parse(body) as { type?: string }).type ?? "").replace("urn:bilaga:problem:", "");
    } catch {
        return "";
    }
}

/** What a problem means to a person. */
export function after(name: string): string {
    switch (name) {
        case "too-large":
            return say("too-large", { size: figures.size(terms.maxSize) });
        case "media-type":
            return terms.types.length ? say("media-type", { types: terms.kinds }) : say("refused-type");
        case "quota-exceeded":
        case "too-many":
            return say("too-many");
        case "content-mismatch":
        case "infected":
        case "gone":
        case "rate":
        case "storage-full":
            return say(name);
        default:
            return say("failed");
    }
}
