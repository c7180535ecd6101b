import { commands, ConfigurationTarget, type ExtensionContext, type LogOutputChannel, type TextEditor, window, workspace } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { FILLS, runAction } from "./actions";
import { stopEngine } from "./engine";
import { findServer, foundInterpreter, type ServerCommand } from "./environment";
import { Installation, type Outcome } from "./installation";
import { showMenu } from "./menu";
import { chooseModel, offerModel } from "./modelPicker";
import { Pause } from "./pause";
import { endAll, ending, NEUTRAL_FOLDER } from "./processes";
import { ask, askOnce, type Choice, confirmAnew, problem, tell } from "./questions";
import { renameSettings } from "./renamed";
import { Server } from "./server";
import { engineUrl } from "./settings";
import { toggleSnooze } from "./snooze";
import { Status } from "./status";

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
  private starts: Promise<void> = renameSettings(this.output);
  private installing: Promise<Outcome> | undefined;

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
    if (this.installing) {
      return; // it starts the server when it has ended
    }
    if (process.platform === "win32") {
      this.status.fail("dg-lsp runs on Linux: open the folder in WSL or over Remote-SSH");
      return;
    }
    try {
      this.command = await findServer(this.installation);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.output.error(why);
      await this.server.stop(); // else what it says next would take the place of that
      this.status.fail(why);
      return;
    }
    if (ending.aborted) {
      return;
    }
    if (this.command) {
      await this.server.start(this.command);
      if (this.server.running) {
        offerModel(this.server.running, this.context.globalState).catch((error: unknown) => this.output.warn(String(error)));
      }
    } else if (await this.installation.lock.isHeld()) {
      this.status.set({ busy: true, message: "Another window installs the server", kind: "Normal" });
      void this.installation.lock.whenFree().then(() => this.start());
    } else {
      this.status.set({ busy: false, message: "The server is not installed: click to install it", kind: "Inactive" });
      const found = await foundInterpreter(this.context);
      void askOnce(this.context.globalState, found).then((choice) => this.take(choice, found));
    }
  }

  async stop(): Promise<void> {
    endAll();
    await Promise.all([this.server.stop(), this.installing]);
  }

  private register(): void {
    const handlers: Record<string, () => unknown> = {
      "dg.menu": () => showMenu(this.status, this.pause, this.server.running),
      "dg.suggest": () =>
        this.inEditor(() => this.withServer(() => commands.executeCommand("editor.action.inlineSuggest.trigger"))),
      "dg.toggleSnooze": () => this.withServer(toggleSnooze),
      "dg.install": () => this.installWanted(),
      "dg.restart": () => this.start(),
      "dg.stopEngine": () => stopEngine(this.command, this.output),
      "dg.log": () => this.output.show(),
      "dg.settings": () => commands.executeCommand("workbench.action.openSettings", "@ext:dg-lsp.dg-lsp"),
      // The option only where it is set: an older server does not know it.
      "dg.doctor": () => this.inTerminal("doctor", ...(engineUrl() === "" ? [] : [`--engine-url=${engineUrl()}`])),
      "dg.stats": () => this.inTerminal("stats"),
      "dg.chooseModel": () => this.withServer(chooseModel),
      "dg.why": () => this.why(),
      "dg.pauseFile": () => this.inEditor(({ document }) => this.pause.toggleFile(document)),
      "dg.pauseLanguage": () => this.inEditor(({ document }) => this.pause.toggleLanguage(document)),
      "dg.pause": () => this.pause.toggleAll(),
    };
    for (const [command, fill] of Object.entries(FILLS)) {
      handlers[command] = () => this.inEditor((editor) => this.withServer((client) => runAction(client, editor, fill)));
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
    show();
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

  /** Use the Python that was found, from now on in every window, or install another server. */
  private async take(choice: Choice, found: string | undefined): Promise<void> {
    if (choice === "use") {
      // What follows the setting starts the server.
      await workspace.getConfiguration("dg").update("interpreter", found, ConfigurationTarget.Global);
    } else if (choice === "install" && !(await this.startedMeanwhile())) {
      await this.install();
    }
  }

  /** Install; in the place of a server that runs only by a second yes, and beside one that was found by a choice. */
  private async installWanted(): Promise<void> {
    if (this.installing || (this.server.running && (await confirmAnew()))) {
      await this.install();
    } else if (!this.server.running && !(await this.startedMeanwhile())) {
      const found = await foundInterpreter(this.context);
      await this.take(found === undefined ? "install" : await ask(found), found);
    }
  }

  /** Whether a server could be started after all: another window may have installed it since. */
  private async startedMeanwhile(): Promise<boolean> {
    if (this.command === undefined && this.installing === undefined) {
      await this.start();
    }
    return this.server.running !== undefined;
  }

  /** One at a time: who asks meanwhile waits for the first. */
  private async install(): Promise<void> {
    if (this.installing) {
      await this.installing;
      return;
    }
    this.installing = this.installNow().finally(() => {
      this.installing = undefined;
    });
    const outcome = await this.installing;
    const why = problem(outcome);
    await this.start(); // also after a failure: there may be a server elsewhere
    if (why) {
      if (!this.server.running) {
        this.status.fail(why.status);
      }
      await tell(why);
    }
  }

  private async installNow(): Promise<Outcome> {
    await this.starts; // one may be bringing the environment up to date
    await this.server.stop();
    this.status.set({ busy: true, message: "Installing the server", kind: "Normal" });
    return this.installation.install();
  }

  /** Run a subcommand of dg-lsp where its output can be read. */
  private inTerminal(subcommand: string, ...options: string[]): void {
    if (this.command === undefined) {
      void window.showInformationMessage("dg-lsp: the server is not installed.");
      return;
    }
    const words = [this.command.program, ...this.command.args, subcommand, ...options];
    const terminal = window.createTerminal({ name: `dg-lsp ${subcommand}`, cwd: NEUTRAL_FOLDER });
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

  private withServer(act: (client: LanguageClient) => unknown): unknown {
    const client = this.server.running;
    if (client === undefined) {
      void window.showInformationMessage(`dg-lsp: ${this.status.now.message}`);
      return undefined;
    }
    return act(client);
  }

  private inEditor(act: (editor: TextEditor) => unknown): unknown {
    const editor = window.activeTextEditor;
    if (editor === undefined) {
      void window.showInformationMessage("dg-lsp: put the cursor into a file first.");
      return undefined;
    }
    return act(editor);
  }
}
