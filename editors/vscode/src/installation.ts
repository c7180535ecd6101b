import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CancellationToken, type ExtensionContext, type LogOutputChannel, ProgressLocation, window, workspace } from "vscode";
import { anyPython, onPath } from "./python";
import { type Ended, run } from "./processes";
import { engineUrl, ownSetting, withHome } from "./settings";

type Outcome = "installed" | "cancelled" | "no python" | "failed";

/** The extension's own Python environment, in its global storage. */
export class Installation {
  private readonly folder: string;
  /** Written last, with what was installed: an environment without it was not finished. */
  private readonly mark: string;

  constructor(
    private readonly context: ExtensionContext,
    private readonly output: LogOutputChannel,
  ) {
    this.folder = join(context.globalStorageUri.fsPath, "python");
    this.mark = join(this.folder, "dg-lsp-installed");
  }

  /** The environment's interpreter, where the environment is there and whole; brought up to date with this extension. */
  async interpreter(): Promise<string | undefined> {
    const installed = await readFile(this.mark, "utf8").catch(() => undefined);
    if (installed === undefined) {
      return undefined;
    }
    const source = await this.source();
    if (installed.trim() !== source) {
      await this.update(source);
    }
    return this.python;
  }

  /** Make the environment anew, showing progress; what was there before is gone. */
  async install(): Promise<Outcome> {
    const python = await anyPython();
    if (python === undefined) {
      return "no python";
    }
    const options = { location: ProgressLocation.Notification, title: "Installing dg-lsp", cancellable: true };
    return window.withProgress(options, async (progress, token) => {
      const onLine = (line: string): void => {
        this.output.info(line);
        progress.report({ message: line.trim().slice(0, 80) });
      };
      await rm(this.folder, { recursive: true, force: true });
      await mkdir(this.folder, { recursive: true });
      const outcome = await this.steps(python, token, onLine);
      if (outcome !== "installed") {
        await rm(this.folder, { recursive: true, force: true });
      }
      return outcome;
    });
  }

  /** Replace an older server. Where that fails, the older one stays in use until the next start tries again. */
  private async update(source: string): Promise<void> {
    const options = { location: ProgressLocation.Window, title: "Updating dg-lsp" };
    await window.withProgress(options, async () => {
      const [program = "", ...args] = this.pip("--upgrade", requirement(source));
      const ended = await run(program, args, { onLine: (line) => this.output.info(line) });
      if (ended.status === 0) {
        await writeFile(this.mark, `${source}\n`);
      } else {
        this.output.warn("The server could not be updated; the older one is used");
      }
    });
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

  private async steps(python: string, token: CancellationToken, onLine: (line: string) => void): Promise<Outcome> {
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
      const ended: Ended = await run(program, args, { token, onLine });
      if (token.isCancellationRequested) {
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
