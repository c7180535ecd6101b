import { access, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CancellationToken, type ExtensionContext, type LogOutputChannel, ProgressLocation, window, workspace } from "vscode";
import { anyPython, onPath } from "./python";
import { type Ended, run } from "./processes";
import { ownSetting, withHome } from "./settings";

type Outcome = "installed" | "cancelled" | "no python" | "failed";

/** The extension's own Python environment, in its global storage. */
export class Installation {
  private readonly folder: string;
  /** Written last: an environment without it was not finished. */
  private readonly mark: string;

  constructor(
    private readonly context: ExtensionContext,
    private readonly output: LogOutputChannel,
  ) {
    this.folder = join(context.globalStorageUri.fsPath, "python");
    this.mark = join(this.folder, "dg-lsp-installed");
  }

  /** The environment's interpreter, where the environment is there and whole. */
  async interpreter(): Promise<string | undefined> {
    try {
      await access(this.mark);
      return join(this.folder, "bin", "python");
    } catch {
      return undefined;
    }
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

  /** The server that comes with the extension. */
  private async ownWheel(): Promise<string> {
    const folder = this.context.asAbsolutePath("server");
    const [wheel = ""] = await readdir(folder);
    return join(folder, wheel);
  }

  private async steps(python: string, token: CancellationToken, onLine: (line: string) => void): Promise<Outcome> {
    const interpreter = join(this.folder, "bin", "python");
    const source = withHome(ownSetting("packageSource")) || (await this.ownWheel());
    const local = needsEngine();
    const pip = [interpreter, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"];
    const own = workspace.getConfiguration("dg").get<string[]>("pipArguments", []);
    const torch = local ? await torchArguments() : [];
    const commands = [
      [python, "-m", "venv", this.folder],
      // First, so that the CUDA build, which is several GB, is not pulled in where it is of no use.
      ...(torch.length > 0 ? [[...pip, ...torch, ...own]] : []),
      [...pip, local ? `${source}[engine]` : source, ...own],
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
  return workspace.getConfiguration("dg").get("engine.url", "") === "";
}

/** What pip is asked for before dg-lsp itself; nothing where there is an NVIDIA GPU. */
async function torchArguments(): Promise<string[]> {
  const index = ownSetting("torchIndex");
  return index === "" || (await onPath("nvidia-smi")) !== undefined ? [] : ["torch", "--index-url", index];
}
