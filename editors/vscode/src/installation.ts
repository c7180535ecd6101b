import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ExtensionContext, type LogOutputChannel, ProgressLocation, window, workspace } from "vscode";
import { Lock } from "./lock";
import { ending, run } from "./processes";
import { anyPython, onPath } from "./python";
import { engineUrl, ownSetting, withHome } from "./settings";

export type Outcome = "installed" | "cancelled" | "no python" | "failed";

/** The extension's own Python environment, in its global storage. */
export class Installation {
  private readonly folder: string;
  /** Written last, with what was installed: an environment without it was not finished. */
  private readonly mark: string;
  /** Other windows use the same folder. */
  readonly lock: Lock;

  constructor(
    private readonly context: ExtensionContext,
    private readonly output: LogOutputChannel,
  ) {
    this.folder = join(context.globalStorageUri.fsPath, "python");
    this.mark = join(this.folder, "dg-lsp-installed");
    this.lock = new Lock(`${this.folder}.lock`);
  }

  /** The environment's interpreter, where the environment is there and whole; brought up to date with this extension. */
  async interpreter(): Promise<string | undefined> {
    const installed = await this.installed();
    if (installed === undefined) {
      return undefined;
    }
    const source = await this.source();
    if (installed !== source) {
      await this.update(source).catch((error: unknown) => this.output.warn(String(error)));
    }
    return (await this.installed()) === undefined ? undefined : this.python;
  }

  /** Make the environment anew, showing progress; what was there before is gone. Or wait for another window's. */
  async install(): Promise<Outcome> {
    const python = await anyPython();
    if (python === undefined) {
      return "no python";
    }
    const options = { location: ProgressLocation.Notification, title: "Installing dg-lsp", cancellable: true };
    return window.withProgress(options, async (progress, token): Promise<Outcome> => {
      const onLine = (line: string): void => {
        this.output.info(line);
        progress.report({ message: line.trim().slice(0, 80) });
      };
      const cancel = new AbortController();
      token.onCancellationRequested(() => cancel.abort());
      const signal = AbortSignal.any([ending, cancel.signal]);
      if (await this.lock.isHeld()) {
        onLine("Another window does it");
      }
      try {
        const outcome = await this.lock.hold(signal, async (waited) =>
          waited && (await this.installed()) !== undefined ? "installed" : this.anew(python, signal, onLine),
        );
        return outcome ?? "cancelled";
      } catch (error) {
        this.output.error(String(error));
        return "failed";
      }
    });
  }

  private async anew(python: string, signal: AbortSignal, onLine: (line: string) => void): Promise<Outcome> {
    await rm(this.folder, { recursive: true, force: true });
    await mkdir(this.folder, { recursive: true });
    const outcome = await this.steps(python, signal, onLine);
    if (outcome !== "installed") {
      await rm(this.folder, { recursive: true, force: true });
    }
    return outcome;
  }

  /** Replace an older server. Where that fails, the older one stays in use until the next start tries again. */
  private async update(source: string): Promise<void> {
    const options = { location: ProgressLocation.Window, title: "Updating dg-lsp" };
    const work = async (): Promise<void> => {
      const installed = await this.installed();
      if (installed === undefined || installed === source) {
        return; // another window was at it
      }
      const [program = "", ...args] = this.pip("--upgrade", requirement(source));
      const ended = await run(program, args, { onLine: (line) => this.output.info(line) });
      if (ended.status === 0) {
        await writeFile(this.mark, `${source}\n`);
      } else {
        this.output.warn("The server could not be updated; the older one is used");
      }
    };
    await window.withProgress(options, () => this.lock.hold(ending, work));
  }

  /** What the environment was made from; undefined where there is none, or it was not finished. */
  private async installed(): Promise<string | undefined> {
    const text = await readFile(this.mark, "utf8").catch(() => undefined);
    return text?.trim();
  }

  private get python(): string {
    return join(this.folder, "bin", "python");
  }

  /** What is installed: by default the server that comes with the extension. */
  private async source(): Promise<string> {
    const named = withHome(ownSetting("packageSource"));
    if (named !== "") {
      return named;
    }
    const folder = this.context.asAbsolutePath("server");
    const [wheel = ""] = await readdir(folder);
    return join(folder, wheel);
  }

  private pip(...words: string[]): string[] {
    const own = workspace.getConfiguration("dg").get<string[]>("pipArguments", []);
    return [this.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", ...words, ...own];
  }

  private async steps(python: string, signal: AbortSignal, onLine: (line: string) => void): Promise<Outcome> {
    const source = await this.source();
    const torch = needsEngine() ? await torchArguments() : [];
    const commands = [
      [python, "-m", "venv", this.folder],
      // First, so that the CUDA build, which is several GB, is not pulled in where it is of no use.
      ...(torch.length > 0 ? [this.pip(...torch)] : []),
      this.pip(requirement(source)),
    ];
    for (const [program = "", ...args] of commands) {
      onLine(`$ ${[program, ...args].join(" ")}`);
      const ended = await run(program, args, { signal, onLine });
      if (signal.aborted) {
        return "cancelled";
      }
      if (ended.status !== 0) {
        return "failed";
      }
    }
    await writeFile(this.mark, `${source}\n`);
    return "installed";
  }
}

/** Whether the engine runs here: not where the user named one elsewhere. */
export function needsEngine(): boolean {
  return engineUrl() === "";
}

/** What pip is asked for: dg-lsp from a source, with its engine where that runs here. */
function requirement(source: string): string {
  return needsEngine() ? `${source}[engine]` : source;
}

/** What pip is asked for before dg-lsp itself; nothing where there is an NVIDIA GPU. */
async function torchArguments(): Promise<string[]> {
  const index = ownSetting("torchIndex");
  return index === "" || (await onPath("nvidia-smi")) !== undefined ? [] : ["torch", "--index-url", index];
}
