import { type LogOutputChannel, window } from "vscode";
import { engineCommand, type ServerCommand } from "./environment";
import { run } from "./processes";

const SHOWN_MS = 5000;

/** End the resident engine; the next request starts another, with the settings as they are then. */
export async function stopEngine(server: ServerCommand | undefined, output: LogOutputChannel): Promise<void> {
  const engine = server && (await engineCommand(server));
  if (engine === undefined) {
    const why = server ? `there is no dg-engine beside ${server.program}` : "the server is not installed";
    void window.showErrorMessage(`dg-lsp: ${why}.`);
    return;
  }
  const { status, text } = await run(engine.program, [...engine.args, "stop"]);
  output.info(`dg-engine stop: ${text.trim()}`);
  const said = text.trim().split("\n").at(-1);
  if (status === 0) {
    window.setStatusBarMessage(`dg-lsp: engine ${said}`, SHOWN_MS);
  } else {
    void window.showErrorMessage(`dg-lsp: the engine could not be stopped: ${said || "see the log"}`);
  }
}
