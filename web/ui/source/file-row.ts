/** A file on the page: its name, its bar, its state in words, and what can be done with it. */

import type { Delivery, State } from "./delivery";
import * as figures from "./figures";
import { say } from "./words";

export type Deed = "pause" | "resume" | "retry" | "again" | "remove";

const DEEDS: Record<State, Deed[]> = {
    interrupted: ["again", "remove"],
    queued: ["pause", "remove"],
    starting: ["pause", "remove"],
    sending: ["pause", "remove"],
    waiting: ["pause", "remove"],
    paused: ["resume", "remove"],
    confirming: [],
    received: [],
    failed: ["retry", "remove"],
    refused: ["remove"],
};
let rows = 0;

export class FileRow extends HTMLElement {
    delivery!: Delivery;
    #text = "";

    static of(delivery: Delivery, act: (deed: Deed) => void): FileRow {
        const row = document.createElement("bilaga-file") as FileRow;
        row.delivery = delivery;
        row.append((document.getElementById("file-row") as HTMLTemplateElement).content.cloneNode(true));
        const title = row.piece("name");
        title.id = `file-${++rows}`;
        title.textContent = delivery.name;
        row.piece("size").textContent = figures.size(delivery.size);
        row.piece("bar").setAttribute("aria-labelledby", title.id);
        for (const button of row.buttons()) {
            button.append(hidden(` ${delivery.name}`));
            button.addEventListener("click", () => act(button.dataset.deed as Deed));
        }
        row.show();
        return row;
    }

    piece(name: string): HTMLElement {
        return this.querySelector(`[data-part="${name}"]`) as HTMLElement;
    }

    buttons(): HTMLButtonElement[] {
        return Array.from(this.querySelectorAll("button"));
    }

    show(): void {
        const { state, sent, size, verdict } = this.delivery;
        this.dataset.state = state;
        this.dataset.verdict = verdict;
        const bar = this.piece("bar") as HTMLProgressElement;
        bar.hidden = state === "refused";
        bar.value = size ? sent / size : Number(state === "received");
        const text = this.#words();
        // Only what changed is written, so that nothing is read out twice.
        if (text !== this.#text) this.piece("state").textContent = this.#text = text;
        const held = this.buttons().find((button) => button === document.activeElement);
        for (const button of this.buttons()) button.hidden = !DEEDS[state].includes(button.dataset.deed as Deed);
        // Whoever pressed a button keeps their place: on the one that took its place.
        if (held?.hidden) this.buttons().find((button) => !button.hidden)?.focus();
    }

    #words(): string {
        const { state, sent, size, pace, reason, name, verdict } = this.delivery;
        const percent = figures.percent(sent, size);
        if (state === "failed" || state === "refused") return reason;
        if (state === "received") return say(verdict || state);
        if (state === "interrupted") return say("interrupted", { name, percent });
        if (state === "waiting") return say(navigator.onLine ? "waiting-server" : "waiting-line", { percent });
        if (state === "paused") return say("paused", { percent });
        if (state !== "sending") return say(state);
        const parts = [percent];
        if (pace.speed) parts.push(`${figures.size(pace.speed)}/s`);
        const left = pace.left(size - sent);
        if (left !== null) parts.push(say("left", { time: figures.span(left) }));
        return parts.join(" · ");
    }
}

function hidden(text: string): HTMLElement {
    const span = document.createElement("span");
    span.className = "hidden";
    span.textContent = text;
    return span;
}

customElements.define("bilaga-file", FileRow);
