/** The speed of one file, smoothed: what the last few seconds brought weighs most. */

const MEMORY_MS = 4000;
const SILENT_MS = 3000;

export class Pace {
    #began = 0;
    #at = 0;
    #sent = 0;
    /** Bytes a second. */
    speed = 0;

    /** Begin anew, from what is there already: a pause is no slow line. */
    restart(sent: number, now = performance.now()): void {
        this.#began = this.#at = now;
        this.#sent = sent;
        this.speed = 0;
    }

    mark(sent: number, now = performance.now()): void {
        const passed = now - this.#at;
        if (passed < 250) return;
        const seen = Math.max(0, ((sent - this.#sent) / passed) * 1000);
        this.speed = this.speed ? this.speed + (seen - this.speed) * (1 - Math.exp(-passed / MEMORY_MS)) : seen;
        this.#at = now;
        this.#sent = sent;
    }

    /** Seconds until `left` bytes are sent; null while that is a guess: in the first three seconds, or standing still. */
    left(left: number, now = performance.now()): number | null {
        return now - this.#began < SILENT_MS || this.speed < 1 ? null : left / this.speed;
    }
}
