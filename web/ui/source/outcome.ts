/** What became of files that the server has: read from the receipt, until nothing about them is open any more. */

import type { Delivery, Verdict } from "./delivery";

interface Entry {
    name: string | null;
    size: number | null;
    state: string;
}

const VERDICTS: Record<string, Verdict> = {
    receiving: "checking",
    scanning: "checking",
    available: "accepted",
    quarantined: "quarantined",
};

/** Give each file its verdict; whether some are still open. A file that the receipt does not know keeps what it had. */
export async function judge(receipt: string, deliveries: Delivery[], tell: (delivery: Delivery) => void): Promise<boolean> {
    const answer = await fetch(receipt, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return answer === null || answer.status >= 500;
    const entries = ((await answer.json()) as { attachments: Entry[] }).attachments;
    let open = false;
    for (const delivery of deliveries) {
        // The site may have mended the name; then the size tells. Each entry is one file's.
        const at = [
            entries.findIndex((entry) => entry.name === delivery.name && [delivery.size, null].includes(entry.size)),
            entries.findIndex((entry) => entry.size === delivery.size),
        ].find((found) => found >= 0);
        const [entry] = at === undefined ? [] : entries.splice(at, 1);
        const verdict = entry && VERDICTS[entry.state];
        open ||= verdict === "checking";
        if (!verdict || verdict === delivery.verdict) continue;
        delivery.verdict = verdict;
        tell(delivery);
    }
    return open;
}
