import { spawn } from "node:child_process";

/** Where Python is run: with `-m` and `-c` it imports what lies in its folder, and the workspace may hold anything. */
export const NEUTRAL_FOLDER = "/";

const life = new AbortController();

/** Comes when the window is closed or loaded anew: nothing that it runs may outlive it. */
export const ending: AbortSignal = life.signal;

export interface Ended {
  /** The exit status; null where the process could not be started or was stopped. */
  status: number | null;
  /** Both streams together. */
  text: string;
}

/** Run a command to its end; `onLine` hears every line. `signal` ends the command and all that it started. */
export function run(
  command: string,
  args: string[],
  options: { signal?: AbortSignal; onLine?: (line: string) => void } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const signal = options.signal ? AbortSignal.any([ending, options.signal]) : ending;
    if (signal.aborted) {
      resolve({ status: null, text: "" });
      return;
    }
    // Detached: in a process group of its own.
    const child = spawn(command, args, { cwd: NEUTRAL_FOLDER, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const stop = (): void => endGroup(child.pid);
    signal.addEventListener("abort", stop);
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
      signal.removeEventListener("abort", stop);
      resolve({ status, text });
    };
    child.on("error", (error) => {
      text += error.message;
      end(null);
    });
    child.on("close", end);
  });
}

/** End all that runs; from now on nothing is run any more. */
export function endAll(): void {
  life.abort();
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      process.kill(-pid, "SIGTERM");
    }
  } catch {
    // It has ended already.
  }
}
