/** One file on its way: its state, how far it is, and the upload that carries it (tus 1.0.0). */

import { type DetailedError, type HttpResponse, Upload } from "tus-js-client";

import * as memory from "./memory";
import { Pace } from "./pace";
import { after, problem } from "./refusal";

export type State =
    | "interrupted" // known from before a reload; the browser needs the file itself once more
    | "queued"
    | "starting"
    | "sending"
    | "waiting" // for the connection, or a server that is busy: goes on by itself
    | "paused"
    | "confirming" // all sent; the server has not yet said that it has it
    | "received"
    | "failed" // may be tried again
    | "refused"; // may not

/** What the site found about a file that it has; empty: not asked yet. */
export type Verdict = "" | "checking" | "accepted" | "quarantined";

/** What a file needs from the page around it. */
export interface Desk {
    /** Where uploads are made: `…/u/TOKEN/files`. */
    address: string;
    passcode: string;
    receipt: string | null;
    changed(delivery: Delivery): void;
    /** The link itself takes nothing more, or not without the right passcode. */
    stopped(cause: "gone" | "passcode" | "rate"): void;
}

const SECOND = 1000;
const DELAYS = [0.5, 1, 2, 5, 10, 20, ...Array<number>(60).fill(30)].map((delay) => delay * SECOND);
/** Longer than that no server's wish to be left alone is heeded. */
const LONGEST = 120 * SECOND;
/**
 * Bytes in one request. A line that breaks costs none of them; of a server that dies in the midst, what that request brought is
 * sent again. What comes in one request is stored once, in several twice.
 */
const PIECE = 128 << 20;
/** What is right at another time: too slow a line, another offset, busy with the last request of ours, too early. */
const LATER = [408, 409, 423, 425];
/** States in which leaving the page would break something off. */
const BUSY = new Set<State>(["queued", "starting", "sending", "waiting", "confirming"]);

export class Delivery {
    state: State = "queued";
    sent = 0;
    reason = "";
    verdict: Verdict = "";
    /** Whether the server has made the upload: from then on it may go on beside others. */
    made = false;
    readonly pace = new Pace();
    #file: File | null;
    #upload: Upload | null = null;
    #noted = 0;

    constructor(
        readonly desk: Desk,
        file: File | null,
        readonly name: string,
        readonly size: number,
        readonly modified: number,
    ) {
        this.#file = file;
        if (!file) this.state = "interrupted";
    }

    get key(): string {
        return memory.print(this.name, this.size, this.modified);
    }

    get busy(): boolean {
        return BUSY.has(this.state);
    }

    /** Whether it holds one of the places on the line. */
    get active(): boolean {
        return this.busy && this.state !== "queued";
    }

    /** The file, chosen once more. */
    again(file: File): void {
        this.#file = file;
        this.#become("queued");
    }

    start(): void {
        if (!this.#file) return;
        this.pace.restart(this.sent);
        this.#upload ??= this.#carry(this.#file);
        this.#upload.options.headers = credentials(this.desk.passcode);
        this.#become("starting");
        this.#upload.start();
    }

    pause(): void {
        void this.#upload?.abort();
        this.#become("paused");
    }

    queue(): void {
        void this.#upload?.abort();
        this.reason = "";
        this.#become("queued");
    }

    /** The line is gone: hold still until it is back. */
    hold(): void {
        if (!this.active || this.state === "confirming") return;
        void this.#upload?.abort();
        this.#become("waiting");
    }

    /** Off the page, and off the server. */
    async remove(): Promise<void> {
        const kept = memory.recall(this.key);
        memory.forget(this.key);
        const upload = this.#upload;
        this.#upload = null;
        await upload?.abort();
        const address = upload?.url ?? (kept && this.state !== "received" ? `${this.desk.address}/${kept.upload}` : null);
        if (address && this.state !== "received") await Upload.terminate(address, { retryDelays: [SECOND] }).catch(() => {});
    }

    /** How much the server has of it, for one that was interrupted; false: nothing any more. */
    async ask(): Promise<boolean> {
        const kept = memory.recall(this.key);
        if (!kept) return false;
        const answer = await fetch(`${this.desk.address}/${kept.upload}`, {
            method: "HEAD",
            headers: { "Tus-Resumable": "1.0.0", ...credentials(this.desk.passcode) },
        }).catch(() => null);
        this.sent = kept.sent;
        // Not reached, busy, or only told to those who know the passcode, which is asked for later.
        if (!answer || [403, 429, ...LATER].includes(answer.status) || answer.status >= 500) return true;
        if (!answer.ok) return false;
        this.sent = Number(answer.headers.get("Upload-Offset"));
        return this.sent < this.size;
    }

    #become(state: State): void {
        this.state = state;
        this.desk.changed(this);
    }

    #carry(file: File): Upload {
        const kept = memory.recall(this.key);
        const once = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16)).join("");
        const upload = new Upload(file, {
            // Told nothing of an upload that is known, tus-js-client would begin another and send all of it again.
            endpoint: kept ? null : this.desk.address,
            uploadUrl: kept ? `${this.desk.address}/${kept.upload}` : null,
            metadata: this.desk.receipt ? { filename: this.name, receipt: this.desk.receipt } : { filename: this.name },
            chunkSize: PIECE,
            retryDelays: [...DELAYS],
            // The page remembers for itself, without the link's token.
            storeFingerprintForResuming: false,
            // An upload that was begun, and nobody heard of it, is that of the next try: it holds a place of the link.
            onBeforeRequest: (request) => {
                if (request.getMethod() === "POST") request.setHeader("Idempotency-Key", once);
            },
            onAfterResponse: (_, answer) => this.#heard(answer),
            onUploadUrlAvailable: () => this.#known(upload.url ?? ""),
            onProgress: (sent) => this.#progress(sent),
            onShouldRetry: (error, attempt, { retryDelays }) => this.#again(error as DetailedError, attempt, retryDelays ?? []),
            onError: (error) => this.#failed(error as DetailedError),
            onSuccess: () => {
                memory.forget(this.key);
                this.sent = this.size;
                this.#become("received");
            },
        });
        return upload;
    }

    #heard(answer: HttpResponse): void {
        this.desk.receipt = answer.getHeader("Bilaga-Receipt") ?? this.desk.receipt;
    }

    #known(address: string): void {
        this.made = true;
        if (this.#upload) this.#upload.options.endpoint = null;
        const upload = new URL(address, location.href).pathname.split("/").pop() ?? "";
        const { name, size, modified } = this;
        memory.remember(this.key, { upload, name, size, modified, sent: this.sent, at: Date.now() }, this.desk.receipt);
        this.#become(this.state);
    }

    #progress(sent: number): void {
        this.sent = sent;
        if (performance.now() - this.#noted > SECOND) {
            this.#noted = performance.now();
            memory.progress(this.key, sent);
        }
        this.pace.mark(sent);
        this.#become(sent < this.size ? "sending" : "confirming");
    }

    #again(error: DetailedError, attempt: number, delays: number[]): boolean {
        const answer = error.originalResponse;
        const status = answer?.getStatus() ?? 0;
        // Too many passcodes are not mended by one more try; too many requests are.
        const busy = LATER.includes(status) || (status === 429 && (this.made || !this.desk.passcode));
        if (status && !busy && (status <= 500 || status === 507)) return false;
        if (problem(answer?.getBody() ?? "") === "too-many") return false;
        const wish = Number(answer?.getHeader("Retry-After")) * SECOND || 0;
        delays[attempt] = Math.max(delays[attempt] ?? 0, Math.min(wish, LONGEST));
        this.pace.restart(this.sent);
        this.#become("waiting");
        return true;
    }

    #failed(error: DetailedError): void {
        const status = error.originalResponse?.getStatus() ?? 0;
        if ([404, 410].includes(status) && error.originalRequest?.getMethod() === "HEAD") {
            // The upload is gone; whether the link is, a new one shows.
            memory.forget(this.key);
            this.#upload = null;
            this.sent = 0;
            this.#become("queued");
            return;
        }
        const cause = problem(error.originalResponse?.getBody() ?? "");
        if (cause === "passcode") {
            this.#upload = null;
            this.desk.stopped("passcode");
            this.#become("queued");
            return;
        }
        this.reason = after(status === 410 ? "gone" : cause);
        const final = status >= 400 && status < 500 && cause !== "rate";
        if (final) {
            memory.forget(this.key);
            this.#upload = null;
        }
        this.#become(final ? "refused" : "failed");
        if (status === 410) this.desk.stopped("gone");
        if (cause === "rate") this.desk.stopped("rate");
    }
}

/** A header carries bytes: a passcode goes as UTF-8, one character a byte, as every program sends it. */
function credentials(passcode: string): Record<string, string> {
    return passcode ? { "Bilaga-Passcode": String.fromCharCode(...new TextEncoder().encode(passcode)) } : {};
}
