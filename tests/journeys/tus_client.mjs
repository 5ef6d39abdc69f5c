// Sends a file with tus-js-client as Node has it: node tus_client.mjs LIBRARY ENDPOINT FILE PARALLEL
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [library, endpoint, path, parallel] = process.argv.slice(2);
const { Upload } = createRequire(import.meta.url)(library);
const several = Number(parallel);
const options = {
    endpoint,
    retryDelays: Array(60).fill(50),
    metadata: { filename: "film.bin" },
    onError: (error) => {
        console.error(String(error));
        process.exitCode = 1;
    },
    onSuccess: () => console.log("sent"),
};
if (several > 1) options.parallelUploads = several;
// Only what is in memory can be cut into pieces; a stream of a file is read again from where the server is.
new Upload(several > 1 ? readFileSync(path) : createReadStream(path), options).start();
