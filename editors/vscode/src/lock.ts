import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";

const POLL_MS = 500;
/** Process ids are used again: a lock as old as this is one of a window that is gone, whatever has its id now. */
const OLDEST_MS = 60 * 60 * 1000;

/** What only one window at a time may do: a file holds the process id of that window. */
export class Lock {
  constructor(private readonly file: string) {}

  /**
   * Do `work` when no other window does its own; it hears whether another one did just before.
   * Undefined where `signal` came while that was waited for.
   */
  async hold<T>(signal: AbortSignal, work: (waited: boolean) => Promise<T>): Promise<T | undefined> {
    let waited = false;
    while (!(await this.take())) {
      waited = true;
      await setTimeout(POLL_MS);
      if (signal.aborted) {
        return undefined;
      }
    }
    try {
      return await work(waited);
    } finally {
      await rm(this.file, { force: true });
    }
  }

  /** Whether another window has it. */
  async isHeld(): Promise<boolean> {
    return (await this.state()) === "held";
  }

  async whenFree(): Promise<void> {
    while (await this.isHeld()) {
      await setTimeout(POLL_MS);
    }
  }

  private async take(): Promise<boolean> {
    if ((await this.state()) === "stale") {
      await rm(this.file, { force: true });
    }
    await mkdir(dirname(this.file), { recursive: true });
    try {
      await writeFile(this.file, String(process.pid), { flag: "wx" });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") {
        return false;
      }
      await rm(this.file, { force: true }); // on a full disk it is there, without an id
      throw error;
    }
  }

  private async state(): Promise<"free" | "held" | "stale"> {
    try {
      // Empty: its window has not written its id yet.
      const pid = Number(await readFile(this.file, "utf8"));
      const { mtimeMs } = await stat(this.file);
      return Date.now() - mtimeMs < OLDEST_MS && (pid === 0 || isAlive(pid)) ? "held" : "stale";
    } catch {
      return "free";
    }
  }
}

/** A window does one thing after the other: a lock with its own id is left from a process before. */
function isAlive(pid: number): boolean {
  try {
    return pid !== process.pid && process.kill(pid, 0);
  } catch {
    return false;
  }
}
