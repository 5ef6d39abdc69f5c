/** What the server put into the page for the script: words from the page's own catalogue, and what the link takes. */

export interface Terms {
    /** The link's id: what the browser remembers is kept apart by it, and never under the link's token. */
    link: string;
    maxSize: number;
    filesLeft: number | null;
    bytesLeft: number | null;
    types: string[];
    kinds: string;
}

interface Given {
    words: Record<string, string>;
    terms: Terms;
}

const given = JSON.parse(document.getElementById("given")?.textContent ?? "") as Given;

export const terms = given.terms;

/** A text of the catalogue; `%(name)s` takes a value. */
export function say(word: string, values: Record<string, string> = {}): string {
    return (given.words[word] ?? word).replace(/%\((\w+)\)s/g, (_, name: string) => values[name] ?? "");
}
