import { commands, type ExtensionContext, type LogOutputChannel, type TextEditor, window, workspace } from "vscode";
import { FILLS, runAction } from "./actions";
import { findServer, type ServerCommand } from "./environment";
import { Installation, needsEngine } from "./installation";
import { showMenu } from "./menu";
import { Pause } from "./pause";
import { NEUTRAL_FOLDER } from "./processes";
import { Server } from "./server";
import { engineUrl } from "./settings";
import { Status } from "./status";

const ASKED = "askedToInstall";

let extension: Extension | undefined;

export function activate(context: ExtensionContext): void {
  extension = new Extension(context);
  // Not awaited: the editor need not wait for a server.
  void extension.start();
}

export async function deactivate(): Promise<void> {
  await extension?.stop();
}

/** Wiring: which command and which event calls what. */
class Extension {
  private readonly output: LogOutputChannel = window.createOutputChannel("dg-lsp", { log: true });
  private readonly status = new Status();
  private readonly pause = new Pause();
  private readonly server = new Server(this.output, this.status, this.pause);
  private readonly installation: Installation;
  private command: ServerCommand | undefined;
  private starts: Promise<void> = Promise.resolve();

  constructor(private readonly context: ExtensionContext) {
    this.installation = new Installation(context, this.output);
    context.subscriptions.push(this.output, this.status, this.pause);
    this.register();
    this.follow();
  }

  /** Find the server and start it, or ask once whether it shall be installed; one start after the other. */
  start(): Promise<void> {
    this.starts = this.starts.then(() => this.startNow());
    return this.starts;
  }

  private async startNow(): Promise<void> {
    if (process.platform === "win32") {
      this.status.fail("dg-lsp runs on Linux: open the folder in WSL or over Remote-SSH");
      return;
    }
    try {
      this.command = await findServer(this.installation);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.output.error(why);
      this.status.fail(why);
      return;
    }
    if (this.command) {
      await this.server.start(this.command);
    } else {
      this.status.set({ busy: false, message: "The server is not installed: click to install it", kind: "Inactive" });
      void this.askOnce();
    }
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  private register(): void {
    const handlers: Record<string, () => unknown> = {
      "dg.menu": () => showMenu(this.status, this.pause),
      "dg.install": () => this.install(),
      "dg.restart": () => this.start(),
      "dg.log": () => this.output.show(),
      "dg.settings": () => commands.executeCommand("workbench.action.openSettings", "@ext:dg-lsp.dg-lsp"),
      "dg.doctor": () => this.doctor(),
      "dg.why": () => this.why(),
      "dg.pauseFile": () => this.inEditor(({ document }) => this.pause.toggleFile(document)),
      "dg.pauseLanguage": () => this.inEditor(({ document }) => this.pause.toggleLanguage(document)),
      "dg.pause": () => this.pause.toggleAll(),
    };
    for (const [command, title] of Object.entries(FILLS)) {
      handlers[command] = () => this.inEditor((editor) => this.fill(editor, title));
    }
    for (const [command, handler] of Object.entries(handlers)) {
      this.context.subscriptions.push(commands.registerCommand(command, handler));
    }
  }

  private follow(): void {
    const show = (): void => {
      const document = window.activeTextEditor?.document;
      this.status.setPaused(document ? this.pause.reason(document) : "");
    };
    this.context.subscriptions.push(
      this.pause.onDidChange(show),
      window.onDidChangeActiveTextEditor(show),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("dg.interpreter")) {
          void this.start();
        }
      }),
    );
  }

  private async askOnce(): Promise<void> {
    if (this.context.globalState.get(ASKED)) {
      return;
    }
    await this.context.globalState.update(ASKED, true);
    const size = needsEngine() ? "1 GB" : "100 MB";
    const question = `dg-lsp needs its server: a Python environment of about ${size}, made for this extension alone.`;
    if ((await window.showInformationMessage(question, "Install", "Not now")) === "Install") {
      await this.install();
    }
  }

  private async install(): Promise<void> {
    await this.server.stop();
    this.status.set({ busy: true, message: "Installing the server", kind: "Normal" });
    const outcome = await this.installation.install();
    if (outcome === "no python") {
      this.status.fail("There is no Python 3.10 or newer");
      const message = "dg-lsp needs Python 3.10 or newer. Install it, or name one that has dg-lsp in dg.interpreter.";
      if (await window.showErrorMessage(message, "Open the setting")) {
        await commands.executeCommand("workbench.action.openSettings", "dg.interpreter");
      }
    } else if (outcome === "failed") {
      this.status.fail("The server could not be installed: see the log");
      const message = "dg-lsp could not be installed: the last lines of the log say why.";
      if (await window.showErrorMessage(message, "Show the log")) {
        this.output.show();
      }
    } else {
      await this.start();
    }
  }

  private doctor(): void {
    if (this.command === undefined) {
      void window.showInformationMessage("dg-lsp: the server is not installed.");
      return;
    }
    // Only where it is set: an older server does not know the option.
    const elsewhere = engineUrl() === "" ? [] : [`--engine-url=${engineUrl()}`];
    const words = [this.command.program, ...this.command.args, "doctor", ...elsewhere];
    const terminal = window.createTerminal({ name: "dg-lsp doctor", cwd: NEUTRAL_FOLDER });
    terminal.show();
    terminal.sendText(words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" "));
  }

  private async why(): Promise<void> {
    const document = window.activeTextEditor?.document;
    const paused = document && this.pause.hasFile(document) ? this.pause.reason(document) : "";
    const client = this.server.running;
    if (client === undefined || paused !== "") {
      void window.showInformationMessage(`dg-lsp: ${paused || this.status.now.message}`);
      return;
    }
    const uri = document && client.code2ProtocolConverter.asUri(document.uri);
    await client.sendRequest("workspace/executeCommand", { command: "dg.explain", arguments: uri ? [uri] : [] });
  }

  private async fill(editor: TextEditor, title: string): Promise<void> {
    const client = this.server.running;
    if (client === undefined) {
      void window.showInformationMessage(`dg-lsp: ${this.status.now.message}`);
      return;
    }
    await runAction(client, editor, title);
  }

  private inEditor(act: (editor: TextEditor) => unknown): unknown {
    const editor = window.activeTextEditor;
    return editor && act(editor);
  }
}
