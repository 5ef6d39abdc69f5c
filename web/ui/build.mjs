// Builds the pages' script: one file, for browsers since 2022. `node build.mjs [FOLDER]`; without one, into the pages' static files.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
    entryPoints: [here("source/upload.ts"), here("source/local-times.ts")],
    absWorkingDir: here("."),
    outdir: process.argv[2] ?? here("../pages/static"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    // The browser has an URL of its own; tus-js-client brings one for browsers that have none.
    alias: { "url-parse": here("source/browser-url.ts") },
    banner: { js: "/* Bilaga, Apache-2.0. Built by web/ui from its sources; upload.js contains tus-js-client (MIT), see NOTICE. */" },
});
