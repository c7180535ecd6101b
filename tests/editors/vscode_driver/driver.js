// Runs what a test sends, inside the extension host: POST a function body, with `vscode` and `kept` in its scope.
// `kept` lives as long as the window. Being an extension of its own, it is also the "other extension" of some tests.
const http = require("node:http");
const vscode = require("vscode");

const AsyncFunction = (async () => {}).constructor;
const kept = {};

async function answer(body) {
  try {
    return { value: (await new AsyncFunction("vscode", "kept", body)(vscode, kept)) ?? null };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

exports.activate = () => {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => response.end(JSON.stringify(await answer(Buffer.concat(parts).toString()))));
  });
  server.listen(process.env.DG_TEST_SOCKET);
  kept.server = server;
};

exports.deactivate = () => kept.server.close();
