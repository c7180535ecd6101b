import { spawn } from "node:child_process";
import type { CancellationToken } from "vscode";

/** Where Python is run: with `-m` and `-c` it imports what lies in its folder, and the workspace may hold anything. */
export const NEUTRAL_FOLDER = "/";

export interface Ended {
  /** The exit status; null where the process could not be started or was stopped. */
  status: number | null;
  /** Both streams together. */
  text: string;
}

/** Run a command to its end; `onLine` hears every line. Cancelling ends the command and all that it started. */
export function run(
  command: string,
  args: string[],
  options: { token?: CancellationToken; onLine?: (line: string) => void } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: NEUTRAL_FOLDER, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const cancelled = options.token?.onCancellationRequested(() => child.pid && endGroup(child.pid));
    let text = "";
    let rest = "";
    const take = (chunk: string): void => {
      text += chunk;
      const lines = (rest + chunk).split(/\r?\n/);
      rest = lines.pop() ?? "";
      lines.forEach((line) => options.onLine?.(line));
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", take);
    }
    const end = (status: number | null): void => {
      cancelled?.dispose();
      resolve({ status, text });
    };
    child.on("error", (error) => {
      text += error.message;
      end(null);
    });
    child.on("close", end);
  });
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended already.
  }
}
