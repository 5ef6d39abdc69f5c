/** The ways in which a person hands over files: chosen, dropped anywhere (folders too), pasted, from the camera. */

import { say } from "./words";

export interface Picked {
    file: File;
    name: string;
}

/** Ask for files; from a click, which browsers demand. */
export function choose(kind: string, accept: string, multiple: boolean, take: (picked: Picked[]) => void): void {
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = multiple && kind !== "camera";
    if (kind === "folder") input.webkitdirectory = true;
    else if (kind === "camera") {
        input.accept = "image/*,video/*";
        input.setAttribute("capture", "environment");
    } else input.accept = accept;
    input.addEventListener("change", () => take(Array.from(input.files ?? [], named)));
    input.click();
}

function named(file: File): Picked {
    return { file, name: file.webkitRelativePath || file.name };
}

async function inside(entry: FileSystemEntry, path: string): Promise<Picked[]> {
    if (entry.isFile) {
        const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
        return [{ file, name: path + entry.name }];
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    const found: Picked[] = [];
    // A folder is given in pieces; an empty one ends it.
    for (;;) {
        const piece = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
        if (!piece.length) return found;
        for (const each of piece) found.push(...(await inside(each, `${path}${entry.name}/`)));
    }
}

function dropped(transfer: DataTransfer): Promise<Picked[]> {
    const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.() ?? null);
    if (!entries.some((entry) => entry?.isDirectory)) return Promise.resolve(Array.from(transfer.files, named));
    return Promise.all(entries.map((entry) => (entry ? inside(entry, "") : []))).then((lists) => lists.flat());
}

function pasted(file: File): Picked {
    // What is pasted from a screen has no name of its own: every browser calls it so.
    if (!/^image\.\w+$/.test(file.name)) return { file, name: file.name };
    const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
    const date = `${now.slice(0, 10)} ${now.slice(11, 19).replaceAll(":", ".")}`;
    return { file, name: `${say("pasted", { date })}.${file.name.split(".").pop()}` };
}

/** Take what is dropped or pasted anywhere on the page. */
export function everywhere(take: (picked: Picked[]) => void): void {
    const page = document.documentElement;
    const brings = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    let inside = 0;
    const over = (count: number) => page.classList.toggle("dropping", (inside = Math.max(0, count)) > 0);
    document.addEventListener("dragenter", (event) => brings(event) && over(inside + 1));
    document.addEventListener("dragleave", (event) => brings(event) && over(inside - 1));
    document.addEventListener("dragover", (event) => brings(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
        if (!brings(event) || !event.dataTransfer) return;
        event.preventDefault();
        over(0);
        void dropped(event.dataTransfer).then(take);
    });
    document.addEventListener("paste", (event) => {
        const files = Array.from(event.clipboardData?.files ?? []);
        if (!files.length) return;
        event.preventDefault();
        take(files.map(pasted));
    });
}
