/** The upload page: a form that works by itself, made into one that sends at once, goes on by itself and shows how far it is. */

import { Delivery, type Desk } from "./delivery";
import { type Deed, FileRow } from "./file-row";
import * as figures from "./figures";
import "./local-times";
import * as memory from "./memory";
import { judge } from "./outcome";
import { choose, everywhere, type Picked } from "./picking";
import { before } from "./refusal";
import { say } from "./words";

/** Files on the line at once: enough to fill it, few enough that each moves. */
const AT_ONCE = 3;
const HOUR_MS = 3_600_000;

class UploadPage extends HTMLElement implements Desk {
    address = `${location.origin}${location.pathname.replace(/\/$/, "")}/files`;
    receipt = memory.receipt();
    #rows = new Map<Delivery, FileRow>();
    #passcode: HTMLInputElement | null = null;
    #proved = "";
    /** A passcode that was wrong is not tried again: after a few the link closes for a while. */
    #wrong = "";
    #closed = false;
    #asking = false;

    connectedCallback(): void {
        const form = this.querySelector("form") as HTMLFormElement;
        const plain = form.querySelector("[data-plain]") as HTMLElement;
        const input = plain.querySelector("input") as HTMLInputElement;
        input.disabled = plain.hidden = true;
        form.append(this.#template("tools"));
        this.append(this.#template("progress"));
        this.#passcode = form.querySelector("#passcode");
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.#next();
        });
        // A frame around a frame is one too many.
        form.classList.toggle("panel", this.#passcode !== null);
        this.#passcode?.addEventListener("change", () => this.#next());
        for (const button of form.querySelectorAll<HTMLButtonElement>("[data-pick]")) {
            const kind = button.dataset.pick as string;
            if (kind === "folder" && !("webkitdirectory" in input)) button.hidden = true;
            if (kind === "camera" && !matchMedia("(pointer: coarse)").matches) button.hidden = true;
            button.addEventListener("click", () =>
                choose(kind, input.accept, input.multiple, (picked) => this.#take(picked)),
            );
        }
        for (const button of this.querySelectorAll<HTMLButtonElement>("[data-all]"))
            button.addEventListener("click", () => this.#all(button.dataset.all as Deed));
        everywhere((picked) => this.#take(picked));
        addEventListener("offline", () => this.#each((delivery) => delivery.hold()));
        addEventListener("online", () => {
            this.#each((delivery) => delivery.state === "waiting" && delivery.queue());
            this.#next();
        });
        addEventListener("beforeunload", (event) => {
            if (this.#some((delivery) => delivery.busy)) event.preventDefault();
        });
        void this.#recall();
    }

    get passcode(): string {
        return this.#passcode?.value ?? "";
    }

    changed(delivery: Delivery): void {
        const row = this.#rows.get(delivery);
        if (!row) return;
        const [was, { state, name, reason }] = [row.dataset.state, delivery];
        row.show();
        if (was !== state) {
            if (state === "starting" && was === "queued" && !delivery.sent) this.#announce(say("said-start", { name }));
            if (state === "received") {
                this.#announce(say("said-received", { name }));
                void this.#judge();
            }
            if (state === "failed" || state === "refused") this.#announce(`${name}: ${reason}`);
            this.#sum();
        }
        if (delivery.made) this.#proved = this.passcode;
        this.#next();
    }

    stopped(cause: "gone" | "passcode" | "rate"): void {
        this.#closed = cause === "gone";
        if (cause === "gone") this.#announce(say("gone"));
        else this.#wrong = this.passcode;
        if (cause === "passcode") this.#complain(say("passcode"));
        if (cause === "rate") {
            this.#complain(say("rate"));
            this.#each((delivery) => delivery.state === "queued" && delivery.pause());
        }
        if (this.#closed)
            this.#each((delivery) => {
                if (!delivery.busy && delivery.state !== "paused" && delivery.state !== "interrupted") return;
                delivery.pause();
                delivery.reason = say("gone");
                delivery.state = "refused";
                this.#rows.get(delivery)?.show();
            });
        this.#sum();
    }

    #template(id: string): DocumentFragment {
        return (document.getElementById(id) as HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
    }

    #part(name: string): HTMLElement {
        return this.querySelector(`[data-page="${name}"]`) as HTMLElement;
    }

    #each(work: (delivery: Delivery) => void): void {
        for (const delivery of [...this.#rows.keys()]) work(delivery);
    }

    #some(test: (delivery: Delivery) => boolean): boolean {
        return [...this.#rows.keys()].some(test);
    }

    /** What a reload interrupted, as far as the server still has it. */
    async #recall(): Promise<void> {
        for (const file of memory.unfinished()) {
            const delivery = new Delivery(this, null, file.name, file.size, file.modified);
            if (await delivery.ask()) this.#add(delivery);
            else memory.forget(delivery.key);
        }
    }

    #take(picked: Picked[]): void {
        for (const { file, name } of picked) {
            const known = [...this.#rows.keys()].find(
                (one) => one.key === memory.print(name, file.size, file.lastModified) && !["refused", "received"].includes(one.state),
            );
            if (known?.state === "interrupted") known.again(file);
            if (known) continue;
            const delivery = new Delivery(this, file, name, file.size, file.lastModified);
            const counted = [...this.#rows.keys()].filter((one) => one.state !== "refused");
            const bytes = counted.reduce((sum, one) => sum + one.size, 0);
            const reason = this.#closed
                ? say("gone")
                : before({ name, size: file.size, type: file.type }, { files: counted.length, bytes });
            if (reason) {
                delivery.state = "refused";
                delivery.reason = reason;
                this.#announce(`${name}: ${reason}`);
            }
            this.#add(delivery);
        }
        this.#next();
    }

    #add(delivery: Delivery): void {
        const item = document.createElement("li");
        const row = FileRow.of(delivery, (deed) => this.#act(delivery, deed));
        item.append(row);
        this.#rows.set(delivery, row);
        this.#part("files").append(item);
        this.#sum();
    }

    #act(delivery: Delivery, deed: Deed): void {
        const row = this.#rows.get(delivery) as FileRow;
        if (deed === "pause") delivery.pause();
        else if (deed === "resume" || deed === "retry") delivery.queue();
        else if (deed === "again") choose("files", "", false, (picked) => this.#again(delivery, picked));
        else {
            const item = row.parentElement as HTMLElement;
            const beside = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector("button:not([hidden])");
            this.#rows.delete(delivery);
            item.remove();
            ((beside ?? this.querySelector("[data-pick]")) as HTMLElement).focus();
            void delivery.remove();
            this.#sum();
        }
        this.#next();
    }

    #again(delivery: Delivery, picked: Picked[]): void {
        const file = picked[0]?.file;
        if (!file) return;
        // Whether it is the same is told without reading it: by its size and when it was last changed.
        if (file.size === delivery.size && file.lastModified === delivery.modified) delivery.again(file);
        else {
            const [name, size] = [delivery.name, figures.size(delivery.size)];
            const text = say("other", { name, size });
            (this.#rows.get(delivery) as FileRow).piece("state").textContent = text;
            this.#announce(text);
        }
    }

    #all(deed: Deed): void {
        this.#each((delivery) => {
            if (deed === "pause" && delivery.busy && delivery.state !== "confirming") delivery.pause();
            if (deed === "resume" && delivery.state === "paused") delivery.queue();
            if (deed === "retry" && delivery.state === "failed") delivery.queue();
        });
        this.#next();
    }

    /** Start what may start. The first goes alone until the server knows it: its receipt, and the passcode, count for all. */
    #next(): void {
        if (this.#closed || !navigator.onLine) return;
        const queued = [...this.#rows.keys()].filter((one) => one.state === "queued");
        if (!queued.length) return;
        if (this.#passcode && !this.#passcode.value) this.#complain(say("passcode-first"));
        if (this.#passcode && [this.#wrong, ""].includes(this.passcode)) return;
        const alone = !this.receipt || (this.#passcode !== null && this.#proved !== this.passcode);
        const active = [...this.#rows.keys()].filter((one) => one.active).length;
        const [first] = queued;
        if (first && active < (alone ? 1 : AT_ONCE)) {
            this.#complain("");
            // Starting says so, which asks again.
            first.start();
        }
    }

    /** Ask what becomes of what is received, less and less often, for as long as something is open. */
    async #judge(): Promise<void> {
        if (this.#asking || !this.receipt) return;
        this.#asking = true;
        const { pathname } = new URL(this.receipt, location.href);
        const received = () => [...this.#rows.keys()].filter((one) => one.state === "received");
        for (let wait = 1000; wait < HOUR_MS; wait *= 1.5) {
            const asked = received();
            const open = await judge(pathname, asked, (delivery) => {
                this.#rows.get(delivery)?.show();
                if (delivery.verdict === "quarantined") this.#announce(`${delivery.name}: ${say("quarantined")}`);
            });
            if (!open && received().length === asked.length) break;
            await new Promise((done) => setTimeout(done, wait));
        }
        this.#asking = false;
    }

    #complain(text: string): void {
        const wrong = this.#part("passcode-wrong");
        if (wrong.textContent === text) return;
        wrong.textContent = text;
        wrong.hidden = !text;
        this.#passcode?.setAttribute("aria-invalid", String(Boolean(text)));
        if (text) this.#passcode?.focus();
    }

    #announce(text: string): void {
        this.#part("said").textContent = text;
    }

    #sum(): void {
        const all = [...this.#rows.keys()];
        const count = (test: (delivery: Delivery) => boolean) => all.filter(test).length;
        const received = count((one) => one.state === "received");
        const wanted = count((one) => one.state !== "refused");
        this.#part("sending").hidden = !all.length;
        this.#part("sum").textContent = wanted ? say("sum", { done: String(received), all: String(wanted) }) : "";
        for (const button of this.querySelectorAll<HTMLElement>("[data-all]")) {
            const deed = button.dataset.all;
            const fits = (one: Delivery) =>
                deed === "pause" ? one.busy && one.state !== "confirming" : one.state === (deed === "resume" ? "paused" : "failed");
            button.hidden = count(fits) < 2;
        }
        const done = received > 0 && !this.#some((one) => one.busy || one.state === "paused" || one.state === "failed");
        const panel = this.#part("done");
        if (done && panel.hidden) this.#announce(say("said-done"));
        panel.hidden = !done;
        // Only an address of this site: the header is the server's, and so is the page.
        if (this.receipt) {
            const address = new URL(this.receipt, location.href);
            (this.#part("receipt") as HTMLAnchorElement).href = address.pathname;
        }
    }
}

customElements.define("bilaga-upload", UploadPage);
